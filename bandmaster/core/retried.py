"""An attempt that did not end its job."""

from __future__ import annotations

from msgspec import Struct

from bandmaster.core.evaluation import Evaluation
from bandmaster.core.job import Job
from bandmaster.core.outcome import Outcome, Status

__all__ = ["Retried"]


class Retried(Struct, frozen=True, gc=False):
    """An attempt that was lost or failed, after which its job was to be run again.

    Parameters
    ----------
    job : Job
        With its configuration, budget and the number of this attempt.
    worker : str
        Who had it.
    issued, ended : float
        When it was issued, and when the study learned of its end; seconds since the epoch, by the
        study's clock.
    reason : str
        Why it was lost, or the error with which it failed.
    failed : bool
        Whether it failed, instead of being lost with its worker or connection.
    """

    job: Job
    worker: str
    issued: float
    ended: float
    reason: str
    failed: bool

    @property
    def key(self) -> tuple[int, int]:
        """The numbers of job and attempt."""
        return self.job.number, self.job.attempt

    def as_evaluation(self) -> Evaluation:
        """Return it as a row like those of evaluations, with status FAILED or CRASHED."""
        status = Status.FAILED if self.failed else Status.CRASHED
        outcome = Outcome.failed(self.reason, status=status)
        return Evaluation.of(self.job, outcome.timed(self.issued, self.ended, self.worker))
