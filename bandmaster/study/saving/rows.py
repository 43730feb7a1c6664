"""One evaluation as named values, and back, with a look at each."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from bandmaster.core.evaluation import Evaluation
from bandmaster.core.outcome import Status
from bandmaster.errors import CodecError

__all__ = ["FIELDS", "make_row", "row_values"]

FIELDS = tuple(name for name in Evaluation.__struct_fields__ if name != "vector")
"""What is kept of an evaluation; its vector follows from the configuration."""


def row_values(row: Evaluation) -> dict[str, Any]:
    """Return the fields of an evaluation as plain data."""
    values = {name: getattr(row, name) for name in FIELDS}
    for name in ("config", "metrics", "config_info"):
        values[name] = dict(values[name])
    return {**values, "status": row.status.value}


def make_row(values: Mapping[str, Any], number: int) -> Evaluation:
    """Make an evaluation of what a file says.

    Only ``config`` is needed. Without a status, an evaluation with a finite loss went well and one
    without failed; the other fields have the defaults of a search at one budget.

    Parameters
    ----------
    values : Mapping
        By the names in `FIELDS`; others are not looked at.
    number : int
        Which row of the file it is, from 0: the default of job and trial.

    Raises
    ------
    CodecError
        Names the field, what was found and what is expected.
    """
    if "config" not in values:
        raise CodecError(f"it has no 'config'; it has {', '.join(map(repr, values)) or 'nothing'}")
    got = {name: values[name] for name in FIELDS if name in values}
    for name, value in got.items():
        got[name] = _CHECKS[name](name, value)
    given = got
    got = {**_DEFAULTS, "job": number, "trial": given.get("job", number)}
    got |= {"metrics": {}, "config_info": {}, **given}
    loss = got.get("loss")
    if loss is not None and not math.isfinite(loss):
        got.update(loss=None, status=got.get("status", Status.FAILED))
        got["error"] = got["error"] or f"the loss is {loss!r}"
        loss = None
    status = got.setdefault("status", Status.FAILED if loss is None else Status.OK)
    if status is Status.OK and loss is None:
        raise CodecError("its status is 'ok', but it has no finite loss")
    return Evaluation(**{**got, "loss": loss})


def _whole(name: str, value: Any) -> int:
    if type(value) is float and value.is_integer():
        return int(value)
    if type(value) is not int:
        raise _wrong(name, value, "a whole number")
    return value


def _number(name: str, value: Any) -> float:
    if type(value) not in (int, float):
        raise _wrong(name, value, "a number")
    return value  # type: ignore[no-any-return]  # an int stays one


def _real(name: str, value: Any) -> float:
    try:
        float(_number(name, value))
    except OverflowError:
        raise _wrong(name, value, "a number that a float can hold") from None
    return value  # type: ignore[no-any-return]  # as above


def _budget(name: str, value: Any) -> float:
    if not 0 < _real(name, value) < math.inf:
        raise _wrong(name, value, "a number above 0")
    return value  # type: ignore[no-any-return]  # as above


def _loss(name: str, value: Any) -> float | None:
    return None if value is None else _real(name, value)


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise _wrong(name, value, "text")
    return value


def _text_or_none(name: str, value: Any) -> str | None:
    return None if value is None else _text(name, value)


def _status(name: str, value: Any) -> Status:
    try:
        return Status(value)
    except ValueError:
        known = ", ".join(repr(s.value) for s in Status)
        raise _wrong(name, value, f"one of {known}") from None


def _mapping(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise _wrong(name, value, "a mapping from names to values")
    return dict(value)


def _named(name: str, value: Any) -> dict[str, Any]:
    for key in _mapping(name, value):
        if not isinstance(key, str):
            raise _wrong(name, value, "a mapping whose keys are text")
    return dict(value)


def _metrics(name: str, value: Any) -> dict[str, float]:
    return {
        key: item if type(item) is bool else _number(f"{name}.{key}", item)
        for key, item in _named(name, value).items()
    }


def _anything(name: str, value: Any) -> Any:
    return value


def _wrong(name: str, value: Any, expected: str) -> CodecError:
    return CodecError(f"{name!r} is {value!r:.80}; {expected} is expected")


_CHECKS: Mapping[str, Callable[[str, Any], Any]] = {
    "job": _whole, "attempt": _whole, "trial": _whole, "config": _named, "budget": _budget,
    "status": _status, "loss": _loss, "metrics": _metrics, "info": _anything,
    "config_info": _mapping, "error": _text_or_none, "checkpoint": _text_or_none,
    "bracket": _whole, "rung": _whole, "submitted": _real, "started": _real,
    "finished": _real, "worker": _text,
}  # fmt: skip
_DEFAULTS: Mapping[str, Any] = {
    "attempt": 0, "budget": 1.0, "info": None, "error": None, "checkpoint": None, "bracket": 0,
    "rung": 0, "submitted": 0.0, "started": 0.0, "finished": 0.0, "worker": "",
}  # fmt: skip
