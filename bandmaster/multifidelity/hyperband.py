"""Hyperband: brackets from many cheap trials to few expensive ones."""

from __future__ import annotations

from typing import ClassVar

from bandmaster.multifidelity.budgets import as_budgets, exact_eta, exact_range, rung_budgets
from bandmaster.multifidelity.options import as_flag
from bandmaster.multifidelity.shapes import Mode, check_mode, hyperband_brackets
from bandmaster.multifidelity.synchronous import SynchronousIterGenerator

__all__ = ["HyperBandIterGenerator"]


class HyperBandIterGenerator(SynchronousIterGenerator):
    """Hyperband of Li, Jamieson, DeSalvo, Rostamizadeh and Talwalkar (JMLR 18, 2018).

    The budgets are ``max_budget · eta^-k`` down to `min_budget` (which itself occurs only if it is
    one of these). With m of them a cycle has m brackets: the first starts many trials at the
    smallest budget, the last few at `max_budget`, at once. Rungs are synchronous, brackets overlap.

    Parameters
    ----------
    min_budget, max_budget : int, float or Fraction
        Greater than 0. Jobs get plain ints if both are ints and all budgets are integral.
    eta : int, float or Fraction, default 3
        Greater than 1. One trial in `eta` goes on, with `eta` times the budget.
    SH_only : bool, default False
        Run the first bracket only, again and again (successive halving).
    mode : {"default", "paper"}
        How many trials a bracket starts: ``default`` as HpBandSter and its descendants,
        ``paper`` as Algorithm 1 of the paper, which rounds up.

    Raises
    ------
    ConfigurationError
        When the arguments give no brackets.

    Examples
    --------
    >>> HyperBandIterGenerator(1 / 4, 1, 2).configs_per_budget(30)
    {0.25: 40, 0.5: 40, 1.0: 50}
    """

    extensible: ClassVar[bool] = True

    def __init__(
        self,
        min_budget: float,
        max_budget: float,
        eta: float = 3,
        *,
        SH_only: bool = False,
        mode: Mode = "default",
    ) -> None:
        check_mode(mode)
        SH_only = as_flag(SH_only, "SH_only")
        factor = exact_eta(eta)
        rungs = rung_budgets(*exact_range(min_budget, max_budget), factor)
        budgets = as_budgets(rungs, min_budget, max_budget)
        brackets = hyperband_brackets(len(rungs), factor, mode)
        super().__init__([
            list(zip(trials, budgets[-len(trials) :], strict=True))
            for trials in (brackets[:1] if SH_only else brackets)
        ])  # fmt: skip
        self.min_budget = min_budget
        self.max_budget = max_budget
        self.eta = eta
        self.SH_only = SH_only
        self.mode = mode

    def _with_max_budget(self, max_budget: float) -> HyperBandIterGenerator:
        return type(self)(
            self.min_budget, max_budget, self.eta, SH_only=self.SH_only, mode=self.mode
        )

    def _signature(self) -> str:
        options = (", SH_only=True" * self.SH_only) + (f", mode={self.mode!r}" * self._is_paper)
        return (
            f"{type(self).__name__}(min_budget={self.min_budget!r}, "
            f"max_budget={self.max_budget!r}, eta={self.eta!r}{options})"
        )

    @property
    def _is_paper(self) -> bool:
        return self.mode == "paper"
