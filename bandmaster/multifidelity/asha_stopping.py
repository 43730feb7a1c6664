"""Asynchronous successive halving that stops trials instead of pausing them."""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping
from typing import Any, ClassVar

from bandmaster.core.decisions import Decision
from bandmaster.core.job import Job
from bandmaster.core.outcome import Outcome
from bandmaster.multifidelity.budgets import as_budgets, exact_eta, exact_range, rung_budgets
from bandmaster.multifidelity.flat import FlatIterGenerator

__all__ = ["ASHAStoppingIterGenerator"]


class ASHAStoppingIterGenerator(FlatIterGenerator):
    """ASHA's stopping variant: every trial begins with the whole budget, and most end early.

    An evaluation reports its loss as it goes (``context.report(loss, step=...)``). With the first
    report at or beyond a rung it goes on if it is among the best 1/eta of all that came there so
    far, itself included, and ends otherwise. Nothing has to be resumed from a checkpoint; on the
    other hand a trial that is stopped by mistake never comes back (Li et al., MLSys 2020, compare
    both).

    Parameters
    ----------
    min_budget : int, float or Fraction
        No trial is stopped below this step.
    max_budget : int, float or Fraction
        What each job gets; steps count the same thing, e.g. epochs.
    eta : int, float or Fraction, default 3

    Raises
    ------
    ConfigurationError
        When the arguments give no rungs.

    Notes
    -----
    ``n_iterations`` counts trials. The first trial at a rung always goes on. A report without a
    finite loss ranks last.
    """

    needs_reports: ClassVar[bool] = True

    def __init__(self, min_budget: float, max_budget: float, eta: float = 3) -> None:
        factor = exact_eta(eta)
        rungs = rung_budgets(*exact_range(min_budget, max_budget), factor)
        super().__init__(max_budget)
        self.min_budget = min_budget
        self.max_budget = max_budget
        self.eta = eta
        self._eta = factor
        self._levels = as_budgets(rungs, min_budget, max_budget)[:-1]
        self._losses: list[list[float]] = [[] for _ in self._levels]  # ascending
        self._reached: dict[int, int] = {}  # job number → how many levels it has passed

    def decide(
        self, job: Job, metrics: Mapping[str, Any], loss: float | None, step: int
    ) -> Decision:
        """Stop a job that comes to a rung and is not among the best there."""
        level = self._level(job, step)
        if level is None:
            return Decision.CONTINUE
        losses = self._losses[level]
        quota = max(1, (len(losses) + 1) * self._eta.denominator // self._eta.numerator)
        rank = bisect.bisect_left(losses, _finite(loss))
        return Decision.CONTINUE if rank < quota else Decision.STOP

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
        level = self._level(job, step)
        if level is not None:
            bisect.insort(self._losses[level], _finite(loss))
            self._reached[job.number] = level + 1

    def observe(self, job: Job, outcome: Outcome) -> None:
        """Learn how a job ended."""
        super().observe(job, outcome)
        self._reached.pop(job.number, None)

    def _level(self, job: Job, step: int) -> int | None:
        """Return the highest level that the job comes to with this report, if any."""
        level = bisect.bisect_right(self._levels, step) - 1
        # An attempt that was lost may have come there already.
        return level if level >= self._reached.get(job.number, 0) else None

    def _signature(self) -> str:
        return (
            f"{type(self).__name__}(min_budget={self.min_budget!r}, "
            f"max_budget={self.max_budget!r}, eta={self.eta!r})"
        )


def _finite(loss: float | None) -> float:
    return math.inf if loss is None else loss
