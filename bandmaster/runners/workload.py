"""What evaluations would take and return, for simulations that run none."""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from bandmaster.core.checkpoints import checkpoint_name, step_of
from bandmaster.core.job import Job
from bandmaster.errors import ConfigurationError

__all__ = ["Computed", "Curve", "LogNormal", "Recorded", "Run", "Seconds", "Workload"]


@dataclass(frozen=True, slots=True)
class Run:
    """One evaluation, as it would go.

    Parameters
    ----------
    seconds : float
        How long it takes, above 0.
    returned : object
        What it returns (`outcome_of` judges it): a loss, or a mapping of metrics.
    reports : sequence of (float, Mapping), default ()
        What it reports on the way: after how many seconds, and the metrics; by time.
    checkpoint : str, optional
        What it leaves behind at its end.
    saved : sequence of (str or None), default ()
        The checkpoint that comes with each report; empty when none does.
    """

    seconds: float
    returned: Any
    reports: Sequence[tuple[float, Mapping[str, float]]] = ()
    checkpoint: str | None = None
    saved: Sequence[str | None] = ()

    def __post_init__(self) -> None:
        if not 0 < self.seconds < math.inf:
            raise ConfigurationError(f"an evaluation takes time, above 0; got {self.seconds!r}")
        if self.saved and len(self.saved) != len(self.reports):
            raise ConfigurationError(
                f"each report has a checkpoint or None; got {len(self.saved)} for "
                f"{len(self.reports)} reports"
            )


class Workload(Protocol):
    """Says how the evaluation of a job goes; all its randomness comes from `rng`.

    `rng` is good for this call only: the next one gets the same object, set to something else.
    """

    def __call__(self, job: Job, rng: np.random.Generator) -> Run: ...


class Seconds(Protocol):
    """Says how long an evaluation of a job takes."""

    def __call__(self, job: Job, rng: np.random.Generator) -> float: ...


@dataclass(frozen=True, slots=True)
class LogNormal:
    """Durations of ``per_budget * budget * exp(sigma * z)`` seconds, z standard normal.

    Parameters
    ----------
    per_budget : float, default 1.0
        The median for a unit of budget, in seconds.
    sigma : float, default 1.0
        0 makes durations proportional to the budget. With 1, one of a hundred takes ten times
        the median.
    """

    per_budget: float = 1.0
    sigma: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.per_budget < math.inf or not 0 <= self.sigma < math.inf:
            raise ConfigurationError(
                f"per_budget must be above 0 and sigma not negative, got {self.per_budget!r} and "
                f"{self.sigma!r}"
            )

    def __call__(self, job: Job, rng: np.random.Generator) -> float:
        """Draw a duration."""
        return self.per_budget * job.budget * math.exp(self.sigma * rng.standard_normal())


@dataclass(frozen=True, slots=True)
class Computed:
    """A workload whose losses a cheap function computes.

    Parameters
    ----------
    function : callable
        ``function(config, budget)``; what it returns is the evaluation's.
    seconds : Seconds, default LogNormal()
        How long evaluations take.
    n_reports : int, default 0
        An evaluation reports ``function(config, budget * i / n_reports)`` at equal distances, the
        last time at its end.
    """

    function: Callable[[Mapping[str, Any], float], Any]
    seconds: Seconds = field(default_factory=LogNormal)
    n_reports: int = 0

    def __call__(self, job: Job, rng: np.random.Generator) -> Run:
        """Compute one evaluation."""
        took = self.seconds(job, rng)
        reports = []
        for i in range(1, self.n_reports + 1):
            share = i / self.n_reports
            told = self.function(job.config, job.budget * share)
            reports.append((took * share, told if isinstance(told, Mapping) else {"loss": told}))
        return Run(took, self.function(job.config, job.budget), reports)


@dataclass(frozen=True, slots=True)
class Curve:
    """The recorded training of one configuration.

    Parameters
    ----------
    steps : sequence of float
        The budgets at which something was recorded, ascending and above 0.
    seconds : sequence of float
        How long training had taken by then, ascending and above 0.
    metrics : sequence of Mapping
        What was measured then.
    """

    steps: Sequence[float]
    seconds: Sequence[float]
    metrics: Sequence[Mapping[str, float]]

    def __post_init__(self) -> None:
        sizes = {len(self.steps), len(self.seconds), len(self.metrics)}
        if sizes == {0} or len(sizes) > 1:
            raise ConfigurationError(
                f"a curve has as many steps as seconds and metrics, at least one; got "
                f"{len(self.steps)}, {len(self.seconds)} and {len(self.metrics)}"
            )
        for name, numbers in (("steps", self.steps), ("seconds", self.seconds)):
            if any(not b > a for a, b in zip((0, *numbers), numbers, strict=False)):
                raise ConfigurationError(f"{name} must ascend from above 0, got {numbers!r}")

    def until(self, budget: float) -> int:
        """Return how many steps a training with this budget makes, at least one."""
        return max(1, bisect.bisect_right(self.steps, budget))


@dataclass(frozen=True, slots=True)
class Recorded:
    """A workload read from recorded learning curves.

    Parameters
    ----------
    look_up : callable
        ``look_up(config)`` returns the `Curve` of a configuration.
    resumed : bool, default False
        Whether a trial that ran before goes on where it was, instead of training anew. What it
        has trained is in its checkpoint, which this workload writes itself.
    report : bool, default True
        Whether each step is reported.
    """

    look_up: Callable[[Mapping[str, Any]], Curve]
    resumed: bool = False
    report: bool = True

    def __call__(self, job: Job, rng: np.random.Generator) -> Run:
        """Read one evaluation from its curve."""
        curve = self.look_up(job.config)
        end = curve.until(job.budget)
        begin = min(step_of(job.checkpoint), end - 1) if self.resumed else 0
        before = curve.seconds[begin - 1] if begin else 0.0
        reports = [(curve.seconds[i] - before, curve.metrics[i]) for i in range(begin, end)]
        return Run(
            curve.seconds[end - 1] - before,
            curve.metrics[end - 1],
            reports if self.report else (),
            checkpoint_name(end, f"{job.number:016x}") if self.resumed else None,
        )
