"""Two metrics against each other, and the evaluations that none beats in both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes

from bandmaster.core.evaluation import Evaluation
from bandmaster.core.formatting import format_budget
from bandmaster.core.objectives import Metric
from bandmaster.errors import ConfigurationError
from bandmaster.plotting.canvas import COLOURS, add_legend, explain, get_axes, plain, why_no_loss
from bandmaster.plotting.scales import log_if_wide
from bandmaster.study.pareto import choose_metrics, metric_value

if TYPE_CHECKING:
    from bandmaster.study.result import Result

__all__ = ["plot_pareto_front"]

_BLUE, _RED, _GREY = COLOURS[0], COLOURS[1], "0.55"


def plot_pareto_front(
    result: Result,
    metrics: Sequence[str] | None = None,
    *,
    budget: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the evaluations at a budget over two metrics, and their Pareto front.

    The line goes along what is reached by the front: what lies on its worse side is dominated.
    Evaluations that break a constraint are crosses.

    Parameters
    ----------
    result : Result
    metrics : sequence of two str, optional
        The metrics of the horizontal and of the vertical axis. Default: the two that are optimised.
    budget : float, optional
        Default: the largest where an evaluation has both.
    ax : Axes, optional
        Default: the current axes.

    Raises
    ------
    ConfigurationError
        If there are no such metrics, or not two.
    """
    optimised = [m.name for m in result.objectives.metrics if m.strategy == "optimize"]
    if metrics is not None and (isinstance(metrics, str) or len(set(metrics)) != 2):
        raise ConfigurationError(f"metrics must be two different names, got {metrics!r}")
    if metrics is None and len(optimised) > 2:
        raise ConfigurationError(
            f"the study optimises {len(optimised)} metrics, a plot has room for two: name two of "
            f"{', '.join(optimised)}"
        )
    ax = get_axes(ax)
    ax.set_title("Pareto front")
    if not any(e.ok for e in result.evaluations):
        return explain(ax, why_no_loss(len(result.history)))
    if metrics is None and len(optimised) < 2:
        return explain(
            ax, f"No front to show: it needs two metrics, this study optimises {optimised[0]} only"
        )
    first, second = choose_metrics(result.objectives, metrics)
    rows = [e for e in result.evaluations if e.ok]
    points = np.array(
        [[metric_value(e, m, result.objectives) for m in (first, second)] for e in rows]
    )
    known = np.isfinite(points).all(axis=1)
    front = result.pareto_front([first.name, second.name], budget=budget)
    if budget is None:
        budget = front[0].budget if front else _largest(rows, known)
    here = known & np.array([e.budget == budget for e in rows])
    if not here.any():
        return explain(ax, f"No evaluation has both {first.name} and {second.name}")
    ax.set_title(f"Pareto front at budget {format_budget(float(budget or 0))}")
    jobs = {(e.job, e.attempt) for e in front}
    on_front = np.array([(e.job, e.attempt) in jobs for e in rows]) & here
    feasible = np.array([result.objectives.counts(e) for e in rows]) & here
    _draw_points(ax, points, feasible & ~on_front, here & ~feasible)
    log_if_wide(ax, points[here, 0], which="x", span=10.0 if first.sign > 0 else 1e3)
    log_if_wide(ax, points[here, 1], span=10.0 if second.sign > 0 else 1e3)
    if on_front.any():
        _draw_front(ax, points[on_front], first, second)
    ax.set(xlabel=_label(first), ylabel=_label(second))
    ax.grid(alpha=0.3)
    add_legend(ax)
    return ax


def _largest(rows: Sequence[Evaluation], known: np.ndarray) -> float | None:
    budgets = [e.budget for e, k in zip(rows, known, strict=True) if k]
    return max(budgets, default=None)


def _draw_points(
    ax: Axes, points: np.ndarray, dominated: np.ndarray, infeasible: np.ndarray
) -> None:
    for rows, marker, color, label in (
        (dominated, "o", _GREY, "dominated"),
        (infeasible, "x", _RED, "breaks a constraint"),
    ):
        count = int(rows.sum())
        if count:
            ax.plot(
                *points[rows].T, marker, color=color, markersize=4.5 if count < 1000 else 2.5,
                alpha=float(np.clip(200 / count, 0.25, 0.8)), label=label,
                rasterized=count > 2000, markeredgewidth=1.0 if marker == "x" else 0.0,
            )  # fmt: skip


def _draw_front(ax: Axes, front: np.ndarray, first: Metric, second: Metric) -> None:
    """Draw the front, and the boundary of what it dominates, out to the limits of the axes."""
    front = front[np.argsort(first.sign * front[:, 0], kind="stable")]
    ax.plot(
        *front.T, "o", color=_BLUE, markersize=7, markeredgecolor="white", zorder=3,
        label=f"front ({len(front)})",
    )  # fmt: skip
    low_x, high_x = ax.get_xlim()
    low_y, high_y = ax.get_ylim()
    worst_x = high_x if first.sign > 0 else low_x
    worst_y = high_y if second.sign > 0 else low_y
    x = np.concatenate([front[:1, 0], front[:, 0], [worst_x]])
    y = np.concatenate([[worst_y], front[:, 1], front[-1:, 1]])
    ax.plot(x, y, drawstyle="steps-post", color=_BLUE, linewidth=1.5, zorder=2)
    ax.fill_between(x, y, worst_y, step="post", color=_BLUE, alpha=0.08, linewidth=0, zorder=0)
    ax.set(xlim=(low_x, high_x), ylim=(low_y, high_y))


def _label(metric: Metric) -> str:
    return plain(metric.name) + f" ({'lower' if metric.sign > 0 else 'higher'} is better)"
