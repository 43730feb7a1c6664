"""Log lines that a stranger can cause, but not flood the log with."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

__all__ = ["Throttle"]


class Throttle:
    """Writes a few lines in each period, and how many there were beyond them.

    Parameters
    ----------
    logger : logging.Logger
    most : int, default 5
        Lines in a period.
    period : float, default 10
        Seconds.
    clock : callable
        Returns seconds.

    Attributes
    ----------
    last : (float, str) or None
        When the last warning came, in seconds since the epoch, and what it says; also if it was
        left out.
    """

    def __init__(
        self,
        logger: logging.Logger,
        *,
        most: int = 5,
        period: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._logger = logger
        self._most = most
        self._period = period
        self._clock = clock
        self.last: tuple[float, str] | None = None
        self._lock = threading.Lock()
        self._began = -period
        self._written = self._dropped = 0

    def warning(self, text: str, *arguments: object) -> None:
        """Log a warning, or count it."""
        self.last = time.time(), text % arguments
        if self._passes():
            self._logger.warning(text, *arguments)

    def exception(self, text: str, *arguments: object) -> None:
        """Log an error with the traceback of the exception at hand, or count it."""
        if self._passes():
            self._logger.exception(text, *arguments)

    def flush(self) -> None:
        """Log how many were dropped, if any; a new period begins."""
        with self._lock:
            dropped, self._dropped, self._written = self._dropped, 0, 0
        if dropped:
            self._logger.warning("and %d more lines like these, which are left out", dropped)

    def _passes(self) -> bool:
        with self._lock:
            now = self._clock()
            over = now - self._began >= self._period
            if over:
                self._began = now
        if over:
            self.flush()
        with self._lock:
            passes = self._written < self._most
            if passes:
                self._written += 1
            else:
                self._dropped += 1
        return passes
