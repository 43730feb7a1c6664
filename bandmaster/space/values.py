"""Plain values: what a choice, a constant, a default or a ``meta`` entry may be.

Plain means ``None``, ``bool``, ``int``, ``float``, ``str`` and lists, tuples and string-keyed dicts
of these. Everything else has no spelling in JSON, so it could not be stored or sent and come back
as the same value.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from enum import Enum
from typing import Any, Final

from bandmaster.errors import SpaceError

__all__ = ["UNSET", "Unset", "from_plain", "is_mutable", "native", "to_plain", "value_key"]

_SCALARS: Final = frozenset({bool, int, float, str, type(None)})


class Unset(Enum):
    """The type of `UNSET`."""

    UNSET = "unset"

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET
"""Marks a default that was not given (``None`` is a value like any other)."""


def native(value: Any, where: str) -> Any:
    """Return `value` as plain Python data; numpy scalars and arrays are converted.

    Raises
    ------
    SpaceError
        When the value is not plain; `where` says where it was found.
    """
    kind = type(value)
    if kind in _SCALARS:
        return value
    if kind is list:
        return [native(item, where) for item in value]
    if kind is tuple:
        return tuple(native(item, where) for item in value)
    if isinstance(value, Mapping):
        for name in value:
            if not isinstance(name, str):
                raise SpaceError(
                    f"{where}: the key {name!r} of a dict is a {type(name).__name__}; "
                    "a dict that is a value needs keys that are strings"
                )
        return {str(name): native(item, where) for name, item in value.items()}
    if kind.__module__ == "numpy":
        converted = value.tolist()
        if type(converted) is not kind:
            return native(converted, where)
    raise SpaceError(
        f"{where}: {value!r} is a {kind.__name__}; values are None, bool, int, float, str, or "
        "lists, tuples and dicts of these (give an object a name and look it up in the objective)"
    )


def value_key(value: Any) -> Hashable:
    """Return a key under which only the same value of the same type is found.

    ``1``, ``1.0`` and ``True`` have three keys; NaN has one.
    """
    kind = type(value)
    if kind is float and math.isnan(value):
        return (float, "nan")
    if kind in (list, tuple):
        return (kind, tuple(map(value_key, value)))
    if kind is dict:
        return (dict, frozenset((name, value_key(item)) for name, item in value.items()))
    return (kind, value)


def is_mutable(value: Any) -> bool:
    """Whether a user could change the value in place, so that each one needs its own copy."""
    if isinstance(value, tuple):
        return any(map(is_mutable, value))
    return isinstance(value, (list, dict))


def to_plain(value: Any) -> Any:
    """Return `value` spelled in strict JSON: tuples and non-finite floats are tagged."""
    if isinstance(value, float) and not math.isfinite(value):
        return {"__float__": repr(value)}
    if isinstance(value, tuple):
        return {"__tuple__": [to_plain(item) for item in value]}
    if isinstance(value, list):
        return [to_plain(item) for item in value]
    if isinstance(value, dict):
        plain = {name: to_plain(item) for name, item in value.items()}
        return {"__dict__": plain} if any(name.startswith("__") for name in plain) else plain
    return value


def from_plain(value: Any) -> Any:
    """Undo `to_plain`."""
    if isinstance(value, list):
        return [from_plain(item) for item in value]
    if isinstance(value, dict):
        if len(value) == 1:
            if "__float__" in value:
                return float(value["__float__"])
            if "__tuple__" in value:
                return tuple(from_plain(item) for item in value["__tuple__"])
            if "__dict__" in value:
                return {name: from_plain(item) for name, item in value["__dict__"].items()}
        return {name: from_plain(item) for name, item in value.items()}
    return value
