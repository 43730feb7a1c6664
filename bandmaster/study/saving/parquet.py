"""Parquet: typed columns for data frames; what has no column type is a column of JSON.

The columns are those of the CSV files, the rest of the result, with what trials reported, is in the
file's metadata, and a column that needs it says in its own metadata how to read it: ``json`` for a
column of JSON values, ``ints`` for a column of floats of which these were integers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from bandmaster.errors import CodecError, MissingExtraError, StorageError
from bandmaster.space import Space
from bandmaster.study.saving.columns import MISSING, columns_of, rows_of, unknown_columns
from bandmaster.study.saving.lines import warn_unknown
from bandmaster.study.saving.saved import Saved, assemble, header_of, is_header
from bandmaster.study.saving.spelling import dumps, loads
from bandmaster.study.trainings import dump_trainings

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["read", "require_pyarrow", "write"]

_KEY = b"bandmaster"
_TRAININGS = b"bandmaster_trainings"
_TYPES: Mapping[type, str] = {bool: "bool", int: "int64", float: "float64", str: "string"}
_NULL_IS_NONE = ("checkpoint", "error", "loss")


def require_pyarrow() -> None:
    """Say how to get what Parquet needs when it is not there.

    Raises
    ------
    MissingExtraError
    """
    try:
        import pyarrow.parquet  # noqa: F401 - whether it is there
    except ImportError as error:
        raise MissingExtraError("a Parquet file", "parquet") from error


def write(saved: Saved, file: IO[bytes]) -> None:
    """Write the whole result.

    Raises
    ------
    MissingExtraError
        Without pyarrow.
    CodecError
        When a value is no plain data.
    """
    require_pyarrow()
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = columns_of(list(saved.history))
    made = [_arrow(pa, name, values) for name, values in columns.items()]
    trainings = dump_trainings(saved.history)
    metadata = {_KEY: json.dumps(header_of(saved, trainings=bool(trainings))).encode()}
    if trainings:
        metadata[_TRAININGS] = dumps(trainings).encode()
    schema = pa.schema([field for field, _ in made], metadata=metadata)
    pq.write_table(pa.table([array for _, array in made], schema=schema), file)


def read(path: Path, space: Space | None) -> Saved:
    """Read what `write` wrote, or a table of somebody else with columns ``config.<name>``.

    Raises
    ------
    MissingExtraError
        Without pyarrow.
    CodecError
        When it is no Parquet file, or says what no evaluation is.
    StorageError
        When the file cannot be read.
    """
    require_pyarrow()
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            table = file.read()
    except (pa.ArrowException, ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise StorageError(f"cannot read {str(path)!r}: {error.strerror}") from error
        raise CodecError(f"{path} is no Parquet file, or not all of it: {error}") from error
    try:
        metadata = table.schema.metadata or {}
        header = json.loads(metadata.get(_KEY, b"null"))
        trainings = loads(metadata.get(_TRAININGS, b"[]"))
        columns = {
            field.name: _values(field, table.column(i)) for i, field in enumerate(table.schema)
        }
        saved = assemble(rows_of(columns), header if is_header(header) else None, space, trainings)
    except ValueError as error:
        raise CodecError(f"{path}: {error}") from error
    warn_unknown(path, unknown_columns(columns))
    return saved


def _arrow(pa: Any, name: str, values: list[Any]) -> tuple[pa.Field, pa.Array]:
    cells = [None if v is MISSING or (v is None and name in _NULL_IS_NONE) else v for v in values]
    kinds = {type(c) for c in cells if c is not None}
    typed = not any(v is None and c is None and name not in _NULL_IS_NONE
                    for v, c in zip(values, cells, strict=True))  # fmt: skip
    if typed and kinds <= {int, float}:
        ints = _ints(cells) if len(kinds) == 2 else []
        if ints is not None:
            kind = "int64" if kinds == {int} else "float64"
            note = {_KEY: json.dumps({"ints": ints}).encode()} if ints else None
            try:
                return pa.field(name, kind, metadata=note), pa.array(cells, kind)
            except (OverflowError, pa.ArrowInvalid):
                pass  # an integer of more than 64 bits
    elif typed and len(kinds) == 1 and kinds <= {bool, str}:
        kind = _TYPES[kinds.pop()]
        try:
            return pa.field(name, kind), pa.array(cells, kind)
        except UnicodeEncodeError:
            pass  # JSON can say what is no valid text
    texts = [None if v is MISSING else dumps(v) for v in values]
    return pa.field(name, "string", metadata={_KEY: b'{"json": true}'}), pa.array(texts, "string")


def _ints(cells: list[Any]) -> list[int] | None:
    """Which values of a column of numbers are integers; None when the column cannot tell."""
    ints = {c for c in cells if type(c) is int}
    floats = {c for c in cells if type(c) is float}
    exact = all(abs(c) < 2**53 for c in ints)
    return sorted(ints) if exact and len(ints) <= 1000 and not ints & floats else None


def _values(field: pa.Field, column: pa.ChunkedArray) -> list[Any]:
    note = json.loads((field.metadata or {}).get(_KEY, b"{}"))
    note = note if isinstance(note, dict) else {}
    cells = column.to_pylist()
    if note.get("json"):
        return [MISSING if c is None else loads(c) for c in cells]
    missing = None if field.name in _NULL_IS_NONE else MISSING
    ints = {*note.get("ints", ())}
    return [missing if c is None else int(c) if ints and c in ints else c for c in cells]
