"""Options of any type: flags, names, and numbers that are no budgets."""

from __future__ import annotations

import numbers
from typing import Any

from bandmaster.errors import ConfigurationError

__all__ = ["as_flag", "as_name", "as_number"]


def as_flag(value: Any, name: str) -> bool:
    """Return True or False; numpy's will do.

    Raises
    ------
    ConfigurationError
        When it is neither: ``"no"`` and ``"False"`` would count as True.
    """
    numpys = str(getattr(value, "dtype", "")) == "bool" and getattr(value, "shape", None) == ()
    if isinstance(value, bool) or numpys:
        return bool(value)
    raise ConfigurationError(f"{name} is True or False, got {value!r}")


def as_name(value: Any, name: str) -> str | None:
    """Return the name of a metric, or None.

    Raises
    ------
    ConfigurationError
        When it is something else, or empty.
    """
    if value is None or (isinstance(value, str) and value):
        return value
    raise ConfigurationError(f"{name} is the name of something reported, got {value!r}")


def as_number(value: Any, name: str) -> float:
    """Return a number as a float.

    Raises
    ------
    ConfigurationError
        When it is none, or no float is that large.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise ConfigurationError(f"{name} must be a number, got {value!r}")
    try:
        return float(value)
    except OverflowError:
        raise ConfigurationError(f"{name} is too large: no float is that large") from None
