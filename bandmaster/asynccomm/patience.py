"""Trying again until the name server is there."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from bandmaster.errors import ConfigurationError, NameServerError

__all__ = ["until_found"]

logger = logging.getLogger(__name__)

T = TypeVar("T")

_FIRST_DELAY, _LONGEST_DELAY = 0.1, 2.0
_WARN_AFTER, _WARN_EVERY = 2.0, 30.0


def until_found(
    look: Callable[[], T], who: str, *, patience: float | None, stop: threading.Event
) -> T:
    """Return what `look` returns, once it no longer raises NameServerError.

    Parameters
    ----------
    look : callable
    who : str
        Whose search it is, for the warning that comes after 2 s and then every 30 s.
    patience : float or None
        Seconds after which the error is raised; 0 looks once, None looks for ever.
    stop : threading.Event
        Ends the search when set.

    Raises
    ------
    NameServerError
        When the patience is over.
    ConfigurationError
        When `stop` was set.
    Exception
        Anything else that `look` raises, at once.
    """
    started, delay, warn_at = time.monotonic(), _FIRST_DELAY, _WARN_AFTER
    while True:
        try:
            return look()
        except NameServerError as error:
            waited = time.monotonic() - started
            if patience is not None and waited >= patience:
                raise
            if waited >= warn_at:
                warn_at = waited + _WARN_EVERY
                logger.warning(
                    "%s has found no name server for %.0f s and goes on looking: %s",
                    who, waited, error,
                )  # fmt: skip
        left = delay if patience is None else min(delay, max(0.0, patience - waited))
        if stop.wait(left):
            raise ConfigurationError(f"{who} was shut down while it looked for its name server")
        delay = min(2 * delay, _LONGEST_DELAY)
