"""The plots of a result: methods that hand it to `bandmaster.plotting`."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["ResultPlots"]


class ResultPlots:
    """The `plot_*` methods of `Result`.

    Each draws on `ax` (matplotlib's current axes by default) and returns the Axes. The package
    `bandmaster.plotting` is above this layer, so it is looked up on first use.
    """

    def plot_convergence_over_time(self, *, ax: Any = None) -> Any:
        """Draw the best loss at each budget over time; one trace a budget."""
        return _plotting().plot_convergence_over_time(self, ax=ax)

    def plot_convergence_over_iter(
        self, budget: float | None = None, name: str | None = None, *, ax: Any = None
    ) -> Any:
        """Draw the best loss at a budget over its evaluations.

        Parameters
        ----------
        budget : float, optional
            Default: the largest with a success.
        name : str, optional
            The label of the curve.
        """
        return _plotting().plot_convergence_over_iter(self, budget, name, ax=ax)

    def plot_concurrent_over_time(self, num_points: int = 200, *, ax: Any = None) -> Any:
        """Draw how many evaluations ran at once, resolved to `num_points` moments."""
        return _plotting().plot_concurrent_over_time(self, num_points, ax=ax)

    def plot_finished_over_time(self, *, ax: Any = None) -> Any:
        """Draw how many evaluations had finished at each budget over time."""
        return _plotting().plot_finished_over_time(self, ax=ax)

    def plot_correlation_across_budgets(self, *, ax: Any = None) -> Any:
        """Draw the rank correlation of losses between each two budgets."""
        return _plotting().plot_correlation_across_budgets(self, ax=ax)


def _plotting() -> Any:
    return importlib.import_module("bandmaster.plotting")
