"""Flat search: every trial runs once, at one budget."""

from __future__ import annotations

from bandmaster.multifidelity.budgets import as_budgets, exact
from bandmaster.multifidelity.synchronous import SynchronousIterGenerator

__all__ = ["FlatIterGenerator"]


class FlatIterGenerator(SynchronousIterGenerator):
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
        super().__init__([[(1, as_budgets([exact(budget, "budget")], budget)[0])]])
        self.budget = budget

    def _signature(self) -> str:
        return f"{type(self).__name__}(budget={self.budget!r})"
