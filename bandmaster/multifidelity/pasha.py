"""ASHA that spends more on trials only as long as their ranking is unsettled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bandmaster.core.decisions import Decision
from bandmaster.core.job import Job
from bandmaster.core.outcome import Outcome
from bandmaster.multifidelity.asha import ASHAIterGenerator
from bandmaster.multifidelity.ranking import agree, noise

__all__ = ["PASHAIterGenerator"]


class PASHAIterGenerator(ASHAIterGenerator):
    """PASHA of Bohdal, Balles, Wistuba, Ermis, Archambeau and Zappella (ICLR 2023).

    It begins with the two lowest rungs. Each time a trial ends in the highest rung in use, the
    trials there are ranked by what they came to in it and in the one below; if the rankings
    disagree by more than noise, the next rung is opened. So `max_budget` is a bound that need not
    be reached, when cheaper looks tell the trials apart already.

    Parameters
    ----------
    min_budget, max_budget, eta
        As for `ASHAIterGenerator`.

    Notes
    -----
    The noise is read off learning curves that cross to and fro: of the losses in the rungs, and of
    all that evaluations report (``context.report(loss, step=...)``), which makes it better. The
    best result stands at the highest rung in use, and `get_budgets` has all that might be.
    """

    def __init__(self, min_budget: float, max_budget: float, eta: float = 3) -> None:
        super().__init__(min_budget, max_budget, eta)
        self._curves: dict[int, dict[float, float]] = {}
        self._losses: list[dict[int, float]] = []  # by rung
        self._laid_out(self.get_budgets())

    def _laid_out(self, budgets: tuple[float, ...]) -> None:
        super()._laid_out(budgets)
        self._top = min(1, len(budgets) - 1)
        self._losses = [{} for _ in budgets]

    def _extended(self, budgets: list[float]) -> None:
        super()._extended(budgets)
        self._losses += [{} for _ in budgets]

    def _with_max_budget(self, max_budget: float) -> PASHAIterGenerator:
        return type(self)(self.min_budget, max_budget, self.eta)

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
        if loss is not None:
            self._curves.setdefault(job.trial, {})[step] = loss

    def observe(self, job: Job, outcome: Outcome) -> None:
        """Learn how a job ended."""
        super().observe(job, outcome)
        if not outcome.ok or outcome.loss is None:
            return
        self._curves.setdefault(job.trial, {})[job.budget] = outcome.loss
        self._losses[job.rung][job.trial] = outcome.loss
        top = self._top
        if job.rung == top and 0 < top < len(self._losses) - 1 and not self._settled(top):
            self._top = top + 1

    def _settled(self, top: int) -> bool:
        lower, upper = self._losses[top - 1], self._losses[top]
        if agree(lower, upper, 0.0):
            return True
        return agree(lower, upper, noise([self._curves[trial] for trial in upper]))
