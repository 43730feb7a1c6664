"""What an evaluation in a process of its own may use."""

from __future__ import annotations

import math
import numbers
import re
from dataclasses import dataclass
from typing import Any

from bandmaster.errors import ConfigurationError

__all__ = ["Isolation", "isolation_of"]

_UNITS = {"": 1} | {
    f"{letter}{suffix}": base**power
    for power, letter in enumerate("kmgt", start=1)
    for suffix, base in (("", 1024), ("ib", 1024), ("b", 1000))
}
_SIZE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?(?:ib|b)?)\s*", re.IGNORECASE)
_LEAST_MEMORY = 1 << 20


@dataclass(frozen=True, slots=True)
class Isolation:
    """The limits of an evaluation that runs in a process of its own.

    Parameters
    ----------
    time_limit : float, optional
        Seconds.
    memory_limit : int, optional
        Bytes of memory in use, of the process and all that it started, libraries included.
    """

    time_limit: float | None = None
    memory_limit: int | None = None

    def __post_init__(self) -> None:
        limit = self.time_limit
        if limit is not None and (
            isinstance(limit, bool)
            or not isinstance(limit, numbers.Real)
            or not 0 < float(limit) < math.inf
        ):
            raise ConfigurationError(
                f"time_limit is a number of seconds > 0 or None, got {limit!r}"
            )
        memory = self.memory_limit
        if memory is not None and (type(memory) is not int or memory < _LEAST_MEMORY):
            raise ConfigurationError(
                f"memory_limit is at least {_LEAST_MEMORY} bytes, got {memory!r}; write large "
                "numbers with a unit: '2GiB'"
            )


def isolation_of(
    isolate: bool, time_limit: float | None, memory_limit: int | str | None
) -> Isolation | None:
    """Return the limits that a user asked for, None when evaluations are not isolated.

    Parameters
    ----------
    isolate : bool
    time_limit : float, optional
        Seconds.
    memory_limit : int or str, optional
        Bytes, or a text such as ``"512MB"`` (10^6), ``"2GiB"`` or ``"2G"`` (2^30).

    Raises
    ------
    ConfigurationError
        When a limit is malformed, or given without `isolate`.
    """
    if not isinstance(isolate, bool):
        raise ConfigurationError(f"isolate is True or False, got {isolate!r}")
    if isolate:
        return Isolation(time_limit, _bytes_of(memory_limit))
    for name, limit in (("time_limit", time_limit), ("memory_limit", memory_limit)):
        if limit is not None:
            raise ConfigurationError(
                f"{name} needs isolate=True (--isolate): only an evaluation in a process of "
                "its own can be ended without its worker"
            )
    return None


def _bytes_of(limit: Any) -> int | None:
    if limit is None or type(limit) is int:
        return limit
    if isinstance(limit, numbers.Integral) and not isinstance(limit, bool):
        return int(limit)
    if isinstance(limit, str):
        match = _SIZE.fullmatch(limit)
        unit = "" if match is None else match[2].lower()
        if match is not None and (unit in _UNITS or unit == "b"):
            return int(float(match[1]) * _UNITS.get(unit, 1))
    raise ConfigurationError(
        f"memory_limit is a number of bytes or a text such as '512MB' or '2GiB', got {limit!r}"
    )
