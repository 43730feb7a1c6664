"""Stopping what is worse than most others were by then."""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from bandmaster.core.decisions import Decision
from bandmaster.core.job import Job
from bandmaster.core.outcome import Outcome
from bandmaster.errors import ConfigurationError
from bandmaster.multifidelity.budgets import as_count
from bandmaster.multifidelity.flat import FlatIterGenerator
from bandmaster.multifidelity.options import as_number

__all__ = ["MedianStoppingIterGenerator", "PercentileStoppingIterGenerator"]


@dataclass(slots=True)
class _Progress:
    """What a job has reported so far."""

    step: int = 0
    n: int = 0
    total: float = 0.0
    best: float = math.inf

    def after(self, loss: float, step: int) -> _Progress:
        """Return the progress with one report more."""
        return _Progress(step, self.n + 1, self.total + loss, min(self.best, loss))


class PercentileStoppingIterGenerator(FlatIterGenerator):
    """A flat search that stops an evaluation which is not among the best `percentile` percent.

    An evaluation reports its loss as it goes. It is stopped when its best loss so far is worse
    than that percentile of what the running means of the others were at the same step (for 50, the
    median stopping rule of Golovin et al., KDD 2017).

    Parameters
    ----------
    budget : int, float or Fraction, default 1
        What each job gets.
    percentile : float, default 50
        Between 0 and 100.
    grace : int, default 1
        Nothing is stopped before this step.
    min_trials : int, default 5
        Nothing is stopped at a step at which fewer other jobs have reported.

    Raises
    ------
    ConfigurationError
        When an argument is out of its range.

    Notes
    -----
    ``n_iterations`` counts trials. Evaluations are compared at equal steps, so they should report
    at the same ones. A report without a finite loss counts for nothing.
    """

    needs_reports: ClassVar[bool] = True

    def __init__(
        self,
        budget: float = 1,
        *,
        percentile: float = 50.0,
        grace: int = 1,
        min_trials: int = 5,
    ) -> None:
        super().__init__(budget)
        if not 0 < as_number(percentile, "percentile") < 100:
            raise ConfigurationError(f"percentile must be between 0 and 100, got {percentile!r}")
        self.percentile = percentile
        self.grace = as_count(grace, "grace", least=0)
        self.min_trials = as_count(min_trials, "min_trials", least=1)
        self._progress: dict[int, _Progress] = {}  # of jobs that are out
        self._means: dict[int, list[float]] = {}  # step → running means of all there, ascending

    def decide(
        self, job: Job, metrics: Mapping[str, Any], loss: float | None, step: int
    ) -> Decision:
        """Stop a job that is worse than most."""
        others = self._means.get(step, ())
        if loss is None or step < self.grace or len(others) < self.min_trials:
            return Decision.CONTINUE
        before = self._progress.get(job.number, _Progress())
        worse = min(before.best, loss) > _percentile(others, self.percentile)
        return Decision.STOP if worse and step > before.step else Decision.CONTINUE

    def reported(
        self,
        job: Job,
        metrics: Mapping[str, Any],
        loss: float | None,
        step: int,
        *,
        decision: Decision,
        checkpoint: str | None,
    ) -> None:
        """Learn of a report and of what was answered."""
        before = self._progress.get(job.number, _Progress())
        if loss is None or step <= before.step:  # an attempt that was lost was there already
            return
        now = self._progress[job.number] = before.after(loss, step)
        bisect.insort(self._means.setdefault(step, []), now.total / now.n)

    def observe(self, job: Job, outcome: Outcome) -> None:
        """Learn how a job ended."""
        super().observe(job, outcome)
        self._progress.pop(job.number, None)

    def _signature(self) -> str:
        return (
            f"{type(self).__name__}(budget={self.budget!r}, percentile={self.percentile!r}, "
            f"grace={self.grace!r}, min_trials={self.min_trials!r})"
        )


class MedianStoppingIterGenerator(PercentileStoppingIterGenerator):
    """A flat search with the median stopping rule (Golovin et al., KDD 2017).

    Parameters
    ----------
    budget, grace, min_trials
        As for `PercentileStoppingIterGenerator`.
    """

    def __init__(self, budget: float = 1, *, grace: int = 1, min_trials: int = 5) -> None:
        super().__init__(budget, grace=grace, min_trials=min_trials)


def _percentile(ascending: list[float] | tuple[float, ...], percent: float) -> float:
    """Return the percentile, interpolated between the two values around it."""
    position = (len(ascending) - 1) * percent / 100
    low = math.floor(position)
    high = min(low + 1, len(ascending) - 1)
    share = position - low
    return ascending[low] * (1 - share) + ascending[high] * share
