"""The plots of a result: methods that hand it to `bandmaster.plotting`."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

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

    def plot_convergence(
        self,
        *,
        x: str = "evaluations",
        budget: float | None = None,
        ax: Any = None,
    ) -> Any:
        """Draw the best loss over what was spent; `plotting.plot_convergence` compares searches.

        Parameters
        ----------
        x : {"evaluations", "budget", "time"}
            Evaluations at the budget, the sum of all budgets, or time.
        budget : float, optional
            Where the loss is measured. Default: the largest with a success.
        """
        return _plotting().plot_convergence(self, x=x, budget=budget, ax=ax)

    def plot_losses_over_time(self, *, ax: Any = None) -> Any:
        """Draw the loss of each evaluation over time, with rings around the best so far."""
        return _plotting().plot_losses_over_time(self, ax=ax)

    def plot_gantt(self, *, ax: Any = None) -> Any:
        """Draw which worker ran which evaluation when, and how it ended."""
        return _plotting().plot_gantt(self, ax=ax)

    def plot_learning_curves(
        self, lc_extractor: Callable[[list[Any]], list[Any]] | None = None, *, ax: Any = None
    ) -> Any:
        """Draw the loss of each trial over its budgets, the best one highlighted.

        Parameters
        ----------
        lc_extractor : callable, optional
            As for `get_learning_curves`.
        """
        return _plotting().plot_learning_curves(self, lc_extractor, ax=ax)

    def plot_brackets(self, brackets: Iterable[int] | None = None, *, ax: Any = None) -> Any:
        """Draw which trial reached which rung of its bracket.

        Parameters
        ----------
        brackets : iterable of int, optional
            Their numbers. Default: as many of the last ones as have 120 trials.
        """
        return _plotting().plot_brackets(self, brackets, ax=ax)

    def plot_model_vs_random(self, *, ax: Any = None) -> Any:
        """Draw the losses of what the model picked beside those of what was drawn at random."""
        return _plotting().plot_model_vs_random(self, ax=ax)

    # ---- parameters

    def plot_parameter_importance(
        self,
        budget: float | None = None,
        *,
        scale: str = "auto",
        n_bars: int = 12,
        n_trees: int = 16,
        seed: int = 0,
        ax: Any = None,
    ) -> Any:
        """Draw which share of the loss's variance each parameter explains, and each two together.

        Parameters
        ----------
        budget, scale, n_trees, seed
            As for `parameter_importance`.
        n_bars : int, default 12
            The most bars.
        """
        return _plotting().plot_parameter_importance(
            self, budget, scale=scale, n_bars=n_bars, n_trees=n_trees, seed=seed, ax=ax
        )

    def plot_parallel_coordinates(
        self,
        parameters: Sequence[str] | None = None,
        *,
        budget: float | None = None,
        ax: Any = None,
    ) -> Any:
        """Draw configurations as lines across one axis a parameter, coloured by the loss.

        Parameters
        ----------
        parameters : sequence of str, optional
            Default: all that occur with more than one value.
        budget : float, optional
            Default: the largest with ten successes, else the one with the most.
        """
        return _plotting().plot_parallel_coordinates(self, parameters, budget=budget, ax=ax)

    def plot_slices(
        self,
        parameters: str | Sequence[str] | None = None,
        *,
        budget: float | None = None,
        ax: Any = None,
    ) -> Any:
        """Draw the loss over one parameter or several, with a forest's mean.

        Parameters
        ----------
        parameters : str or sequence of str, optional
            Default: the six that matter most.
        budget : float, optional
            Default: the largest with ten successes, else the one with the most.
        """
        return _plotting().plot_slices(self, parameters, budget=budget, ax=ax)

    def plot_contour(
        self,
        x: str | None = None,
        y: str | None = None,
        *,
        budget: float | None = None,
        ax: Any = None,
    ) -> Any:
        """Draw a map of the loss over two parameters, by a forest's mean.

        Parameters
        ----------
        x, y : str, optional
            Default: those that matter most.
        budget : float, optional
            Default: the largest with ten successes, else the one with the most.
        """
        return _plotting().plot_contour(self, x, y, budget=budget, ax=ax)

    def plot_pareto_front(
        self,
        metrics: Sequence[str] | None = None,
        *,
        budget: float | None = None,
        ax: Any = None,
    ) -> Any:
        """Draw two metrics against each other, and the evaluations that none beats in both.

        Parameters
        ----------
        metrics : sequence of two str, optional
            Default: the two that are optimised.
        budget : float, optional
            Default: the largest where an evaluation has both.
        """
        return _plotting().plot_pareto_front(self, metrics, budget=budget, ax=ax)

    # ---- trainings

    def plot_parameter_history(
        self,
        colors: Sequence[Any] | None = None,
        labels: Sequence[str] | None = None,
        perturbation_interval: int | None = None,
        fig: Any = None,
        ax: Any = None,
        *,
        function: Callable[[np.ndarray], Any] | None = None,
        x: str | None = None,
        y: str | None = None,
    ) -> Any:
        """Draw the path of two trained parameters of each trial, the points shrinking by step.

        Parameters
        ----------
        colors, labels : sequence, optional
            One for each trial that reported.
        perturbation_interval : int, optional
            Steps after which something may have been changed.
        fig : Figure, optional
            Gets a bar that says what the contours' colours mean.
        function : callable, optional
            The true function, for contours; see `plotting.plot_parameter_history`.
        x, y : str, optional
            The metrics along the axes.
        """
        return _plotting().plot_parameter_history(
            self, colors, labels, perturbation_interval, fig, ax, function=function, x=x, y=y
        )

    def plot_Q_history(
        self,
        colors: Sequence[Any] | None = None,
        labels: Sequence[str] | None = None,
        ax: Any = None,
        *,
        metric: str | None = None,
    ) -> Any:
        """Draw a metric that trials reported over their steps, exploits marked.

        Parameters
        ----------
        colors, labels : sequence, optional
            One for each trial that reported.
        metric : str, optional
            Default: the one that is optimised.
        """
        return _plotting().plot_Q_history(self, colors, labels, ax, metric=metric)

    def plot_schedules(
        self,
        parameters: str | Sequence[str] | None = None,
        colors: Sequence[Any] | None = None,
        labels: Sequence[str] | None = None,
        *,
        ax: Any = None,
    ) -> Any:
        """Draw the values of hyper-parameters over the steps that were trained with them.

        Parameters
        ----------
        parameters : str or sequence of str, optional
            Default: the first six that were changed in training.
        colors, labels : sequence, optional
            One for each trial that reported.
        """
        return _plotting().plot_schedules(self, parameters, colors, labels, ax=ax)

    def plot_exploits(
        self,
        colors: Sequence[Any] | None = None,
        labels: Sequence[str] | None = None,
        *,
        ax: Any = None,
    ) -> Any:
        """Draw the family tree of the exploits: who went on from whose checkpoint.

        Parameters
        ----------
        colors, labels : sequence, optional
            One for each trial that reported.
        """
        return _plotting().plot_exploits(self, colors, labels, ax=ax)

    def make_animation(
        self,
        colors: Sequence[Any] | None = None,
        labels: Sequence[str] | None = None,
        perturbation_interval: int | None = None,
        filename: str | os.PathLike[str] = "pbt.gif",
        *,
        function: Callable[[np.ndarray], Any] | None = None,
        x: str | None = None,
        y: str | None = None,
        metric: str | None = None,
        frames_per_second: float = 10.0,
        dpi: int = 80,
    ) -> Path:
        """Draw the training step by step into a GIF; see `plotting.make_animation`."""
        path: Path = _plotting().make_animation(
            self, colors, labels, perturbation_interval, filename, function=function, x=x, y=y,
            metric=metric, frames_per_second=frames_per_second, dpi=dpi,
        )  # fmt: skip
        return path


def _plotting() -> Any:
    return importlib.import_module("bandmaster.plotting")
