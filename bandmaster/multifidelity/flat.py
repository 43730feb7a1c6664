"""Flat search: every trial runs once, at one budget."""

from __future__ import annotations

from bandmaster.core.decisions import Action, Done, New, Wait
from bandmaster.core.job import Job
from bandmaster.core.objectives import Rank
from bandmaster.multifidelity.budgets import as_budgets, exact
from bandmaster.multifidelity.tabled import TabledIterGenerator

__all__ = ["FlatIterGenerator"]


_WAIT, _DONE = Wait(), Done()


class FlatIterGenerator(TabledIterGenerator):
    """No multi-fidelity: every bracket is one trial with one job.

    So ``n_iterations`` counts trials and evaluations alike.

    Parameters
    ----------
    budget : int, float or Fraction, default 1
        What each job gets; greater than 0.

    Raises
    ------
    ConfigurationError
        When the budget is not a positive number.
    """

    def __init__(self, budget: float = 1) -> None:
        self._full = as_budgets([exact(budget, "budget")], budget)[0]
        super().__init__([[(1, self._full)]])
        self.budget = budget

    def needs_checkpoint(self, trial: int) -> bool:
        """Return False: a trial that has ended does not go on."""
        return False

    def _decide_next(self) -> Action:
        if self._may_begin:
            return New(self._full, "model", self._begun)
        return _WAIT if self._out else _DONE

    def _started(self, job: Job, *, new: bool) -> int:
        self._begun += 1
        return job.bracket

    def _ended(self, bracket: int, job: Job, rank: Rank | None, checkpoint: str | None) -> None:
        """Nothing follows."""

    def _signature(self) -> str:
        return f"{type(self).__name__}(budget={self.budget!r})"
