"""Reports on their way from a worker to a study: together where nobody waits for an answer."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from bandmaster.asynccomm.protocol import Row
from bandmaster.core.decisions import Decision
from bandmaster.core.outcome import Outcome, Status

if TYPE_CHECKING:
    from bandmaster.study.study import Study

__all__ = ["Reports", "tell_outcome", "tell_reports"]

logger = logging.getLogger(__name__)

_PAUSE = 0.1  # seconds between two messages that nobody waits for
_TOGETHER = 100  # reports in a message
_MOST = 100_000  # that wait for a master that is away


class Reports:
    """What a running evaluation has reported and the master has not acknowledged yet.

    Parameters
    ----------
    clock : callable, optional
        Seconds.

    Attributes
    ----------
    each : bool
        Whether the study decides by reports, so that each is told, and answered, at once.

    Notes
    -----
    Otherwise a report is told at once if the last message is 0.1 s old or there is a checkpoint,
    and with the next one or the end of the evaluation else. Reports that did not arrive are told
    again, so none is lost as long as the worker lives; the study takes the last one of a step.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.each = True
        self._clock = clock
        self._rows: list[Row] = []
        self._told = -_PAUSE
        self._overflown = False

    def clear(self) -> None:
        """Forget what there is: an evaluation begins, or it cannot be sent."""
        self._rows.clear()
        self._told, self._overflown = -_PAUSE, False

    def add(self, row: Row) -> bool:
        """Take a report; return whether it is to be told now."""
        self._rows.append(row)
        if len(self._rows) > _MOST:
            del self._rows[0]
            if not self._overflown:
                logger.warning("More than %d reports wait for a master; the oldest go", _MOST)
            self._overflown = True
        return self.each or row[2] is not None or self._clock() - self._told >= _PAUSE

    def next(self) -> list[Row]:
        """Return what to tell in the next message, nothing when all has been told."""
        return self._rows[:_TOGETHER]

    def told(self, n: int) -> None:
        """The first so many have arrived."""
        del self._rows[:n]
        self._told = self._clock()


def tell_reports(study: Study, job: int, attempt: int, rows: Sequence[Row]) -> Decision:
    """Report to a study, until it decides that the evaluation is not to go on."""
    decision = Decision.CONTINUE
    for metrics, step, checkpoint in rows:
        decision = study.report(job, metrics, step=step, attempt=attempt, checkpoint=checkpoint)
        if decision is not Decision.CONTINUE:
            break
    return decision


def tell_outcome(
    study: Study, job: int, attempt: int, outcome: Outcome, *, failing: bool = False
) -> bool:
    """Tell a study how a job ended; what was stopped since the run fails is left to the next."""
    if failing and outcome.status is Status.STOPPED:
        return study.requeue(job, "the run failed meanwhile", attempt=attempt, counted=False)
    return study.tell(job, outcome, attempt=attempt, durable=False)
