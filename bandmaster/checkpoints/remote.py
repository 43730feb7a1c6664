"""A store on any file system that fsspec knows."""

from __future__ import annotations

import contextlib
import datetime
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from bandmaster.checkpoints.base import ManagedStore, Stored
from bandmaster.checkpoints.drafts import CHUNK, Draft
from bandmaster.checkpoints.names import check_name, is_name
from bandmaster.checkpoints.temporary import Scratch
from bandmaster.errors import CheckpointError, ConfigurationError

__all__ = ["RemoteStore"]

_MARK = ".mark"
_MODIFIED = ("mtime", "LastModified", "last_modified", "updated", "created")


class RemoteStore(ManagedStore):
    """Keeps each object under the URL, as an object of its name.

    Parameters
    ----------
    url : str
        For example ``s3://bucket/run``. Access and options are as fsspec and the package of the
        file system find them, in the environment or its configuration files.

    Raises
    ------
    ConfigurationError
        When fsspec knows no such file system, or its package is not installed.

    Notes
    -----
    An object is written here first, then put there in one go, which object stores do whole or not
    at all. Elsewhere an interrupted writer may leave part of one: its digest gives it away.
    """

    def __init__(self, url: str) -> None:
        import fsspec  # 0.3 s, which only those pay who have such a store

        self.url = url.rstrip("/")
        try:
            self._fs, self._root = fsspec.core.url_to_fs(self.url)
        except (ImportError, ValueError) as error:
            raise ConfigurationError(f"no store of checkpoints at {url}: {error}") from error
        self._scratch = Scratch()

    def __repr__(self) -> str:
        return f"RemoteStore({self.url!r})"

    def draft(self) -> Draft:
        """Return an empty draft in a temporary directory of this machine."""
        return Draft(self._scratch.path)

    @property
    def folder(self) -> Path | None:
        """Anywhere."""
        return None

    def put(self, draft: Draft, name: str) -> None:
        """Upload what was written to a draft."""
        if draft.path is None:
            raise CheckpointError("only a draft of this store can be put there")
        target = self._path(name)
        with self._explained(f"checkpoint {name} cannot be kept at {self.url}"):
            draft.file.flush()
            self._fs.makedirs(self._root, exist_ok=True)
            try:
                self._fs.put_file(str(draft.path), target)
            except BaseException:
                with contextlib.suppress(OSError):
                    self._fs.rm_file(target)
                raise

    def open(self, name: str) -> IO[bytes]:
        """Download an object into a file without a name."""
        path = self._path(name)
        file = tempfile.TemporaryFile(prefix="bandmaster-")  # noqa: SIM115 - the caller does
        try:
            with (
                self._explained(f"checkpoint {name} is not at {self.url}, or cannot be read"),
                self._fs.open(path, "rb") as source,
            ):
                shutil.copyfileobj(source, file, CHUNK)
            file.seek(0)
        except BaseException:
            file.close()
            raise
        return file

    def read(self, name: str, start: int, size: int = CHUNK) -> bytes:
        """Return part of an object."""
        path = self._path(name)
        with self._explained(f"checkpoint {name} is not at {self.url}, or cannot be read"):
            length = self._fs.size(path)
            if length is None or start >= length:
                return b""
            return bytes(self._fs.cat_file(path, start=start, end=min(length, start + size)))

    def delete(self, name: str) -> None:
        """Remove an object."""
        with (
            self._explained(f"checkpoint {name} cannot be deleted"),
            contextlib.suppress(FileNotFoundError),
        ):
            self._fs.rm_file(self._path(name))

    def names(self) -> Iterator[Stored]:
        """Yield what is there."""
        with self._explained(f"{self.url} cannot be read"):
            self._fs.invalidate_cache()
            try:
                found = self._fs.ls(self._root, detail=True)
            except FileNotFoundError:
                return
            for entry in found:
                name = entry["name"].rstrip("/").rpartition("/")[2]
                if is_name(name):
                    yield Stored(name, entry.get("size") or 0, _modified(entry))

    def find(self, name: str) -> ManagedStore:
        """Return the store that has an object: this one, or one that lies in it."""
        check_name(name)
        with self._explained(f"{self.url} cannot be read"):
            self._fs.invalidate_cache()
            if self._fs.isfile(self._path(name)):
                return self
            for path in self._fs.glob(f"{self._root}/*/{name}"):
                return RemoteStore(f"{self.url}/{path.split('/')[-2]}")
        raise CheckpointError(f"checkpoint {name} is not at {self.url}, nor in a folder of it")

    def mark(self) -> str:
        """Return the mark, made if it is not there."""
        path = f"{self._root}/{_MARK}"
        with self._explained(f"nothing can be kept at {self.url}"):
            with contextlib.suppress(FileNotFoundError):
                if mark := self._fs.cat_file(path).decode():
                    return str(mark)
            mark = secrets.token_hex(16)
            self._fs.makedirs(self._root, exist_ok=True)
            self._fs.pipe_file(path, mark.encode())
            return mark

    def sees(self, mark: str) -> bool:
        """Whether the mark is what we find there."""
        try:
            return bool(self._fs.cat_file(f"{self._root}/{_MARK}") == mark.encode())
        except Exception:  # noqa: BLE001 - whatever its package raises, it is not to be reached
            return False

    def tidy(self) -> None:
        """Remove what is ours if nothing is kept."""
        if not any(self.names()):
            self.destroy()

    def destroy(self) -> None:
        """Remove all that is there."""
        with (
            self._explained(f"{self.url} cannot be removed"),
            contextlib.suppress(FileNotFoundError),
        ):
            self._fs.rm(self._root, recursive=True)

    def close(self) -> None:
        """Remove the temporary directory."""
        self._scratch.close()

    def _path(self, name: str) -> str:
        return f"{self._root}/{check_name(name)}"

    @contextlib.contextmanager
    def _explained(self, what: str) -> Iterator[None]:
        """Name what was to be done; the packages of file systems raise what they like."""
        try:
            yield
        except CheckpointError:
            raise
        except Exception as error:
            raise CheckpointError(f"{what}: {error!r}") from error


def _modified(entry: dict[str, Any]) -> float | None:
    for key in _MODIFIED:
        match entry.get(key):
            case float() | int() as seconds:
                return float(seconds)
            case datetime.datetime() as moment:
                if moment.tzinfo is None:
                    moment = moment.replace(tzinfo=datetime.timezone.utc)
                return moment.timestamp()
    return None
