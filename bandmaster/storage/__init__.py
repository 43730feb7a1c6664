"""Where a study's events are kept."""

from bandmaster.storage.base import Journal
from bandmaster.storage.memory import MemoryJournal

__all__ = ["Journal", "MemoryJournal"]
