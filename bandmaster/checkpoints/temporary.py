"""Directories for the time of a run, which are gone after it however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bandmaster.checkpoints.trees import remove_tree

__all__ = ["ALIVE", "Scratch", "temporary_place"]

ALIVE = ".temporary"
"""The file that is locked in a temporary place as long as its process lives."""

_SETTLED = 60.0  # seconds after which a directory that nobody holds is nobody's


@contextlib.contextmanager
def temporary_place(folder: Path | None = None, prefix: str = "") -> Iterator[Path]:
    """Make a directory for this user only, and remove it at the end.

    Those of the same folder and prefix whose process was killed are removed on the way.

    Parameters
    ----------
    folder : Path, optional
        Where; default: where the system has its temporary files.
    prefix : str, optional
        With which its name begins, after our own.
    """
    folder = Path(tempfile.gettempdir()) if folder is None else folder
    prefix = f"bandmaster-checkpoints-{prefix}"
    _remove_left(folder, prefix)
    path = Path(tempfile.mkdtemp(prefix=prefix, dir=folder))
    owner = os.getpid()
    try:
        # Held as long as this process lives, whatever ends it.
        with open(path / ALIVE, "w") as alive:
            with contextlib.suppress(OSError):  # no locks: it is never taken for one left
                fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield path
    finally:
        if os.getpid() == owner:  # a forked child leaves it to its parent
            remove_tree(path)


class Scratch:
    """A temporary directory that is made when it is needed first; `close` removes it."""

    def __init__(self) -> None:
        self._stack: contextlib.ExitStack | None = None
        self._path: Path | None = None

    @property
    def path(self) -> Path:
        """Where it is."""
        if self._path is None:
            self._stack = self._stack or contextlib.ExitStack()
            self._path = self._stack.enter_context(temporary_place())
        return self._path

    def close(self) -> None:
        """Remove it, with all that is in it; the next time it is needed another one is made."""
        self._path = None
        if self._stack is not None:
            self._stack.close()


def _remove_left(folder: Path, prefix: str) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(prefix):
                with contextlib.suppress(OSError):
                    _remove_if_left(Path(entry.path))


def _remove_if_left(path: Path) -> None:
    status = path.lstat()
    if status.st_uid != os.geteuid() or time.time() - status.st_mtime < _SETTLED:
        return
    with open(path / ALIVE) as alive:
        fcntl.flock(alive, fcntl.LOCK_EX | fcntl.LOCK_NB)  # BlockingIOError: its process lives
        remove_tree(path)
