"""Files that are being written, and hashed as they are."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO

__all__ = ["CHUNK", "Draft", "collect_drafts", "digest_of"]

CHUNK = 1 << 20
"""How much of a checkpoint is in memory at a time, in bytes."""

_ABANDONED = 24 * 3600.0  # seconds; where files cannot be locked, a draft that old is nobody's


class Draft:
    """A file that nobody else knows of yet; a ``with`` block removes it, unless it was moved.

    Parameters
    ----------
    folder : path, optional
        Where it is made, under a name that never was. Without one the file has no name, and is
        gone with its process however that ends.

    Attributes
    ----------
    path : Path or None
    size : int
        How many bytes were written.

    Notes
    -----
    A draft with a name is locked as long as it is open, which tells `collect_drafts` that somebody
    writes it.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.path: Path | None = None
        self._file: IO[bytes]
        if folder is None:
            self._file = tempfile.TemporaryFile(prefix="bandmaster-")  # noqa: SIM115 - `close` does
        else:
            self._make(folder)
        self.size = 0
        self._hash = hashlib.sha256()

    @classmethod
    def adopt(cls, path: Path) -> Draft:
        """Go on with what another process of ours has written; its digest is not known here."""
        draft = cls.__new__(cls)
        draft.path = path
        draft._file = open(path, "r+b")  # noqa: SIM115 - `close` does
        with contextlib.suppress(OSError):  # who wrote it holds it as long as he lives
            fcntl.flock(draft._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        draft.size = os.fstat(draft._file.fileno()).st_size
        draft._hash = hashlib.sha256()
        return draft

    @property
    def file(self) -> IO[bytes]:
        """The open file; writing to it bypasses the hash."""
        return self._file

    @property
    def place(self) -> str:
        """The directory whose disk it takes."""
        return tempfile.gettempdir() if self.path is None else str(self.path.parent)

    @property
    def digest(self) -> str:
        """The SHA-256 of what was written, in hexadecimal digits."""
        return self._hash.hexdigest()

    def write(self, data: bytes | memoryview) -> int:
        """Append data; returns how many bytes that were."""
        data = memoryview(data).cast("B")
        self._file.write(data)
        self._hash.update(data)
        self.size += len(data)
        return len(data)

    def tell(self) -> int:
        """Return how many bytes were written."""
        return self.size

    def restart(self) -> None:
        """Forget what was written."""
        self._file.seek(0)
        self._file.truncate()
        self._hash = hashlib.sha256()
        self.size = 0

    def chunks(self, start: int = 0) -> Iterator[bytes]:
        """Yield what was written, from a position on."""
        self._file.flush()
        self._file.seek(start)
        while chunk := self._file.read(CHUNK):
            yield chunk

    def moved(self) -> None:
        """Note that the file has another name by now, under which it stays."""
        self.path = None

    def close(self) -> None:
        """Close the file, and remove it if it still has the name of a draft."""
        with contextlib.suppress(OSError):  # a full disk has no room for what is thrown away now
            self._file.close()
        if self.path is not None:
            with contextlib.suppress(FileNotFoundError):
                self.path.unlink()

    def __enter__(self) -> Draft:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _make(self, folder: Path) -> None:
        while True:
            path = folder / f"{secrets.token_hex(16)}.part"
            file = open(path, "x+b")  # noqa: SIM115 - `close` does
            with contextlib.suppress(OSError):  # some network file systems have no locks
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(file.fileno()).st_nlink:  # not collected before it was locked
                self.path, self._file = path, file
                return
            file.close()


def collect_drafts(folder: Path) -> int:
    """Remove the drafts of processes that have died; returns how many that were."""
    count = 0
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".part") and entry.is_file(follow_symlinks=False):
                count += _collect(Path(entry.path))
    return count


def digest_of(file: BinaryIO | IO[bytes]) -> str:
    """Return the SHA-256 of a file from where it stands, and go back there."""
    start, found, buffer = file.tell(), hashlib.sha256(), bytearray(CHUNK)
    view = memoryview(buffer)
    while count := file.readinto(buffer):  # type: ignore[union-attr]  # typeshed: not of IO[bytes]
        found.update(view[:count])
    file.seek(start)
    return found.hexdigest()


def _collect(path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError), open(path, "r+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            if time.time() - os.fstat(file.fileno()).st_mtime < _ABANDONED:
                return False
        path.unlink()
        return True
    return False
