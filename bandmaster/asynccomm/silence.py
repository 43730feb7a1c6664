"""Why nothing happens: what a run says when it has been silent for a while."""

from __future__ import annotations

import time
from collections.abc import Callable

from bandmaster.asynccomm.dispatcher import Dispatcher

__all__ = ["Trouble", "clock_time", "explain_silence", "latest"]

Trouble = tuple[float, str]
"""When (seconds since the epoch), and what the log said."""

_MOST = 5


def explain_silence(
    dispatcher: Dispatcher, seconds: float, *, trouble: Callable[[], Trouble | None] | None = None
) -> str:
    """Return a sentence that says what a run waits for.

    Parameters
    ----------
    dispatcher : Dispatcher
    seconds : float
        For how long nothing has happened.
    trouble : callable, optional
        Returns what was last refused before it came to the dispatcher.
    """
    run = dispatcher.run_id or "local"
    since = clock_time(seconds)
    refused = latest(dispatcher.refused, None if trouble is None else trouble())
    text = f"Run {run!r}: nothing has happened for {seconds:.0f} s (since {since}): "
    text += _reason(dispatcher, run)
    if refused is not None:
        text += f"; the last one that was refused, at {clock_time(time.time() - refused[0])}: "
        text += refused[1]
    return text


def latest(*troubles: Trouble | None) -> Trouble | None:
    """Return the last of those that there are."""
    return max((trouble for trouble in troubles if trouble is not None), default=None)


def clock_time(seconds: float) -> str:
    """Return what the clock showed so many seconds ago, with the date if that is long ago."""
    moment = time.localtime(time.time() - seconds)
    return time.strftime("%H:%M:%S" if seconds < 43_200 else "%Y-%m-%d %H:%M:%S", moment)


def _reason(dispatcher: Dispatcher, run: str) -> str:
    now, sessions = time.monotonic(), dispatcher.sessions
    storing = dispatcher.storing
    if storing:
        oldest = clock_time(now - min(storing))
        return f"the storage has not confirmed what {len(storing)} workers told since {oldest}"
    running = sessions.running()
    if running:
        jobs = ", ".join(
            f"job {held.job} (trial {held.trial}, budget {held.budget:g}) at {session} "
            f"since {clock_time(now - held.since)}"
            for session, held in running[:_MOST]
        )
        return f"waiting for {jobs}{_more(len(running))}"
    if not len(sessions):
        return f"no workers are connected to run {run!r}; start some with this run_id"
    out = [entry for entry in dispatcher.study.open_jobs if not entry.waiting]
    if out:
        jobs = ", ".join(f"job {e.job.number} of {e.worker or '-'}" for e in out[:_MOST])
        return f"waiting for workers that are not connected: {jobs}{_more(len(out))}"
    busy = len(sessions) - len(dispatcher.waiters)
    if busy > 0:
        return f"{busy} of {len(sessions)} workers still compute what has ended without them"
    generator = repr(dispatcher.study.generator).partition("\n")[0]  # a table may follow
    return f"{len(sessions)} workers are idle, nothing is out, and {generator} starts nothing"


def _more(n: int) -> str:
    return f", and {n - _MOST} more" if n > _MOST else ""
