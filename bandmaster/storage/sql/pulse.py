"""Whether this process has run, as far as a lease is concerned."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["Pulse"]

_RAN = 0.2  # share of the time for which a process that ran had a processor
_FRESH = 0.02  # share of the lease for which an old reading of the processor time will do


class Pulse:
    """Tells a process that was stopped from one whose threads had to wait for its own evaluation.

    Both look alike to a thread: for longer than the lease it did not run. But an evaluation that
    holds the interpreter's lock (a compiled routine, as a rule) uses the processor.

    Parameters
    ----------
    seconds : float
        How long the lease is.
    clock, used : callable, optional
        The monotonic time and this process's processor time, in seconds.
    """

    def __init__(
        self,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
        used: Callable[[], float] = time.process_time,
    ) -> None:
        self._seconds = seconds
        self._clock, self._used = clock, used
        self._last = self._read = clock()
        self._used_then = used()

    @property
    def last(self) -> float:
        """When it was felt last, by the monotonic clock."""
        return self._last

    def feel(self, *, planned: float = 0.0) -> float | None:
        """Return for how long this process was stopped if that is longer than the lease.

        Parameters
        ----------
        planned : float, default 0
            Seconds of the time since the last call that were slept on purpose.
        """
        now = self._clock()
        silent, self._last = now - self._last - planned, now
        if now - self._read <= _FRESH * self._seconds:  # asking the system takes a microsecond
            return None
        used = self._used()
        ran, self._used_then, self._read = used - self._used_then, used, now
        if silent <= self._seconds or ran >= _RAN * silent:
            return None
        return silent
