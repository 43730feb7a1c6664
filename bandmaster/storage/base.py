"""What a journal is: all that a study knows of storage."""

from __future__ import annotations

import abc
from collections.abc import Iterator, Sequence

from bandmaster.core.events import Event

__all__ = ["Journal"]


class Journal(abc.ABC):
    """The ordered events of one study, with one writer at a time.

    Thread-safety: `append` is called under the study's lock, in the order of its memory; `read`
    and `wait` may be called from any thread. A call sequence::

        position = journal.append([event])   # handed over, in order
        journal.wait(position)               # returns when it is durable
        list(journal.read(0))                # what a reader, or a restart, would see
    """

    @abc.abstractmethod
    def append(self, events: Sequence[Event]) -> int:
        """Hand over events, all of them or none; return the position after the last.

        Commits are prefix-closed: an event is durable only when all before it are.

        Raises
        ------
        StorageError
            When they cannot be kept. The study is then poisoned and has to be loaded again.
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
        """Yield the events from position `since` on."""

    @abc.abstractmethod
    def close(self) -> None:
        """Give up what is held; closing twice does nothing."""
