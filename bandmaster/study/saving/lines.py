"""Files with a JSON value a line, and results in them."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from bandmaster.core.evaluation import Evaluation
from bandmaster.errors import CodecError, StorageError
from bandmaster.space import Space
from bandmaster.study.saving.rows import FIELDS, make_row, row_values
from bandmaster.study.saving.saved import Saved, assemble, header_of, is_header
from bandmaster.study.saving.spelling import dumps, loads
from bandmaster.study.trainings import dump_trainings

__all__ = ["read", "read_bytes", "read_values", "warn_torn", "warn_unknown", "write"]

logger = logging.getLogger(__name__)

_TRAINING = "bandmaster_training"


def write(saved: Saved, file: IO[bytes]) -> None:
    """Write a header, then a line an evaluation, then what trials reported, a line a job.

    Raises
    ------
    CodecError
        When a value is no plain data.
    """
    trainings = dump_trainings(saved.history)
    file.write(dumps(header_of(saved, trainings=bool(trainings))).encode() + b"\n")
    for number, row in enumerate(saved.history):
        try:
            line = dumps(row_values(row))
        except CodecError as error:
            raise CodecError(f"evaluation {number} cannot be written: {error}") from error
        file.write(line.encode() + b"\n")
    for training in trainings:
        file.write(dumps({_TRAINING: training}).encode() + b"\n")


def read(path: Path, space: Space | None) -> Saved:
    """Read what `write` wrote, or lines of somebody else with at least a ``config``.

    Raises
    ------
    CodecError
        Names the line that is damaged. A last line that was cut off is left out with a warning.
    StorageError
        When the file cannot be read.
    """
    header = None
    unknown: set[str] = set()
    rows: list[Evaluation] = []
    trainings: list[Any] = []
    for number, value in read_values(path):
        try:
            if number == 1 and is_header(value):
                header = value
                continue
            if header is not None and isinstance(value, dict) and [*value] == [_TRAINING]:
                trainings.append(value[_TRAINING])
                continue
            if not isinstance(value, dict):
                raise CodecError(f"an evaluation is expected, not {value!r:.80}")
            unknown.update(map(str, value.keys() - {*FIELDS}))
            rows.append(make_row(value, len(rows)))
        except CodecError as error:
            raise CodecError(f"{path}, line {number}: {error}") from error
    warn_unknown(path, unknown)
    try:
        return assemble(rows, header, space, trainings)
    except CodecError as error:
        raise CodecError(f"{path}: {error}") from error


def read_values(path: Path) -> Iterator[tuple[int, Any]]:
    """Yield number and value of each line that is not empty; a torn last one is left out.

    Raises
    ------
    CodecError
    StorageError
    """
    lines = read_bytes(path).split(b"\n")
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            value = loads(line)
        except ValueError as error:
            if number == len(lines):  # no line break follows: the writer did not get so far
                warn_torn(path, number)
                return
            raise CodecError(f"{path}, line {number} is no JSON: {error}") from error
        yield number, value


def read_bytes(path: Path) -> bytes:
    """Return what a file holds.

    Raises
    ------
    StorageError
        When it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise StorageError(f"cannot read {os.fspath(path)!r}: {error.strerror}") from error


def warn_torn(path: Path, number: int) -> None:
    """Say that the last line of a file is left out."""
    logger.warning(
        "%s: the last line (%d) has no end, so it is left out; whoever wrote it was interrupted, "
        "or writes still",
        path, number,
    )  # fmt: skip


def warn_unknown(path: Path, names: set[str]) -> None:
    """Say what a file has beside what is read."""
    if names:
        logger.warning(
            "%s: not read, since no field of an evaluation is called so: %s",
            path, ", ".join(sorted(names))[:300],
        )  # fmt: skip
