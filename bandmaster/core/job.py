"""A job: one dispatch of a trial at a budget."""

from __future__ import annotations

import operator
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from msgspec import field

from bandmaster.core.values import Encoded

if TYPE_CHECKING:
    import numpy as np

__all__ = ["ConfigId", "Job", "named"]

ConfigId = tuple[int, int, int]


class Job(Encoded, frozen=True, gc=False):
    """One dispatch of a trial at a budget.

    Parameters
    ----------
    number : int
        Counts the study's jobs from 0. A requeued job keeps its number.
    attempt : int
        Counts the dispatches of this job from 0. Only the current attempt's outcome counts.
    trial : int
        Number of the trial (configuration), from 0.
    config : Mapping of str to value
        The configuration to evaluate.
    budget : int or float
        How much to spend on it.
    config_info : Mapping
        What the optimizer said about its suggestion, e.g. ``model_based_pick``.
    bracket, rung : int
        Where in the iteration generator's plan the job belongs.
    checkpoint : str, optional
        What to start from.
    issued : float
        When the study first issued it, in seconds of its clock.
    vector : ndarray of shape (dim,), optional
        The encoded configuration. It stays in the process of the study.
    """

    number: int
    attempt: int
    trial: int
    config: Mapping[str, Any]
    budget: float
    config_info: Mapping[str, Any] = field(default_factory=dict)
    bracket: int = 0
    rung: int = 0
    checkpoint: str | None = None
    issued: float = 0.0
    vector: np.ndarray | None = None

    @property
    def config_id(self) -> ConfigId:
        """The identifier that `compute` gets: (bracket, rung of the trial's first job, trial)."""
        return (self.bracket, 0, self.trial)

    def to_wire(self) -> list[Any]:
        """Return the fields a worker needs, as plain data."""
        return [
            self.number, self.attempt, self.trial, dict(self.config), self.budget,
            dict(self.config_info), self.bracket, self.rung, self.checkpoint, self.issued,
        ]  # fmt: skip

    @classmethod
    def from_wire(cls, fields: list[Any]) -> Job:
        """Rebuild what `to_wire` gave, without the vector."""
        return cls(*fields)


def named(job: Job | int, attempt: int | None) -> tuple[int, int | None]:
    """Return the job's number and the attempt that is meant; None is the current one."""
    if isinstance(job, Job):
        return job.number, job.attempt if attempt is None else attempt
    try:
        return operator.index(job), attempt
    except TypeError:
        raise TypeError(
            f"a job is meant by what `ask` returned, or by its number, got {job!r}"
            + (" (`ask` returns None while nothing may start)" if job is None else "")
        ) from None
