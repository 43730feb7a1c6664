"""CSV: a table that spreadsheets open, in which every cell still says what type it is.

A cell is a JSON value (``2``, ``0.5``, ``true``, ``null``, ``[1, 2]``), or text as it is. Text that
could be taken for something else stands in the quotes of JSON: ``"2"``, ``"true"``, ``""``; so does
text with control characters, and what a spreadsheet would run as a formula. An empty cell is a
parameter that is inactive, or a field that has nothing.

Python's own reader does not say whether the last quote was closed, stops at NUL characters, and
has one limit of length for the whole process; so this has a reader of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from bandmaster.errors import CodecError
from bandmaster.space import Space
from bandmaster.study.saving.columns import MISSING, TEXT, columns_of, rows_of, unknown_columns
from bandmaster.study.saving.lines import read_bytes, warn_torn, warn_unknown
from bandmaster.study.saving.saved import Saved, assemble
from bandmaster.study.saving.spelling import dumps, unspell

__all__ = ["read", "write"]

_CELL = re.compile(r'(?:"([^"]*(?:""[^"]*)*)"|([^,\r\n"][^,\r\n]*|))(,|\r\n|\n|\r|\Z)')
_OPENED = re.compile(r'"[^"]*(?:""[^"]*)*')
_QUOTED = ("=", "+", "-", "@", '"', "[", "{")  # formulas, and what JSON may begin with
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f]|[\ud800-\udfff]|[\t ]\\Z|\\A[\t ]")
_NOTHING: Mapping[str, Any] = {
    "checkpoint": None, "config_info": {}, "error": None, "info": None, "loss": None, "worker": "",
}  # fmt: skip


def write(saved: Saved, file: IO[bytes]) -> None:
    """Write the evaluations; space, objectives and planned budgets have no place in a CSV file.

    Raises
    ------
    CodecError
        When a value is no plain data.
    """
    columns = columns_of(list(saved.history))
    cells = [
        [_quote(name), *(_quote(_cell(name, value)) for value in values)]
        for name, values in columns.items()
    ]
    for line in zip(*cells, strict=True):
        file.write(",".join(line).encode() + b"\n")


def read(path: Path, space: Space | None) -> Saved:
    """Read what `write` wrote, or a table of somebody else with columns ``config.<name>``.

    Raises
    ------
    CodecError
        Names the line that is damaged. A last line without a line break is left out with a
        warning, since what it lacks cannot be known.
    StorageError
        When the file cannot be read.
    """
    try:
        lines = list(_split(_decode(read_bytes(path)), path))
        if not lines:
            raise CodecError("it is empty; a first line with the names of the columns is expected")
        (_, names), *rest = lines
        _check_names(names)
        columns: dict[str, list[Any]] = {name: [] for name in names}
        for number, cells in rest:
            if len(cells) != len(names):
                raise CodecError(
                    f"line {number} has {len(cells)} cells, the first one has {len(names)}"
                )
            for name, cell in zip(names, cells, strict=True):
                columns[name].append(_value(name, cell, number))
        rows = list(rows_of(columns))
    except CodecError as error:
        raise CodecError(f"{path}: {error}") from error
    warn_unknown(path, unknown_columns(names))
    return assemble(rows, None, space)


def _decode(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")  # spreadsheets put a mark in front
    except UnicodeDecodeError as error:
        if error.end == len(data) and error.reason == "unexpected end of data":
            return data[: error.start].decode("utf-8-sig")  # cut off within a character
        raise CodecError(f"it is no UTF-8 text: {error}") from error


def _check_names(names: list[str]) -> None:
    double = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if double is not None:
        raise CodecError(f"two columns are called {double!r}")
    if not {"loss", "status"} & set(names):
        raise CodecError(
            f"no column is called loss; there are, with commas between them: {', '.join(names)}"
        )


def _split(text: str, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the cells of each line that is not empty, but a torn last one."""
    position, number, first = 0, 1, 1
    cells: list[str] = []
    while position < len(text):
        match = _CELL.match(text, position)
        if match is None or match[3] == "":
            opened = None if match else _OPENED.match(text, position)
            if opened is not None and text.startswith('"', opened.end()):
                raise CodecError(f"line {number}: something follows the quotes around a cell")
            warn_torn(path, first)
            return
        position = match.end()
        number += match[0].count("\n")
        quoted = match[1]
        cells.append(match[2] if quoted is None else quoted.replace('""', '"'))
        if match[3] != ",":
            if cells != [""]:
                yield first, cells
            cells, first = [], number
    if cells:  # it ends with a comma
        warn_torn(path, first)


def _quote(cell: str) -> str:
    if any(sign in cell for sign in ',"\r\n'):
        return '"' + cell.replace('"', '""') + '"'
    return cell


def _cell(name: str, value: Any) -> str:
    if value is MISSING or (name in _NOTHING and value == _NOTHING[name]):
        return ""
    if type(value) is str:
        return value if _stands_for_itself(name, value) else json.dumps(value)
    if type(value) is float:
        return json.dumps(value)  # NaN and Infinity too
    return dumps(value)


def _stands_for_itself(name: str, text: str) -> bool:
    if not text or text.startswith(_QUOTED) or _CONTROL.search(text):
        return False
    return name in TEXT or _json(text) is MISSING


def _value(name: str, cell: str, number: int) -> Any:
    if not cell:
        return MISSING
    if name in TEXT and not cell.startswith('"'):
        return cell
    try:
        value = _json(cell)
        return cell if value is MISSING else unspell(value)
    except CodecError as error:
        raise CodecError(f"line {number}, column {name!r}: {error}") from error


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return MISSING
    except RecursionError:
        raise CodecError("it is nested too deep") from None
