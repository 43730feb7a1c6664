"""Which format a path means."""

from __future__ import annotations

import os
import pickle
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from bandmaster.errors import ConfigurationError, StorageError
from bandmaster.space import Space
from bandmaster.study.saving import csv_file, hpbandster, lines, parquet, pickled
from bandmaster.study.saving.atomic import replacing
from bandmaster.study.saving.saved import Saved

__all__ = ["SUFFIXES", "check_target", "load", "save"]

_READERS: Mapping[str, Callable[[Path, Space | None], Saved]] = {
    ".csv": csv_file.read,
    ".jsonl": lines.read,
    ".ndjson": lines.read,
    ".parquet": parquet.read,
    ".pickle": pickled.read,
    ".pkl": pickled.read,
}
_WRITERS: Mapping[str, Callable[[Saved, IO[bytes]], None]] = {
    ".csv": csv_file.write,
    ".jsonl": lines.write,
    ".ndjson": lines.write,
    ".parquet": parquet.write,
}

SUFFIXES = tuple(_READERS)
"""The ends of file names that say a format; a name without one is a directory of HpBandSter's."""


def check_target(path: str | os.PathLike[str]) -> None:
    """Refuse early what could not be saved to in the end.

    Raises
    ------
    ConfigurationError
        When the name means no format, or there is no such folder, or it cannot be written.
    MissingExtraError
        When the format needs a library that is not there.
    """
    target = Path(path)
    suffix = _suffix(target)
    place = target.resolve()
    folder = place if place.is_dir() else place.parent
    if not folder.is_dir():
        raise ConfigurationError(f"cannot save to {os.fspath(path)!r}: there is no such folder")
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise ConfigurationError(f"cannot save to {os.fspath(path)!r}: {error}") from error
    if suffix == ".parquet":
        parquet.require_pyarrow()


def save(saved: Saved, path: str | os.PathLike[str], *, result: object) -> None:
    """Write a result in the format that the name of the file means.

    Parameters
    ----------
    saved : Saved
    path : path
    result : object
        What a pickle holds.

    Raises
    ------
    ConfigurationError
        When the name means no format.
    MissingExtraError
        When the format needs a library that is not there.
    StorageError
        When it cannot be written.
    CodecError
        When a value cannot be kept.
    """
    check_target(path)
    target = Path(path)
    suffix = _suffix(target)
    if not suffix:
        hpbandster.write(saved, target)
        return
    with replacing(target) as file:
        if suffix in _WRITERS:
            _WRITERS[suffix](saved, file)
        else:
            file.write(pickle.dumps(result))


def load(path: str | os.PathLike[str], *, space: Space | None = None) -> Saved:
    """Read a result in the format that the name of the file means.

    Raises
    ------
    ConfigurationError
        When the name means no format.
    MissingExtraError
        When the format needs a library that is not there.
    StorageError
        When there is no such file, or it cannot be read.
    CodecError
        When it does not hold what its name says.
    """
    source = Path(path)
    if not source.exists():
        raise StorageError(f"there is no file {os.fspath(path)!r}")
    suffix = _suffix(source)
    return _READERS[suffix](source, space) if suffix else hpbandster.read(source, space)


def _suffix(path: Path) -> str:
    """Return the suffix in lower case; empty for a directory."""
    suffix = path.suffix.lower()
    if path.is_dir() or (not suffix and not path.is_file()):
        return ""
    if suffix in _READERS:
        return suffix
    raise ConfigurationError(
        f"{os.fspath(path)!r} is none of the files of results: their names end in "
        f"{', '.join(SUFFIXES)}; HpBandSter's {hpbandster.CONFIGS} and {hpbandster.RESULTS} are "
        "given by their directory, without a suffix; a study in a checkpoint file is no such file"
    )
