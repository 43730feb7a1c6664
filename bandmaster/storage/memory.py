"""Journals that live as long as their process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import ClassVar

from bandmaster.core.events import Event
from bandmaster.core.seconds import check_seconds
from bandmaster.errors import StorageError, StudyBusyError
from bandmaster.storage.base import LEASE_SECONDS, Journal, Storage, StudySummary, check_name

__all__ = ["MemoryJournal", "MemoryStorage"]


class MemoryJournal(Journal):
    """Keeps the events in a list.

    Parameters
    ----------
    events : sequence of Event, optional
        What is in it already.
    """

    immediate: ClassVar[bool] = True

    def __init__(self, events: Sequence[Event] = ()) -> None:
        self._events: list[Event] = list(events)

    def append(self, events: Sequence[Event]) -> int:
        """Keep the events; they are as durable as the process at once."""
        self._events.extend(events)
        return len(self._events)

    def wait(self, position: int) -> None:
        """Return at once."""
        if position > len(self._events):
            raise StorageError(
                f"position {position} will never be durable: {len(self._events)} events were "
                "handed over"
            )

    def read(self, since: int = 0) -> Iterator[Event]:
        """Yield the events from position `since` on."""
        yield from self._events[since:]

    def close(self) -> None:
        """Do nothing."""


class _Held(MemoryJournal):
    """The journal of a study in a storage, while its writer has it."""

    def __init__(self, storage: MemoryStorage, name: str, events: list[Event]) -> None:
        super().__init__()
        self._events = events
        self._storage = storage
        self._name = name
        self._on_failure: Callable[[StorageError], None] | None = None

    def append(self, events: Sequence[Event]) -> int:
        """Keep the events, if we still are the writer."""
        with self._storage.changed:
            if self._storage.writers.get(self._name) is not self:
                raise self._lost()
            return super().append(events)

    def watch(self, on_failure: Callable[[StorageError], None]) -> None:
        """Have `on_failure` called when the study is taken from us."""
        with self._storage.changed:
            self._on_failure = on_failure
            lost = self._storage.writers.get(self._name) is not self
        if lost:
            on_failure(self._lost())

    def taken(self) -> None:
        """Tell who watches that the study was taken."""
        if self._on_failure is not None:
            self._on_failure(self._lost())

    def close(self) -> None:
        """Let the next one write."""
        with self._storage.changed:
            if self._storage.writers.get(self._name) is self:
                del self._storage.writers[self._name]
                self._storage.changed.notify_all()

    def _lost(self) -> StorageError:
        return StorageError(f"this journal of study {self._name!r} is closed or was taken over")


class _Reader(_Held):
    def append(self, events: Sequence[Event]) -> int:
        raise StorageError(f"this journal of study {self._name!r} only reads")

    def watch(self, on_failure: Callable[[StorageError], None]) -> None:
        """Reading cannot be lost."""


class MemoryStorage(Storage):
    """Keeps studies as long as the process; for tests, and for code that takes any storage.

    Attributes
    ----------
    writers : dict of str to the journal that has it
        Who writes which study at present.
    changed : threading.Condition
        Guards all of it; notified when a study becomes free.
    """

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.writers: dict[str, _Held] = {}
        self._studies: dict[str, tuple[float, list[Event]]] = {}
        self._owners: dict[str, str] = {}
        self._closed = False

    def open_journal(
        self,
        name: str,
        *,
        create: bool,
        lease_seconds: float = LEASE_SECONDS,
        owner: str = "",
        standby: bool = False,
    ) -> Journal:
        """Become the writer of a study; see `Storage.open_journal`."""
        check_seconds("lease_seconds", lease_seconds, optional=False, zero=False)
        with self.changed:
            if create and not self._closed:
                self._studies.setdefault(check_name(name), (time.time(), []))
            events = self._events(name)
            while name in self.writers:
                if not standby:
                    raise StudyBusyError(
                        f"study {name!r} is being written by {self._owners[name] or 'another one'} "
                        "in this process"
                    )
                self.changed.wait()
                events = self._events(name)
            journal = _Held(self, name, events)
            self.writers[name], self._owners[name] = journal, owner
            return journal

    def read_journal(self, name: str) -> Journal:
        """Return a journal that only reads."""
        with self.changed:
            return _Reader(self, name, self._events(name))

    def list_studies(self) -> list[StudySummary]:
        """Return what is there, by name."""
        with self.changed:
            return [
                StudySummary(
                    name,
                    created,
                    len(events),
                    (self._owners[name] or "this process") if name in self.writers else None,
                )
                for name, (created, events) in sorted(self._studies.items())
            ]

    def delete_study(self, name: str) -> None:
        """Remove a study."""
        with self.changed:
            self._events(name)
            if name in self.writers:
                raise StudyBusyError(f"study {name!r} is being written in this process")
            del self._studies[name]

    def revoke(self, name: str) -> None:
        """Take the study from its writer."""
        with self.changed:
            self._events(name)
            writer = self.writers.pop(name, None)
            self.changed.notify_all()
        if writer is not None:
            writer.taken()  # outside: it may take locks under which others append

    def close(self) -> None:
        """Forget everything."""
        with self.changed:
            self._closed = True
            self.writers.clear()
            self._studies.clear()
            self.changed.notify_all()

    def _events(self, name: str) -> list[Event]:
        if self._closed:
            raise StorageError("this storage is closed")
        try:
            return self._studies[name][1]
        except KeyError:
            raise StorageError(
                f"there is no study {name!r} in memory; those there: {sorted(self._studies)}"
            ) from None
