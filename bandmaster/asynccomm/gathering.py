"""Waiting until enough workers are there, and saying so when they do not come."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from bandmaster.asynccomm.dispatcher import Dispatcher
from bandmaster.asynccomm.silence import Trouble, clock_time, latest

__all__ = ["wait_for_workers"]

logger = logging.getLogger(__name__)

_FIRST_WARNING = 5.0  # seconds without any worker


def wait_for_workers(
    dispatcher: Dispatcher,
    wanted: int,
    *,
    timeout: float | None,
    warn_after: float,
    trouble: Callable[[], Trouble | None],
) -> bool:
    """Block until `wanted` workers are connected; False when `timeout` seconds passed first.

    It also returns when the dispatcher was drained or closed and, some seconds late, when there is
    nothing left to do or the study can store nothing more.

    Parameters
    ----------
    dispatcher : Dispatcher
    wanted : int
    timeout : float or None
    warn_after : float
        Seconds between two warnings; the first one comes after 5 s at the latest.
    trouble : callable
        Returns what was last refused, for the warnings.
    """
    sessions, run_id, study = dispatcher.sessions, dispatcher.run_id, dispatcher.study
    started = time.monotonic()
    deadline = None if timeout is None else started + timeout
    patience = min(_FIRST_WARNING, warn_after)
    if len(sessions) < wanted:
        logger.info("Run %r waits for workers: %d of %d are connected",
                    run_id, len(sessions), wanted)  # fmt: skip
    while True:
        left = patience
        if deadline is not None:
            left = min(left, max(0.0, deadline - time.monotonic()))
        if study.poisoned or study.finished:
            return True
        if sessions.wait_for_count(
            wanted, timeout=left, unless=lambda: dispatcher.draining is not None
        ):
            return True
        if deadline is not None and time.monotonic() >= deadline:
            return False
        count, waited = len(sessions), time.monotonic() - started
        refused = latest(dispatcher.refused, trouble())
        logger.warning(
            "%s: %d of %d are connected after %.0f s; start one with: "
            "bandmaster worker module:function --run-id %s%s",
            f"Run {run_id!r} waits for more workers" if count
            else f"No worker has joined run {run_id!r} yet",
            count, wanted, waited, run_id,
            "" if refused is None
            else f"; at {clock_time(time.time() - refused[0])}: {refused[1]}",
        )  # fmt: skip
        patience = max(2 * patience, warn_after)
