"""The best loss so far, over time and over evaluations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator

from bandmaster.core.formatting import format_budget
from bandmaster.plotting.canvas import (
    add_legend,
    color_of,
    explain,
    get_axes,
    style_of,
    why_no_loss,
    wrap_words,
)
from bandmaster.plotting.data import Columns
from bandmaster.plotting.scales import log_if_wide, span_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bandmaster.study.result import Result

__all__ = ["plot_convergence_over_iter", "plot_convergence_over_time"]


def plot_convergence_over_time(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw the loss (or the metric) of the incumbent of each budget over time.

    One step line a budget, from its first success to the end of the search; a dot at each change.

    Parameters
    ----------
    result : Result
    ax : Axes, optional
        Default: the current axes.
    """
    ax = get_axes(ax)
    columns = Columns.of(result)
    time = columns.time
    ax.set(title="Convergence over time", xlabel=time.label, ylabel=_label(result))
    drawn = []
    for number, budget in enumerate(result.budgets):
        rows = np.flatnonzero(columns.counts & (columns.budget == budget))
        if not rows.size:
            continue
        changes = rows[_improvements(columns.loss[rows])]
        x = time(np.append(columns.known[changes], columns.known[-1]))
        y = columns.value[np.append(changes, changes[-1])]
        ax.plot(
            x, y, drawstyle="steps-post", color=color_of(number), linestyle=style_of(number),
            marker="o", markersize=3.5, markevery=list(range(len(changes))),
            label=format_budget(budget),
        )  # fmt: skip
        drawn.append(y)
    if not drawn:
        return explain(ax, why_no_loss(len(columns)))
    log_if_wide(ax, np.concatenate(drawn), span=span_for(result))
    ax.set_xlim(left=0)
    ax.grid(alpha=0.3)
    add_legend(ax, "Budget")
    return ax


def plot_convergence_over_iter(
    result: Result,
    budget: float | None = None,
    name: str | None = None,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw the loss (or the metric) of the incumbent of a budget over the evaluations there.

    Failed evaluations count as evaluations, and leave the incumbent as it is. More calls on the
    same axes add curves.

    Parameters
    ----------
    result : Result
    budget : float, optional
        Default: the largest with a success of this search.
    name : str, optional
        The curve's label; the budget by default.
    ax : Axes, optional
        Default: the current axes.
    """
    ax = get_axes(ax)
    columns = Columns.of(result)
    ax.set(title="Convergence over evaluations", xlabel="Evaluation", ylabel=_label(result))
    if budget is None:
        if not columns.counts.any():
            return explain(ax, why_no_loss(len(columns)))
        budget = float(columns.budget[columns.counts].max())
    here = columns.budget == budget
    counts, loss = columns.counts[here], columns.loss[here]
    if not counts.any():
        shown = ", ".join(map(format_budget, result.budgets)) or "none"
        what = f"all {len(loss)} failed" if len(loss) else "there are no evaluations"
        if ax.has_data():  # of earlier calls: say it where it hides none of that
            ax.plot([], [], " ", label=f"budget {format_budget(budget)}: {what}")
            add_legend(ax)
            return ax
        return explain(ax, f"At budget {format_budget(budget)} {what}\n(budgets: {shown})")
    best = np.minimum.accumulate(np.where(counts, loss, np.inf))
    iteration = np.arange(1, len(best) + 1)
    seen = np.isfinite(best)
    y = result.objectives.primary.sign * best[seen]
    number = len(ax.get_lines())
    ax.plot(
        iteration[seen], y, drawstyle="steps-post", color=color_of(number),
        linestyle=style_of(number), marker="o", markersize=3.5,
        markevery=_improvements(best[seen]).tolist(),
        label=f"budget {format_budget(budget)}" if name is None else name,
    )  # fmt: skip
    lines = [line for line in ax.get_lines() if np.size(line.get_xdata())]
    drawn = np.concatenate([np.asarray(line.get_ydata()) for line in lines])
    log_if_wide(ax, drawn, span=span_for(result))
    ax.set_xlim(0, max(float(np.max(line.get_xdata())) for line in lines) + 1)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.grid(alpha=0.3)
    add_legend(ax)
    return ax


def _label(result: Result) -> str:
    return wrap_words(f"Best {result.objectives.primary.name} so far")


def _improvements(losses: np.ndarray) -> np.ndarray:
    """Where a loss is lower than all before, shape (k,)."""
    before = np.append(np.inf, np.minimum.accumulate(losses)[:-1])
    return np.flatnonzero(losses < before)
