"""A journal that lives as long as its process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bandmaster.core.events import Event
from bandmaster.storage.base import Journal

__all__ = ["MemoryJournal"]


class MemoryJournal(Journal):
    """Keeps the events in a list.

    Parameters
    ----------
    events : sequence of Event, optional
        What is in it already.
    """

    def __init__(self, events: Sequence[Event] = ()) -> None:
        self._events: list[Event] = list(events)

    def append(self, events: Sequence[Event]) -> int:
        """Keep the events; they are as durable as the process at once."""
        self._events.extend(events)
        return len(self._events)

    def wait(self, position: int) -> None:
        """Return at once."""

    def read(self, since: int = 0) -> Iterator[Event]:
        """Yield the events from position `since` on."""
        yield from self._events[since:]

    def close(self) -> None:
        """Do nothing."""
