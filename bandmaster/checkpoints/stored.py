"""What an evaluation saves to and loads from, on a store."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from bandmaster.checkpoints.archive import read_archive, write_archive
from bandmaster.checkpoints.base import CheckpointStore
from bandmaster.checkpoints.drafts import digest_of
from bandmaster.checkpoints.names import check_name, digest_in
from bandmaster.checkpoints.opening import open_store
from bandmaster.checkpoints.temporary import Scratch
from bandmaster.checkpoints.trees import remove_tree
from bandmaster.core.checkpoints import Checkpoints, checkpoint_name
from bandmaster.core.job import Job
from bandmaster.errors import BandmasterError, CheckpointError

__all__ = ["StoredCheckpoints", "load_checkpoint"]

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def load_checkpoint(name: str, place: str | os.PathLike[str]) -> object:
    """Return what an evaluation has kept under a name.

    A state is unpickled, which can run any code: load only what is yours.

    Parameters
    ----------
    name : str
    place : str or path
        What was given as `checkpoint_store`, or the folder of a study in it.

    Returns
    -------
    object or pathlib.Path
        The state; or a new temporary directory with all that was in the one saved, which is yours
        to remove.

    Raises
    ------
    CheckpointError
        When it is not there, or damaged.
    """
    with contextlib.closing(open_store(place).find(name)) as store:
        return StoredCheckpoints(store, scratch=lambda: Path(tempfile.gettempdir())).load(name)


class StoredCheckpoints(Checkpoints):
    """Saves to a store, and loads from it what is proven to be what was saved.

    Parameters
    ----------
    store : CheckpointStore or callable
        Or what returns one, called whenever it is needed.
    scratch : callable, optional
        Returns a directory of ours, in which directories are unpacked. Default: a temporary one.

    Notes
    -----
    What was loaded is unpickled: whoever can write to the store can run code in an evaluation that
    calls ``context.load()``. The digest in a name proves that the object is the one whose name was
    reported, not who made it.
    """

    def __init__(
        self,
        store: CheckpointStore | Callable[[], CheckpointStore],
        *,
        scratch: Callable[[], Path] | None = None,
    ) -> None:
        self._store = store
        self._given = scratch
        self._scratch = Scratch()
        self._unpacked: list[Path] = []

    @property
    def store(self) -> CheckpointStore:
        """Where they are kept."""
        return self._store if isinstance(self._store, CheckpointStore) else self._store()

    def save(self, thing: object, *, job: Job, step: int) -> str:
        """Keep a state, or all that is in a directory; return its name."""
        store, place = self.store, ""
        try:
            with store.draft() as draft:
                place = draft.place
                write_archive(draft, thing, job=job, step=step)
                name = checkpoint_name(step, draft.digest)
                store.put(draft, name)
        except BandmasterError:
            raise
        except OSError as error:
            where = f" in {place}" if place else ""
            hint = "; make room there, or give another place" if error.errno in _FULL else ""
            raise CheckpointError(
                f"the checkpoint of step {step} cannot be written{where}: "
                f"{error.strerror or error}{hint}"
            ) from error
        return name

    def load(self, name: str) -> object:
        """Return the state, or the path of a directory that is the caller's own until `close`."""
        check_name(name)
        try:
            with self.store.open(name) as file:
                if digest_of(file) != digest_in(name):
                    raise CheckpointError(
                        f"checkpoint {name} is damaged: what the store has is not what was saved"
                    )
                return read_archive(file, self._make_directory)
        except BandmasterError:
            raise
        except OSError as error:
            raise CheckpointError(
                f"checkpoint {name} cannot be loaded: {error.strerror or error}"
            ) from error

    def close(self) -> None:
        """Remove the directories that `load` made."""
        while self._unpacked:
            remove_tree(self._unpacked.pop())
        self._scratch.close()

    def _make_directory(self) -> Path:
        place = self._scratch.path if self._given is None else self._given()
        directory = Path(tempfile.mkdtemp(prefix="bandmaster-checkpoint-", dir=place))
        self._unpacked.append(directory)
        return directory
