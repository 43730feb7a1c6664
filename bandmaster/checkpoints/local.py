"""A store in a directory."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from bandmaster.checkpoints.base import ManagedStore, Stored
from bandmaster.checkpoints.drafts import CHUNK, Draft, collect_drafts
from bandmaster.checkpoints.names import check_name, is_name
from bandmaster.checkpoints.temporary import ALIVE
from bandmaster.checkpoints.trees import remove_tree
from bandmaster.errors import CheckpointError

__all__ = ["DirectoryStore"]

_DRAFTS, _MARK = "incoming", ".mark"


class DirectoryStore(ManagedStore):
    """Keeps each object in a file of its name. It uses the standard library alone.

    Parameters
    ----------
    root : path
        Made, for this user only, when something is put there.
    create : bool, default True
        False: it has to be there. For who was told of it, and must not make it again when it is
        gone.

    Notes
    -----
    A draft is written beside the objects, made durable (fsync) and renamed, so an object is there
    whole or not at all, also after a power cut; but for a temporary place, of which nothing is
    left then.
    """

    def __init__(self, root: str | os.PathLike[str], *, create: bool = True) -> None:
        self._root = Path(os.path.abspath(root))
        self._create = create
        self.url = str(self._root)
        self._durable: bool | None = None

    def __repr__(self) -> str:
        return f"DirectoryStore({self.url!r})"

    @property
    def folder(self) -> Path:
        """Where drafts are."""
        folder = self._root / _DRAFTS
        with _explained(f"nothing can be kept in {self._root}"):
            if self._create:
                self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.mkdir(exist_ok=True)
        return folder

    def draft(self) -> Draft:
        """Return an empty draft, in the store itself."""
        folder = self.folder
        with _explained(f"nothing can be kept in {self._root}"):
            return Draft(folder)

    def put(self, draft: Draft, name: str) -> None:
        """Keep what was written to a draft."""
        target = self._file(name)
        with _explained(f"checkpoint {name} cannot be kept in {self._root}"):
            if draft.path is None or draft.path.parent != target.parent / _DRAFTS:
                with self.draft() as ours:
                    for chunk in draft.chunks():
                        ours.write(chunk)
                    return self.put(ours, name)
            if self._durable is None:
                self._durable = not (self._root / ALIVE).exists()
            draft.file.flush()
            if self._durable:
                os.fsync(draft.file.fileno())
            os.rename(draft.path, target)
            draft.moved()
            if self._durable:
                _sync_directory(self._root)

    def open(self, name: str) -> IO[bytes]:
        """Return the file of an object."""
        path = self._file(name)
        with _explained(f"checkpoint {name} is not in {self._root}, or cannot be read"):
            return open(path, "rb", opener=_no_link)

    def path_of(self, name: str) -> Path | None:
        """Return the file of an object."""
        return self._file(name)

    def read(self, name: str, start: int, size: int = CHUNK) -> bytes:
        """Return part of an object."""
        with self.open(name) as file:
            return os.pread(file.fileno(), size, start)

    def delete(self, name: str) -> None:
        """Remove an object."""
        path = self._file(name)
        with _explained(f"checkpoint {name} cannot be deleted"):
            path.unlink(missing_ok=True)

    def names(self) -> Iterator[Stored]:
        """Yield what is there."""
        with _explained(f"{self._root} cannot be read"), contextlib.ExitStack() as stack:
            try:
                entries = stack.enter_context(os.scandir(self._root))
            except FileNotFoundError:
                return
            for entry in entries:
                if is_name(entry.name):
                    with contextlib.suppress(FileNotFoundError):
                        found = entry.stat(follow_symlinks=False)
                        yield Stored(entry.name, found.st_size, found.st_mtime)

    def find(self, name: str) -> ManagedStore:
        """Return the store that has an object: this one, or one that lies in it."""
        check_name(name)
        with _explained(f"{self._root} cannot be read"):
            for path in (self._root / name, *self._root.glob(f"*/{name}")):
                if path.is_file():
                    return DirectoryStore(path.parent)
        raise CheckpointError(f"checkpoint {name} is not in {self._root}, nor in a folder of it")

    def mark(self) -> str:
        """Make the directory, collect old drafts, and return the mark."""
        collect_drafts(self.folder)
        path = self._root / _MARK
        with _explained(f"nothing can be kept in {self._root}"):
            with contextlib.suppress(FileNotFoundError):
                if mark := path.read_text():
                    return mark
            mark = secrets.token_hex(16)
            path.write_text(mark)
            return mark

    def sees(self, mark: str) -> bool:
        """Whether the mark is in the directory as we see it."""
        try:
            return (self._root / _MARK).read_text() == mark
        except OSError:
            return False

    def tidy(self) -> None:
        """Remove old drafts, and all that is ours if nothing is kept and nobody writes."""
        with contextlib.suppress(OSError):  # what is not empty stays
            collect_drafts(self._root / _DRAFTS)
            if not any(self.names()):
                os.rmdir(self._root / _DRAFTS)
                (self._root / _MARK).unlink(missing_ok=True)
                os.rmdir(self._root)

    def destroy(self) -> None:
        """Remove the directory."""
        remove_tree(self._root)
        if self._root.exists():
            raise CheckpointError(f"{self._root} cannot be removed, or not all that is in it")

    def _file(self, name: str) -> Path:
        return self._root / check_name(name)


@contextlib.contextmanager
def _explained(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{what}: {error.strerror or error}") from error


def _no_link(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC)


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
