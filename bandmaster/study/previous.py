"""What can be given as `previous_result`, and what it stands for."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Union, runtime_checkable

from bandmaster.core.evaluation import Evaluation
from bandmaster.core.history import History
from bandmaster.core.objectives import Objectives
from bandmaster.errors import ConfigurationError, StorageError
from bandmaster.storage import Storage, open_storage
from bandmaster.study.reader import StudyReader, existing_url
from bandmaster.study.saving import load

__all__ = ["HasHistory", "Past", "Previous", "is_database", "only_study", "past_of"]

_SQLITE = b"SQLite format 3\0"


@runtime_checkable
class HasHistory(Protocol):
    """A Result, a Study, an Optimizer."""

    @property
    def history(self) -> History:
        """What has finished."""


Previous = Union[
    HasHistory,
    Iterable[Evaluation],
    str,
    "os.PathLike[str]",
    tuple[str | Storage, str],
]
"""A Result, Study or Optimizer; evaluations; the path of a saved result; a database file or URL
with one study in it; or (database file, URL or Storage; name of the study)."""


@dataclass(frozen=True, slots=True)
class Past:
    """What was evaluated before.

    Parameters
    ----------
    evaluations : sequence of Evaluation
    objectives : Objectives or None
        What the losses are, as far as it is known.
    """

    evaluations: Sequence[Evaluation]
    objectives: Objectives | None = None


def past_of(previous: Previous) -> Past:
    """Find the evaluations that somebody means.

    Raises
    ------
    ConfigurationError
        When it is nothing of that kind, or the name of the study is missing.
    StorageError
        When there is no such file or study, or it cannot be read.
    CodecError
        When a file is damaged.
    """
    if isinstance(previous, HasHistory):
        objectives = getattr(previous, "objectives", None)
        known = objectives if isinstance(objectives, Objectives) else None
        return Past(list(previous.history), known)
    if isinstance(previous, (str, os.PathLike)):
        return _of_path(os.fspath(previous))
    if isinstance(previous, tuple) and len(previous) == 2:
        storage, name = previous
        if isinstance(storage, (str, os.PathLike, Storage)) and isinstance(name, str):
            return _stored(name, storage)
    if isinstance(previous, Iterable):
        given = list(previous)
        rows = [row for row in given if isinstance(row, Evaluation)]
        if len(rows) == len(given):
            return Past(rows)
    raise ConfigurationError(
        f"previous_result is a {type(previous).__name__}; give a Result, the path of a saved one, "
        "a database with one study, (database, name of the study), or evaluations"
    )


def is_database(path: str | os.PathLike[str]) -> bool:
    """Whether there is an SQLite file."""
    try:
        with Path(path).open("rb") as file:
            return file.read(len(_SQLITE)) == _SQLITE
    except OSError:
        return False


def only_study(storage: str | Storage) -> str:
    """Return the name of the study in a storage that has one.

    Raises
    ------
    ConfigurationError
        When there are several; the message names them.
    StorageError
        When there is none, or the storage cannot be read.
    """
    if not isinstance(storage, Storage):
        with open_storage(existing_url(storage)) as opened:
            return only_study(opened)
    names = [study.name for study in storage.list_studies()]
    if len(names) == 1:
        return names[0]
    if not names:
        raise StorageError("there is no study in this storage")
    raise ConfigurationError(
        f"say which study: there are {', '.join(map(repr, names[:20]))}"
        f"{' and more' * (len(names) > 20)}"
    )


def _of_path(path: str) -> Past:
    if "://" in path or is_database(path):
        return _stored(only_study(path), path)
    saved = load(path)
    return Past(list(saved.history), saved.objectives)


def _stored(name: str, storage: str | os.PathLike[str] | Storage) -> Past:
    where = storage if isinstance(storage, Storage) else os.fspath(storage)
    with StudyReader(name, where) as reader:
        return Past(list(reader.history), reader.objectives)
