"""What can be given as `previous_result`, and what it stands for."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Union, runtime_checkable

from bandmaster.core.evaluation import Evaluation
from bandmaster.core.history import History
from bandmaster.core.objectives import Objectives
from bandmaster.errors import ConfigurationError, StorageError
from bandmaster.storage import Storage, checkpoint_url, open_storage
from bandmaster.study.reader import StudyReader
from bandmaster.study.saving import load

if TYPE_CHECKING:
    from bandmaster.study.study import Study

__all__ = [
    "HasHistory",
    "Past",
    "Previous",
    "is_database",
    "learn_first",
    "only_study",
    "past_before",
    "past_of",
]

_SQLITE = b"SQLite format 3\0"


@runtime_checkable
class HasHistory(Protocol):
    """A Result, a Study, an Optimizer."""

    @property
    def history(self) -> History:
        """What has finished."""


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


Previous = Union[
    HasHistory,
    Iterable[Evaluation],
    str,
    "os.PathLike[str]",
    tuple[str, str | os.PathLike[str] | Storage],
    Past,
]
"""A Result, Study or Optimizer; evaluations; the path of a saved result; a database file or URL
with one study in it; (name of a study; its database file, URL or Storage); or what was found."""


def past_before(previous: Previous | None, name: str, storage: str | Storage) -> Previous | None:
    """Find what a study is to learn from while it is not made yet, if it is not there.

    So it does not count among the studies of its storage, and a mistake leaves nothing behind.

    Parameters
    ----------
    previous : Previous or None
    name : str
        The study that is about to be opened or made.
    storage : str or Storage
        A URL, or the storage in which it will be.

    Returns
    -------
    Previous or None
        As it was given, not looked at, when the study is there: it has learned.

    Raises
    ------
    ConfigurationError, StorageError, CodecError
        Like `past_of`.
    """
    if previous is None or _is_there(name, storage):
        return previous
    return past_of(previous)


def learn_first(study: Study, previous: Previous | None) -> None:
    """Have a study learn from somebody's evaluations, unless it has begun: then it has."""
    if previous is not None and not study.n_jobs and not study.history:
        study.learn_from(previous)


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
    if isinstance(previous, Past):
        return previous
    if isinstance(previous, HasHistory):
        objectives = getattr(previous, "objectives", None)
        known = objectives if isinstance(objectives, Objectives) else None
        return Past(list(previous.history), known)
    if isinstance(previous, (str, os.PathLike)):
        return _of_path(os.fspath(previous))
    if isinstance(previous, tuple) and len(previous) == 2:
        pair = _name_and_storage(*previous)
        if pair is not None:
            return _stored(*pair)
    if isinstance(previous, Iterable):
        given = list(previous)
        rows = [row for row in given if isinstance(row, Evaluation)]
        if len(rows) == len(given):
            return Past(rows)
    raise ConfigurationError(
        f"previous_result is a {type(previous).__name__}; give a Result, the path of a saved one, "
        "a database with one study, (name of the study, database), or evaluations"
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
        with open_storage(checkpoint_url(storage), create=False) as opened:
            return only_study(opened)
    names = [study.name for study in storage.list_studies()]
    if len(names) == 1:
        return names[0]
    if not names:
        raise StorageError("there is no study in this storage")
    raise ConfigurationError(
        f"say which study, as (name, storage): there are {', '.join(map(repr, names[:20]))}"
        f"{' and more' * (len(names) > 20)}"
    )


def _is_there(name: str, storage: str | Storage) -> bool:
    if not isinstance(storage, Storage):
        try:
            opened = open_storage(storage, create=False)
        except StorageError:  # no file or no tables yet; what else it is, who makes them will say
            return False
        with opened:
            return _is_there(name, opened)
    return any(study.name == name for study in storage.list_studies())


def _name_and_storage(a: Any, b: Any) -> tuple[str, str | Storage] | None:
    """Tell the two apart: name and storage as everywhere, or the other way round."""
    for name, storage in ((b, a), (a, b)):
        text = os.fspath(storage) if isinstance(storage, (str, os.PathLike)) else ""
        if isinstance(name, str) and ("://" in text or is_database(text)):
            return name, text
        if isinstance(name, str) and isinstance(storage, Storage):
            return name, storage
    both = isinstance(a, str) and isinstance(b, (str, os.PathLike))
    return (a, os.fspath(b)) if both else None  # which says that there is no such file


def _of_path(path: str) -> Past:
    if "://" in path or is_database(path):
        return _stored(only_study(path), path)
    saved = load(path)
    return Past(list(saved.history), saved.objectives)


def _stored(name: str, storage: str | Storage) -> Past:
    with StudyReader(name, storage) as reader:
        return Past(list(reader.history), reader.objectives)
