"""What a store of checkpoints is."""

from __future__ import annotations

import abc
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bandmaster.checkpoints.drafts import CHUNK, Draft

__all__ = ["CheckpointStore", "ManagedStore", "Stored"]


class CheckpointStore(abc.ABC):
    """A place for checkpoints as an evaluation uses it. Thread-safe.

    An object is kept whole under its name or not at all, and never changes. A call sequence::

        with store.draft() as draft:
            draft.write(b"...")
            store.put(draft, checkpoint_name(5, draft.digest))
        with store.open(name) as file:
            file.read()
    """

    @abc.abstractmethod
    def draft(self) -> Draft:
        """Return an empty draft for `put`."""

    @abc.abstractmethod
    def put(self, draft: Draft, name: str) -> None:
        """Keep what was written to a draft. When this returns, `open` finds it from anywhere.

        Raises
        ------
        CheckpointError
            When it cannot be kept. Nothing of it is there then.
        CommError
            When the way there is interrupted for good.
        """

    @abc.abstractmethod
    def open(self, name: str) -> IO[bytes]:
        """Return a local file to read from its beginning; the caller closes it.

        What is in it was not compared with the name's digest.

        Raises
        ------
        CheckpointError
            When there is no such object, or it cannot be read.
        """

    @property
    def folder(self) -> Path | None:
        """Where a draft of another process can be made, and be adopted; None: anywhere."""
        return None

    def path_of(self, name: str) -> Path | None:
        """Return where an object lies as a file of this machine; None if it does not."""
        return None

    def close(self) -> None:  # noqa: B027 - not abstract: most hold nothing
        """Free what is held; twice does nothing."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One object of a store.

    Parameters
    ----------
    name : str
    size : int
        Bytes.
    modified : float or None
        When it was put there, in seconds since the epoch; None where nobody knows.
    """

    name: str
    size: int
    modified: float | None


class ManagedStore(CheckpointStore):
    """A store as its master uses it.

    Attributes
    ----------
    url : str
        With which `open_store` opens it from elsewhere.
    """

    url: str

    @abc.abstractmethod
    def read(self, name: str, start: int, size: int = CHUNK) -> bytes:
        """Return part of an object, at most `size` bytes; nothing at its end.

        Raises
        ------
        CheckpointError
            As `open`.
        """

    @abc.abstractmethod
    def delete(self, name: str) -> None:
        """Remove an object; one that is not there is no error.

        Raises
        ------
        CheckpointError
            When it cannot be removed.
        """

    @abc.abstractmethod
    def names(self) -> Iterator[Stored]:
        """Yield what is there, in no order.

        Raises
        ------
        CheckpointError
            When that cannot be found out.
        """

    @abc.abstractmethod
    def find(self, name: str) -> ManagedStore:
        """Return the store that has an object: this one, or one that lies in it.

        Raises
        ------
        CheckpointError
            When neither this nor any of those has it.
        """

    @abc.abstractmethod
    def mark(self) -> str:
        """Make the place if it is not there, remove what killed writers have left in it.

        Returns
        -------
        str
            A mark that is kept there, by which others find out whether what they see under the
            URL is the same place (`sees`).

        Raises
        ------
        CheckpointError
            When nothing can be written there.
        """

    @abc.abstractmethod
    def sees(self, mark: str) -> bool:
        """Whether the mark is in what we see under the URL."""

    @abc.abstractmethod
    def tidy(self) -> None:
        """Remove what killed writers have left, and the place if nothing is kept in it."""

    @abc.abstractmethod
    def destroy(self) -> None:
        """Remove the place and all that is in it.

        Raises
        ------
        CheckpointError
            When something of it stays.
        """
