"""What becomes of an attempt that was lost with its worker, or that failed."""

from __future__ import annotations

import logging
from collections.abc import Callable

from msgspec.structs import replace

from bandmaster.core import events as ev
from bandmaster.core.decisions import Decision
from bandmaster.core.outcome import Outcome, Status
from bandmaster.core.trial import OpenJob
from bandmaster.core.verdict import ended_with

__all__ = ["RETRIED", "after_failure", "after_loss", "left_at"]

logger = logging.getLogger(__name__)

RETRIED = (Status.FAILED, Status.CRASHED)
"""What `retry_failed` tries again: an exception, a bad loss, an isolated evaluation that died."""


def after_loss(
    entry: OpenJob,
    reason: str,
    *,
    counted: bool,
    max_retries: int,
    time: float,
    judge: Callable[[Outcome], Outcome],
) -> ev.JobRequeued | ev.JobFinished:
    """Return the event that follows when the worker of a job's current attempt was lost.

    `judge` gives the outcome of one that had paused its loss, as the study judges all of them.
    """
    job, lost = entry.job, entry.lost
    if entry.paused is not None:  # it had done its part: run again it would train too far
        logger.warning("Job %d had paused when its worker was lost: %s", job.number, reason)
        outcome = judge(ended_with(entry.paused, Decision.PAUSE))
        outcome = left_at(entry, outcome.timed(job.issued, time, entry.worker))
        return ev.JobFinished(time, job.number, job.attempt, outcome)
    if counted and lost >= max_retries:
        error = f"its workers were lost {lost + 1} times, the last time: {reason}"
        logger.error("Job %d (trial %d) crashed: %s", job.number, job.trial, error)
        outcome = Outcome.failed(error, status=Status.CRASHED, worker=entry.worker)
        return ev.JobFinished(time, job.number, job.attempt, outcome)
    logger.warning("Job %d of %s is requeued: %s", job.number, entry.worker or "-", reason)
    return ev.JobRequeued(time, job.number, job.attempt, reason, counted)


def after_failure(
    entry: OpenJob, outcome: Outcome, *, retry_failed: int, time: float
) -> ev.JobRequeued | None:
    """Return the event that puts back a job whose attempt failed; None when that was the last."""
    if outcome.status not in RETRIED or entry.failed >= retry_failed:
        return None
    job, error = entry.job, outcome.error or outcome.status.value
    logger.warning(
        "Job %d (trial %d) failed and is tried again (%d of %d): %s",
        job.number, job.trial, entry.failed + 1, retry_failed,
        error.strip().rpartition("\n")[2],
    )  # fmt: skip
    return ev.JobRequeued(time, job.number, job.attempt, error, False, failed=True)


def left_at(entry: OpenJob, outcome: Outcome) -> Outcome:
    """Return an outcome that names the newest checkpoint of its job, if there is one at all."""
    if outcome.checkpoint is None and entry.checkpoint is not None:
        return replace(outcome, checkpoint=entry.checkpoint)
    return outcome
