"""The leaves of an HDL: ``{"_type": …, "_value": …, "_default": …}``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from difflib import get_close_matches
from fractions import Fraction
from typing import Any, Final

from bandmaster.errors import SpaceError
from bandmaster.space.parameters import Categorical, Float, Integer, Ordinal, Parameter
from bandmaster.space.values import UNSET, native

__all__ = ["TYPES", "Path", "fail", "hdl_parameter"]

Path = tuple[str, ...]

_FLOATS: Final = ("uniform", "loguniform", "quniform", "qloguniform")
_INTEGERS: Final = ("int_uniform", "int_loguniform", "int_quniform", "int_qloguniform")
TYPES: Final = ("choice", "ordinal", *_FLOATS, *_INTEGERS)
"""All values of ``_type``."""


def fail(path: Path, message: str) -> SpaceError:
    """Return the error for what is wrong at `path`."""
    return SpaceError(f"HDL at {' → '.join(path) or 'the top'}: {message}")


def hdl_parameter(name: str, leaf: Mapping[str, Any], path: Path) -> Parameter:
    """Return the parameter that a leaf describes.

    Raises
    ------
    SpaceError
        With the path, what was found and what is expected.
    """
    kind = leaf.get("_type")
    if "_type" not in leaf:
        near = get_close_matches("_type", leaf, 1)
        instead = f" (is {near[0]!r} meant to be it?)" if near else ""
        raise fail(path, f"'_type' is missing{instead}; expected one of {', '.join(TYPES)}")
    if kind not in TYPES:
        raise fail(path, f"'_type' is {kind!r}; expected one of {', '.join(TYPES)}")
    allowed = ("_type", "_value", "_default", *(("_weights",) if kind == "choice" else ()))
    for key in leaf:
        if key not in allowed:
            raise fail(path, f"{key!r} is unknown; a {kind} has {', '.join(allowed)}")
    if "_value" not in leaf:
        raise fail(path, f"'_value' is missing; expected {_expected(kind)}")
    value, default = leaf["_value"], leaf.get("_default", UNSET)
    if not isinstance(value, (list, tuple)):
        raise fail(path, f"'_value' is {value!r}; expected {_expected(kind)}")
    try:
        if kind == "choice":
            return Categorical(name, value, weights=leaf.get("_weights"), default=default)
        if kind == "ordinal":
            return Ordinal(name, value, default=default)
        return _number(name, kind, value, default, path)
    except (SpaceError, TypeError) as error:
        message = str(error)
        raise (error if message.startswith("HDL at ") else fail(path, message)) from None


def _expected(kind: str) -> str:
    if kind in ("choice", "ordinal"):
        return "a list of values"
    return "[lower, upper, step]" if _is_quantised(kind) else "[lower, upper]"


def _is_quantised(kind: str) -> bool:
    return kind.removeprefix("int_").startswith("q")


def _number(
    name: str, kind: str, value: list[Any] | tuple[Any, ...], default: Any, path: Path
) -> Parameter:
    quantised = _is_quantised(kind)
    log = "log" in kind
    if len(value) != 2 and not (quantised and len(value) == 3):
        raise fail(path, f"'_value' is {list(value)!r}; expected {_expected(kind)}")
    value = native(list(value), "'_value'")
    for item in value:
        if isinstance(item, bool) or not isinstance(item, (int, float)):
            raise fail(
                path,
                f"'_value' holds {item!r}, a {type(item).__name__}; expected {_expected(kind)} "
                "of numbers",
            )
    lower, upper = value[0], value[1]
    if kind in _INTEGERS:
        step: Any = 1
        if quantised:
            step = value[2] if len(value) == 3 else _common_step(value, path)
        return Integer(name, lower, upper, log=log, q=step, default=default)
    if not quantised:
        return Float(name, lower, upper, log=log, default=default)
    q = value[2] if len(value) == 3 else _common_step(value, path)
    return Float(name, lower, upper, log=log, q=q, default=default)


def _common_step(value: list[Any] | tuple[Any, ...], path: Path) -> float | int:
    """Return the step of a quantised leaf that names none: the bounds' greatest common divisor."""
    whole = all(isinstance(item, int) for item in value)
    lower, upper = (Fraction(repr(item)) for item in value[:2])
    scale = math.lcm(lower.denominator, upper.denominator)
    step = Fraction(math.gcd(int(lower * scale), int(upper * scale)), scale)
    if step <= 0:
        raise fail(path, f"'_value' is {list(value)!r}; expected [lower, upper, step]")
    return int(step) if whole else float(step)
