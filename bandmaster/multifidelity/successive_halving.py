"""Successive halving: one kind of bracket, again and again."""

from __future__ import annotations

from typing import ClassVar

from bandmaster.multifidelity.budgets import (
    as_budgets,
    as_count,
    exact_eta,
    exact_range,
    rung_budgets,
)
from bandmaster.multifidelity.shapes import halving, hyperband_start
from bandmaster.multifidelity.synchronous import SynchronousIterGenerator

__all__ = ["SuccessiveHalvingIterGenerator"]


class SuccessiveHalvingIterGenerator(SynchronousIterGenerator):
    """Successive halving (Jamieson and Talwalkar, AISTATS 2016).

    All trials of a bracket start at the smallest budget; after each rung one in `eta` goes on with
    `eta` times the budget. Without `num_configs` it is Hyperband's most aggressive bracket.

    Parameters
    ----------
    min_budget, max_budget : int, float or Fraction
        Greater than 0; the budgets are ``max_budget · eta^-k`` down to `min_budget`.
    eta : int, float or Fraction, default 3
        Greater than 1.
    num_configs : int, optional
        How many trials start in a bracket. Default: ``eta`` to the number of promotions, so that
        one trial reaches `max_budget`.

    Raises
    ------
    ConfigurationError
        When the arguments give no bracket.
    """

    extensible: ClassVar[bool] = True

    def __init__(
        self,
        min_budget: float,
        max_budget: float,
        eta: float = 3,
        *,
        num_configs: int | None = None,
    ) -> None:
        factor = exact_eta(eta)
        rungs = rung_budgets(*exact_range(min_budget, max_budget), factor)
        s_max = len(rungs) - 1
        n = hyperband_start(s_max, s_max, factor, "default") if num_configs is None else num_configs
        n = as_count(n, "num_configs", least=1)
        budgets = as_budgets(rungs, min_budget, max_budget)
        super().__init__([list(zip(halving(n, len(rungs), factor), budgets, strict=True))])
        self.min_budget = min_budget
        self.max_budget = max_budget
        self.eta = eta
        self.num_configs = n
        self._given = num_configs

    def _with_max_budget(self, max_budget: float) -> SuccessiveHalvingIterGenerator:
        return type(self)(self.min_budget, max_budget, self.eta, num_configs=self._given)

    def _signature(self) -> str:
        return (
            f"{type(self).__name__}(min_budget={self.min_budget!r}, "
            f"max_budget={self.max_budget!r}, eta={self.eta!r}, num_configs={self.num_configs})"
        )
