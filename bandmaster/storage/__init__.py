"""Where studies' events are kept. SQLAlchemy is imported when a database is opened."""

from bandmaster.storage.base import LEASE_SECONDS, Journal, Storage, StudySummary
from bandmaster.storage.memory import MemoryJournal, MemoryStorage
from bandmaster.storage.opening import checkpoint_url, open_study_journal, stored_space
from bandmaster.storage.urls import open_storage

__all__ = [
    "LEASE_SECONDS",
    "Journal",
    "MemoryJournal",
    "MemoryStorage",
    "Storage",
    "StudySummary",
    "checkpoint_url",
    "open_storage",
    "open_study_journal",
    "stored_space",
]
