"""Evaluations as columns, for the files that are tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from bandmaster.core.evaluation import Evaluation
from bandmaster.errors import CodecError
from bandmaster.study.saving.rows import FIELDS, make_row

__all__ = ["MISSING", "TEXT", "columns_of", "rows_of", "unknown_columns"]


class _Missing:
    """The type of `MISSING`."""

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()
"""The cell of a parameter that is inactive, or a metric that was not returned."""

TEXT = frozenset({"checkpoint", "error", "status", "worker"})
"""The columns that hold text and nothing else."""

_BEFORE = (
    "job", "attempt", "trial", "bracket", "rung", "budget", "status", "loss", "worker",
    "submitted", "started", "finished",
)  # fmt: skip
_AFTER = ("config_info", "info", "checkpoint", "error")
_SPREAD = {"config": "config.", "metrics": "metric."}


def columns_of(rows: Sequence[Evaluation]) -> dict[str, list[Any]]:
    """Return the columns: fields, ``config.<name>``, ``metric.<name>``, and the long ones last."""
    columns: dict[str, list[Any]] = {name: _field(rows, name) for name in _BEFORE}
    for field, prefix in _SPREAD.items():
        mappings: list[Mapping[str, Any]] = [getattr(row, field) for row in rows]
        for name in dict.fromkeys(name for mapping in mappings for name in mapping):
            columns[prefix + name] = [mapping.get(name, MISSING) for mapping in mappings]
    return columns | {name: _field(rows, name) for name in _AFTER}


def rows_of(columns: Mapping[str, Sequence[Any]]) -> Iterator[Evaluation]:
    """Make evaluations of columns; `make_row` says what may be absent.

    Raises
    ------
    CodecError
        Names the row, from 1, and what is wrong with it.
    """
    spread = {
        field: {name[len(prefix) :]: name for name in columns if name.startswith(prefix)}
        for field, prefix in _SPREAD.items()
    }
    plain = [name for name in FIELDS if name in columns and name not in _SPREAD]
    if not spread["config"] and "job" not in columns:  # ours have one, also those without a row
        raise CodecError(
            f"it has no column of a parameter, such as 'config.x', but {', '.join(columns):.200}"
        )
    for number in range(len(next(iter(columns.values()), ()))):
        values = {name: columns[name][number] for name in plain}
        values = {name: value for name, value in values.items() if value is not MISSING}
        for field, names in spread.items():
            cells = {short: columns[name][number] for short, name in names.items()}
            values[field] = {name: cell for name, cell in cells.items() if cell is not MISSING}
        try:
            yield make_row(values, number)
        except CodecError as error:
            raise CodecError(f"row {number + 1}: {error}") from error


def unknown_columns(names: Iterable[str]) -> set[str]:
    """Return the names that stand for nothing of an evaluation."""
    known = {*FIELDS} - {*_SPREAD}
    return {n for n in names if n not in known and not n.startswith(tuple(_SPREAD.values()))}


def _field(rows: Sequence[Evaluation], name: str) -> list[Any]:
    if name == "status":
        return [row.status.value for row in rows]
    if name == "config_info":
        return [dict(row.config_info) for row in rows]
    return [getattr(row, name) for row in rows]
