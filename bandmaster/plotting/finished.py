"""How many evaluations had finished, over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator

from bandmaster.core.formatting import format_budget
from bandmaster.plotting.canvas import add_legend, color_of, explain, get_axes, style_of
from bandmaster.plotting.data import Columns

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bandmaster.study.result import Result

__all__ = ["plot_finished_over_time"]


def plot_finished_over_time(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw how many evaluations had finished at each budget over time, failed ones included.

    One step line a budget; a cross marks each evaluation without a loss that counts.

    Parameters
    ----------
    result : Result
    ax : Axes, optional
        Default: the current axes.
    """
    ax = get_axes(ax)
    columns = Columns.of(result)
    time = columns.time
    ax.set(title="Finished evaluations over time", xlabel=time.label, ylabel="Finished evaluations")
    if not len(columns):
        return explain(ax, "No evaluation has finished yet")
    lost_x: list[float] = []
    lost_y: list[float] = []
    for number, budget in enumerate(result.budgets):
        rows = np.flatnonzero(columns.budget == budget)
        if not rows.size:
            continue
        count = np.arange(1, len(rows) + 1)
        moments = time(columns.known[rows])
        x = np.concatenate([[0.0], moments, time(columns.known[-1:])])
        y = np.concatenate([[0], count, count[-1:]])
        ax.plot(
            x, y, drawstyle="steps-post", color=color_of(number), linestyle=style_of(number),
            label=format_budget(budget),
        )  # fmt: skip
        lost = ~columns.ok[rows]
        lost_x += moments[lost].tolist()
        lost_y += count[lost].tolist()
    if lost_x:
        ax.plot(lost_x, lost_y, "x", color="black", markersize=5, label="not ok")
    ax.set_xlim(left=0)
    ax.set_yscale("linear")  # axes that held another plot may be logarithmic
    ax.set_ylim(bottom=0)
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    ax.grid(alpha=0.3)
    add_legend(ax, "Budget")
    return ax
