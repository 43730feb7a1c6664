"""A finished job with its outcome: one row of the History."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from bandmaster.core.outcome import Outcome, Status
from bandmaster.core.values import Encoded

if TYPE_CHECKING:
    import numpy as np

    from bandmaster.core.job import Job

__all__ = ["Evaluation"]


_OK = Status.OK


class Evaluation(Encoded, frozen=True, gc=False):
    """A finished job with its outcome.

    The times are seconds since the epoch: `submitted` by the study's clock, `started` and
    `finished` by the worker's. `loss` is None unless `status` is OK.
    """

    job: int
    attempt: int
    trial: int
    config: Mapping[str, Any]
    budget: float
    status: Status
    loss: float | None
    metrics: Mapping[str, float]
    info: Any
    config_info: Mapping[str, Any]
    error: str | None
    checkpoint: str | None
    bracket: int
    rung: int
    submitted: float
    started: float
    finished: float
    worker: str
    vector: np.ndarray | None = None

    @property
    def ok(self) -> bool:
        """Whether it has a loss that counts."""
        return self.status is _OK

    @classmethod
    def of(cls, job: Job, outcome: Outcome) -> Evaluation:
        """Join a job and how it ended."""
        return cls(
            job.number, job.attempt, job.trial, job.config, job.budget, outcome.status,
            outcome.loss, outcome.metrics, outcome.info, job.config_info, outcome.error,
            outcome.checkpoint, job.bracket, job.rung, job.issued, outcome.started,
            outcome.finished, outcome.worker, job.vector,
        )  # fmt: skip
