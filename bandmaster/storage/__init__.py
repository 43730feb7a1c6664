"""Where studies' events are kept. SQLAlchemy is imported when a database is opened."""

from bandmaster.storage.base import Journal, Storage, StudySummary
from bandmaster.storage.memory import MemoryJournal, MemoryStorage
from bandmaster.storage.opening import open_study_journal, stored_space
from bandmaster.storage.urls import open_storage

__all__ = [
    "Journal",
    "MemoryJournal",
    "MemoryStorage",
    "Storage",
    "StudySummary",
    "open_storage",
    "open_study_journal",
    "stored_space",
]
