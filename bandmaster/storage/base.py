"""What a journal and a storage are: all that the rest knows of where events are kept."""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from bandmaster.core.events import Event
from bandmaster.errors import ConfigurationError, StorageError

__all__ = ["LEASE_SECONDS", "Journal", "Storage", "StudySummary", "check_name"]

LEASE_SECONDS = 30.0
"""How long a writer that says nothing keeps its study."""

_MAX_NAME = 200


class Journal(abc.ABC):
    """The ordered events of one study, with one writer at a time.

    Thread-safety: `append` is called under the study's lock, in the order of its memory; `read`
    and `wait` may be called from any thread. A call sequence::

        position = journal.append([event])   # handed over, in order
        journal.wait(position)               # returns when it is durable
        list(journal.read(0))                # what a reader, or a restart, would see
    """

    immediate: ClassVar[bool] = False
    """Whether `append` alone makes events durable, so that `wait` never blocks."""

    @abc.abstractmethod
    def append(self, events: Sequence[Event]) -> int:
        """Hand over events, all of them or none; return the position after the last.

        Commits are prefix-closed: an event is durable only when all before it are.

        Raises
        ------
        StorageError
            When they cannot be kept. The study is then poisoned and has to be loaded again.
        CodecError
            When one holds a value that cannot be stored.
        """

    @abc.abstractmethod
    def wait(self, position: int) -> None:
        """Return when everything before `position` is durable.

        Raises
        ------
        StorageError
            When it will never be.
        """

    @abc.abstractmethod
    def read(self, since: int = 0) -> Iterator[Event]:
        """Yield the durable events from position `since` on.

        Raises
        ------
        StorageError
            When they cannot be read, or are not what was written.
        """

    def watch(  # noqa: B027 - a journal without a background has nothing to tell
        self, on_failure: Callable[[StorageError], None]
    ) -> None:
        """Have `on_failure` called, in any thread, once nothing can be written any more.

        It gets the reason, at once when it is so already. The default never calls: for a journal
        that can only fail in `append` and `wait`, which raise. One watcher at a time; `close` is
        no failure.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Make durable what was handed over, and give up what is held; twice does nothing.

        Raises
        ------
        StorageError
            When something that was handed over could not be kept, and no call said so yet.
        """


@dataclass(frozen=True, slots=True)
class StudySummary:
    """One study of a storage.

    Parameters
    ----------
    name : str
    created : float
        Seconds since the epoch.
    n_events : int
        How many events are durable.
    writer : str or None
        Who writes it at present, e.g. ``"pid 4711 on node3"``.
    """

    name: str
    created: float
    n_events: int
    writer: str | None = None


class Storage(abc.ABC):
    """A place for the journals of many studies, made by `open_storage`.

    Thread-safe. A ``with`` block closes it. A call sequence::

        with open_storage("sqlite:///search.db") as storage:
            journal = storage.open_journal("mine", create=True)   # the study is ours
            ...
            journal.close()                                       # free for the next
            storage.list_studies()
    """

    @property
    def file(self) -> Path | None:
        """The file in which all of it is, if there is one."""
        return None

    @abc.abstractmethod
    def open_journal(
        self,
        name: str,
        *,
        create: bool,
        lease_seconds: float = LEASE_SECONDS,
        owner: str = "",
        standby: bool = False,
    ) -> Journal:
        """Become the writer of a study.

        Parameters
        ----------
        name : str
            The study; 1 to 200 characters.
        create : bool
            Whether to make it when there is none.
        lease_seconds : float, default 30
            A writer that could not be heard of for so long may be replaced.
        owner : str, optional
            What to call us to a second one that wants the study, beside host and process.
        standby : bool, default False
            Wait while another one writes it, and take over when that one is gone.

        Raises
        ------
        StudyBusyError
            When another one writes it.
        StorageError
            When there is no such study, or the place cannot be read or written.
        """

    @abc.abstractmethod
    def read_journal(self, name: str) -> Journal:
        """Return a journal that only reads, beside whoever writes.

        Raises
        ------
        StorageError
            When there is no such study.
        """

    @abc.abstractmethod
    def list_studies(self) -> list[StudySummary]:
        """Return what is there, by name."""

    @abc.abstractmethod
    def delete_study(self, name: str) -> None:
        """Remove a study with all its events.

        Raises
        ------
        StudyBusyError
            While somebody writes it.
        StorageError
            When there is no such study.
        """

    @abc.abstractmethod
    def revoke(self, name: str) -> None:
        """Take the study from whoever writes it: none of their later commits will succeed.

        For an operator who knows that a writer is gone, before its lease says so.

        Raises
        ------
        StorageError
            When there is no such study.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Close what is open, journals included; twice does nothing."""

    def __enter__(self) -> Storage:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


def check_name(name: str) -> str:
    """Return a study's name if it may be one.

    Raises
    ------
    ConfigurationError
    """
    if not isinstance(name, str) or not 0 < len(name) <= _MAX_NAME or "\0" in name:
        raise ConfigurationError(
            f"a study that is stored needs a name of 1 to {_MAX_NAME} characters, got {name!r}"
        )
    return name
