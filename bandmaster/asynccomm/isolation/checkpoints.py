"""Checkpoints of an isolated evaluation: it writes and reads files, its worker has the store."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from bandmaster.asynccomm.isolation.channel import FETCH, KEEP, WHERE
from bandmaster.checkpoints import CheckpointStore, Draft, Scratch, StoredCheckpoints
from bandmaster.core.checkpoints import Checkpoints
from bandmaster.errors import CheckpointError

__all__ = ["Desk", "ParentStore"]


class ParentStore(CheckpointStore):
    """The store as a child sees it; what it keeps and reads goes through files.

    Parameters
    ----------
    ask : callable
        Sends a message to the worker, and returns the answer.
    """

    def __init__(self, ask: Callable[..., Any]) -> None:
        self._ask = ask

    def draft(self) -> Draft:
        """Return an empty draft where the worker's store wants it."""
        return Draft(Path(self._ask(WHERE, True)))

    def put(self, draft: Draft, name: str) -> None:
        """Have the worker keep a draft."""
        draft.file.flush()
        self._ask(KEEP, str(draft.path), name)

    def open(self, name: str) -> IO[bytes]:
        """Have the worker fetch an object."""
        return open(self._ask(FETCH, name), "rb")

    def scratch(self) -> Path:
        """Return a directory that the worker removes when the evaluation has ended, however."""
        return Path(self._ask(WHERE, False))


class Desk:
    """Does for a child what `ParentStore` asks for; one evaluation at a time.

    Parameters
    ----------
    checkpoints : Checkpoints or None
        Those of the evaluation's context.
    """

    def __init__(self, checkpoints: Checkpoints | None) -> None:
        self._checkpoints = checkpoints
        self._scratch = Scratch()

    def answer(self, kind: str, *fields: Any) -> Any:
        """Return the answer to a message; BandmasterError and OSError when it cannot be done."""
        match kind, *fields:
            case "where", bool(of_store):
                folder = self._store.folder if of_store else None
                return str(folder or self._scratch.path)
            case "keep", str(path), str(name):
                with Draft.adopt(Path(path)) as draft:
                    self._store.put(draft, name)
                return None
            case "fetch", str(name):
                return str(self._store.path_of(name) or self._copy(name))
        raise CheckpointError("the evaluation asks for something that there is not")

    def close(self) -> None:
        """Remove what the evaluation used."""
        self._scratch.close()

    @property
    def _store(self) -> CheckpointStore:
        if not isinstance(self._checkpoints, StoredCheckpoints):
            raise CheckpointError("there is no store of checkpoints here")
        return self._checkpoints.store

    def _copy(self, name: str) -> Path:
        path = self._scratch.path / name
        with self._store.open(name) as source, open(path, "wb") as target:
            while chunk := source.read(1 << 20):
                target.write(chunk)
        return path
