"""Finding the study, or the saved result, that a command is to look at."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from bandmaster.errors import ConfigurationError, StorageError

if TYPE_CHECKING:
    from bandmaster.study.previous import Previous
    from bandmaster.study.result import Result

__all__ = [
    "Source",
    "check_output",
    "find_previous",
    "find_source",
    "make_folder",
    "naming",
    "source_arguments",
]

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Source:
    """What a command looks at.

    Parameters
    ----------
    result : Result
    title : str
        What it is and where.
    state : str
        What is going on with it, for a stored study.
    """

    result: Result
    title: str
    state: str = ""

    def __str__(self) -> str:
        from bandmaster.study.rows import own

        n = len(self.result.history)
        count = f"{n} evaluation{'s' * (n != 1)}" if n else "no evaluation has finished yet"
        earlier = sum(not own(e) for e in self.result.history)
        if earlier:
            count += f" ({earlier} of an earlier search)"
        return f"{self.title}: {count}{self.state}"


def source_arguments(command: Command) -> Command:
    """Add STUDY and --storage."""
    for option in (
        click.option(
            "--storage",
            help="The checkpoint file or the URL of the storage in which STUDY is.",
        ),
        click.argument("study"),
    ):
        command = option(command)
    return command


def find_source(study: str, storage: str | None) -> Source:
    """Read a stored study or a saved result.

    Parameters
    ----------
    study : str
        The name of a study, with `storage`; otherwise the path of a saved result, or a checkpoint
        file or URL with one study in it.
    storage : str, optional
        A checkpoint file or a URL.

    Raises
    ------
    ConfigurationError
        When it is not clear which study is meant.
    StorageError
        When it is not there, or cannot be read.
    CodecError
        When a file is damaged.
    """
    from bandmaster.study.previous import is_database, only_study
    from bandmaster.study.result import Result

    if storage is not None:
        return _stored(study, storage)
    if "://" in study or is_database(study):
        with naming("NAME --storage {}", study):
            name = only_study(study)
        return _stored(name, study)
    if not Path(study).exists():
        raise StorageError(
            f"there is no file {study!r}; to look at a study of this name, say where it is: "
            "--storage search.db"
        )
    return Source(Result.load(study), f"Result in {study}")


def find_previous(previous: str | None, name: str | None) -> Previous | None:
    """Return what a master is to learn from first; it is not looked at before it is needed.

    Parameters
    ----------
    previous : str, optional
        A saved result, or a checkpoint file or URL.
    name : str, optional
        The study, when there are several.

    Raises
    ------
    UsageError
        When there is a name only.
    """
    if previous is None:
        if name is not None:
            raise click.UsageError("--previous-study needs --previous")
        return None
    return previous if name is None else (name, previous)


@contextlib.contextmanager
def naming(how: str, storage: str | None) -> Iterator[None]:
    """Have an error say how the command is told which study is meant.

    Parameters
    ----------
    how : str
        The options, with braces for the storage.
    storage : str, optional
    """
    try:
        yield
    except ConfigurationError as error:
        said, asked = str(error), "as (name, storage)"
        if storage is None or asked not in said:
            raise
        shown = how.format(_without_password(storage))
        raise ConfigurationError(said.replace(asked, f"as {shown}")) from error


def check_output(path: str | None) -> None:
    """Refuse what could not be written at the end of a long run.

    Raises
    ------
    ConfigurationError
    """
    from bandmaster.study.saving import check_target

    if path is None:
        return
    try:
        check_target(path)
    except ConfigurationError as error:
        raise ConfigurationError(f"--output: {error}") from error


def _stored(name: str, storage: str) -> Source:
    from bandmaster.storage import checkpoint_url, open_storage
    from bandmaster.study.reader import StudyReader
    from bandmaster.study.result import Result

    where = _without_password(storage)
    with open_storage(checkpoint_url(storage), create=False) as opened:
        summaries = {summary.name: summary for summary in opened.list_studies()}
        if name not in summaries:
            there = ", ".join(map(repr, list(summaries)[:20])) or "none"
            raise StorageError(f"there is no study {name!r} in {where}; there are: {there}")
        with StudyReader(name, opened) as reader:
            state = f", {reader.n_open} open" if reader.n_open else ""
            if summaries[name].writer is not None:
                state += f", written by {summaries[name].writer}"
            if reader.stopped is not None:
                state += f", stopped: {reader.stopped}"
            return Source(Result.of(reader), f"Study {name!r} in {where}", state)


def _without_password(url: str) -> str:
    scheme, _, rest = url.partition("://")
    user, at, host = rest.rpartition("@")
    return f"{scheme}://{user.partition(':')[0]}{at}{host}" if at else url


def make_folder(path: str | os.PathLike[str]) -> Path:
    """Return a folder, made if it is not there.

    Raises
    ------
    StorageError
    """
    folder = Path(path)
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise StorageError(f"cannot make the folder {str(path)!r}: {error.strerror}") from error
    return folder
