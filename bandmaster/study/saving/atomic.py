"""Writing a file so that it is there whole, or as it was before."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from bandmaster.errors import StorageError

__all__ = ["replacing", "replacing_both"]


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Yield a file to write to; when the block ends well it takes the place of `path`.

    It is written beside its place, under a name of its own, and is on the disk before it is
    renamed. A link stays a link, and a file that is replaced keeps its permissions.

    Raises
    ------
    StorageError
        When it cannot be written; what was there before is as it was.
    """
    with _told(path), _beside(path) as (file, beside, target):
        yield file
        _finish(file, beside, target)
        beside.replace(target)


@contextlib.contextmanager
def replacing_both(
    first: str | os.PathLike[str], second: str | os.PathLike[str]
) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    """Yield two files that belong together; both take their places when the block ends well.

    Both are whole on the disk before either place is touched. There is no second file while the
    first one changes: who reads meanwhile, or after a crash, misses it instead of pairing a new
    file with an old one.

    Raises
    ------
    StorageError
        When they cannot be written.
    """
    with _told(second), _beside(second) as (late, late_beside, late_target):
        with _told(first), _beside(first) as (early, early_beside, early_target):
            yield early, late
            _finish(early, early_beside, early_target)
            with _told(second):
                _finish(late, late_beside, late_target)
                late_target.unlink(missing_ok=True)
            early_beside.replace(early_target)
        late_beside.replace(late_target)


@contextlib.contextmanager
def _beside(path: str | os.PathLike[str]) -> Iterator[tuple[IO[bytes], Path, Path]]:
    """Yield a new file, its path, and the one that it is for; it is gone after the block."""
    target = Path(os.path.realpath(path))
    beside = target.with_name(f".{target.name[:200]}.{secrets.token_hex(4)}.tmp")
    try:
        with beside.open("xb") as file:
            yield file, beside, target
    finally:
        beside.unlink(missing_ok=True)


def _finish(file: IO[bytes], beside: Path, target: Path) -> None:
    file.flush()
    os.fsync(file.fileno())
    file.close()
    with contextlib.suppress(FileNotFoundError):
        beside.chmod(target.stat().st_mode & 0o7777)


@contextlib.contextmanager
def _told(path: str | os.PathLike[str]) -> Iterator[None]:
    try:
        yield
    except StorageError:  # an OSError too, and told already
        raise
    except OSError as error:
        raise StorageError(f"cannot write {os.fspath(path)!r}: {_reason(error)}") from error


def _reason(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "there is no such folder"
    return error.strerror or str(error)
