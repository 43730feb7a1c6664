"""What is said of an evaluation whose process did not live to tell."""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path

from bandmaster.asynccomm.exits import how_it_ended
from bandmaster.asynccomm.isolation.channel import LINE_LOST
from bandmaster.core.outcome import Outcome, Status

__all__ = [
    "cancelled",
    "crashed",
    "garbled",
    "out_of_memory_kills",
    "too_large",
    "too_long",
    "unwatched",
]


def crashed(code: int, report: str, oom_kills: int) -> Outcome:
    """Return the outcome of an evaluation whose process ended by itself.

    Parameters
    ----------
    code : int
        Its exit code, negative for a signal.
    report : str
        The traceback that it left; may be empty.
    oom_kills : int
        How many processes the kernel has ended meanwhile because memory was short.
    """
    if code == LINE_LOST:
        return garbled()
    text = f"the process of the evaluation {how_it_ended(code)}"
    if code == -signal.SIGKILL:
        text += ", which this worker did not send; " + (
            "meanwhile the kernel has ended processes because memory was short"
            if oom_kills
            else "somebody else did, or the kernel because memory was short"
        )
    elif code >= 0:
        text += ": it called os._exit, or native code ended it"
    return _outcome(Status.CRASHED, text, report)


def too_long(limit: float | None, report: str) -> Outcome:
    """Return the outcome of an evaluation that was ended by its time limit.

    None stands for one that had not begun: the objective was still being loaded.
    """
    if limit is None:
        return _outcome(Status.TIMEOUT, "loading the objective took too long", report)
    return _outcome(
        Status.TIMEOUT, f"the evaluation ran longer than time_limit={limit:g} s", report
    )


def too_large(limit: int, used: int, n_processes: int) -> Outcome:
    """Return the outcome of an evaluation that was ended by its memory limit."""
    owner = "its process" if n_processes == 1 else f"its {n_processes} processes"
    return _outcome(
        Status.CRASHED,
        f"the evaluation needed more than memory_limit={_size(limit, limit)}: {owner} used "
        f"{_size(used, limit)}",
    )


def cancelled(reason: str) -> Outcome:
    """Return the outcome of an evaluation that was ended on purpose."""
    return Outcome.failed(reason, status=Status.STOPPED)


def garbled() -> Outcome:
    """Return the outcome of an evaluation that has closed its line to the worker."""
    return _outcome(
        Status.CRASHED,
        "the evaluation has closed the connection of its process to the worker, or written on it",
    )


def unwatched() -> Outcome:
    """Return the outcome of an evaluation whose keeper has died."""
    return _outcome(
        Status.CRASHED, "the process that keeps watch over the evaluation's was ended from outside"
    )


def out_of_memory_kills() -> int:
    """Return how many processes the kernel has ended because memory was short, since its start."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        text = Path("/proc/vmstat").read_text(encoding="ascii")
        return int(text.split("\noom_kill ", 1)[1].split("\n", 1)[0])
    return 0


def _outcome(status: Status, text: str, report: str = "") -> Outcome:
    # The message comes last, as in a traceback: summaries show the last line.
    return Outcome.failed(f"{report.strip()}\n{text}" if report.strip() else text, status=status)


def _size(size: int, like: int) -> str:
    """Write a size in the unit in which `like` is a whole number, MB or MiB."""
    return f"{size / 2**20:.0f} MiB" if like % 2**20 == 0 else f"{size / 10**6:.0f} MB"
