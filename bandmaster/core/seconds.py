"""Options that are a time."""

from __future__ import annotations

import numbers
import time
from typing import Any

from bandmaster.errors import ConfigurationError

__all__ = ["LONGEST", "check_seconds", "seconds_left"]

LONGEST = 1e9
"""Seconds, 30 years: more is no time that a system would wait for."""


def check_seconds(name: str, value: Any, *, optional: bool = True, zero: bool = True) -> None:
    """Refuse what is no number of seconds.

    Parameters
    ----------
    name : str
        The option's, for the message.
    value : float or None
    optional : bool, default True
        Whether None, which means no limit, will do.
    zero : bool, default True
        Whether 0 will do.

    Raises
    ------
    ConfigurationError
        When it is none, or infinite.
    """
    if value is None and optional:
        return
    if (
        not isinstance(value, numbers.Real)
        or isinstance(value, bool)
        or not (0 < float(value) <= LONGEST or (zero and value == 0))
    ):
        wanted = f"a number of seconds {'≥' if zero else '>'} 0{' or None' if optional else ''}"
        hint = ""
        if optional and isinstance(value, numbers.Real) and float(value) > LONGEST:
            hint = " (no limit is None)"
        raise ConfigurationError(f"{name} is {wanted}, got {value!r}{hint}")


def seconds_left(deadline: float | None) -> float | None:
    """Return the seconds until a moment of `time.monotonic`, at least 0; None without one."""
    return None if deadline is None else max(0.0, deadline - time.monotonic())
