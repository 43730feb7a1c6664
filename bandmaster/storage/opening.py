"""Opening a study's journal from a URL in one go."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from bandmaster.core.events import Event, StudyCreated
from bandmaster.errors import ConfigurationError, StorageError
from bandmaster.storage.base import LEASE_SECONDS, Journal, Storage
from bandmaster.storage.urls import open_storage

__all__ = ["checkpoint_url", "open_study_journal", "stored_space"]


def checkpoint_url(file: str | os.PathLike[str]) -> str:
    """Return the URL of a checkpoint file: an SQLite file, or what is a URL already."""
    text = os.fspath(file)
    return text if "://" in text else f"sqlite:///{text}"


def open_study_journal(
    storage: str | Storage,
    name: str,
    *,
    load_if_exists: bool,
    lease_seconds: float = LEASE_SECONDS,
    standby: bool = False,
) -> Journal:
    """Open a study's journal for writing.

    Parameters
    ----------
    storage : str or Storage
        One that is given by its URL is closed with the journal.
    name : str
        The study's name.
    load_if_exists : bool
        Whether to go on with a study that is there already.
    lease_seconds : float, default 30
        How long the study stays ours when nothing is heard of us.
    standby : bool, default False
        Whether to wait while another process writes the study, and to take over after it.

    Raises
    ------
    ConfigurationError
        When the study exists and `load_if_exists` is false.
    StudyBusyError
        When another process writes the study, and we do not stand by.
    """
    if not isinstance(storage, Storage):
        opened = open_storage(storage)
        try:
            journal: Journal = _OwningJournal(
                open_study_journal(
                    opened, name,
                    load_if_exists=load_if_exists, lease_seconds=lease_seconds, standby=standby,
                ),
                opened,
            )  # fmt: skip
        except BaseException:
            opened.close()
            raise
        return journal
    journal = storage.open_journal(name, create=True, lease_seconds=lease_seconds, standby=standby)
    if not load_if_exists and next(journal.read(0), None) is not None:
        journal.close()
        raise ConfigurationError(
            f"the storage has a study {name!r} already: pass load_if_exists=True to go on with it, "
            "or choose another name"
        )
    return journal


def stored_space(storage: str | Storage, name: str) -> dict[str, Any]:
    """Return the search space of a stored study (`Space.to_dict`).

    Raises
    ------
    StorageError
        When there is no such study, or nothing in it.
    """
    if not isinstance(storage, Storage):
        with open_storage(storage, create=False) as opened:
            return stored_space(opened, name)
    first = next(storage.read_journal(name).read(0), None)
    if not isinstance(first, StudyCreated):
        raise StorageError(f"study {name!r} is empty")
    return dict(first.space)


class _OwningJournal(Journal):
    """Passes everything on to a journal; closing it closes the storage too.

    Parameters
    ----------
    journal : Journal
    storage : Storage
        Where it is from; nobody else uses it.
    """

    def __init__(self, journal: Journal, storage: Storage) -> None:
        self.immediate = journal.immediate  # type: ignore[misc]  # this one's, not the class's
        self._journal = journal
        self._storage = storage

    def append(self, events: Sequence[Event]) -> int:
        """Hand over events."""
        return self._journal.append(events)

    def wait(self, position: int) -> None:
        """Return when everything before `position` is durable."""
        self._journal.wait(position)

    def read(self, since: int = 0) -> Iterator[Event]:
        """Yield the events from position `since` on."""
        return self._journal.read(since)

    def watch(self, on_failure: Callable[[StorageError], None]) -> None:
        """Have `on_failure` called once nothing can be written any more."""
        self._journal.watch(on_failure)

    def close(self) -> None:
        """Make durable what was handed over, and close journal and storage."""
        try:
            self._journal.close()
        finally:
            self._storage.close()
