"""Where time comes from: injected, so that tests and simulations need not wait."""

from __future__ import annotations

import time
from typing import Protocol

__all__ = ["Clock", "ManualClock", "SystemClock"]


class Clock(Protocol):
    """Gives the time in seconds since the epoch."""

    def __call__(self) -> float: ...


class SystemClock:
    """The machine's clock, which never runs backwards within one process."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def __call__(self) -> float:
        return time.monotonic() + self._offset


class ManualClock:
    """A clock that stands still until it is told to move.

    Parameters
    ----------
    now : float, default 0.0
        Where it starts, in seconds.
    """

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Move forward by `seconds` (not negative)."""
        if seconds < 0:
            raise ValueError(f"a clock does not run backwards, got {seconds!r}")
        self.now += seconds
