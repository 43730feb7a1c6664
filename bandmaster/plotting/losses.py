"""The loss of every evaluation over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from matplotlib.lines import Line2D

from bandmaster.core.formatting import format_budget
from bandmaster.plotting.canvas import (
    add_legend_above,
    capitalised,
    color_of,
    explain,
    get_axes,
    log_if_wide,
    marker_of,
    why_no_loss,
    wrap_words,
)
from bandmaster.plotting.data import Columns
from bandmaster.plotting.scales import span_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bandmaster.study.result import Result

__all__ = ["plot_losses_over_time"]

_RING: Final[dict[str, Any]] = {
    "linestyle": "", "marker": "o", "fillstyle": "none", "markersize": 8.5, "markeredgewidth": 1.3,
    "zorder": 3,
}  # fmt: skip
_FEW = 300  # evaluations; the markers of many are smaller and more transparent


def plot_losses_over_time(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw the loss (or the metric) of each evaluation when it finished.

    Each budget has its colour and marker; a ring is around those that were its best so far. Crosses
    along the lower edge are evaluations without a loss; hollow markers break a constraint.

    Parameters
    ----------
    result : Result
    ax : Axes, optional
        Default: the current axes.
    """
    ax = get_axes(ax)
    columns = Columns.of(result)
    time = columns.time
    name = capitalised(result.objectives.primary.name)
    ax.set(title=f"{wrap_words(name, 60)} over time", xlabel=time.label)
    ax.set_ylabel(wrap_words(name))
    if not columns.ok.any():
        return explain(ax, why_no_loss(len(columns)))
    moments = time(columns.finished)
    few = len(columns) <= _FEW
    handles = []
    for number, budget in enumerate(result.budgets):
        here = columns.budget == budget
        if not here.any():
            continue
        good, broken = here & columns.counts, here & columns.ok & ~columns.counts
        color, marker = color_of(number), marker_of(number)
        for rows, filled in ((good, "full"), (broken, "none")):
            ax.plot(
                moments[rows], columns.value[rows], linestyle="", marker=marker, color=color,
                markersize=4.5 if few else 3, alpha=0.8 if few else 0.5, fillstyle=filled,
                markeredgewidth=float(filled == "none"),
            )  # fmt: skip
        best = columns.improvements(here)
        ax.plot(moments[best], columns.value[best], color=color, **_RING)
        handles.append(_entry(marker, color, format_budget(budget)))
    handles.append(Line2D([], [], color="0.3", label="best so far", **_RING))
    if np.any(columns.ok & ~columns.counts):
        handles.append(_entry("o", "0.3", "infeasible", fillstyle="none"))
    log_if_wide(ax, columns.value[columns.ok], span=span_for(result))
    end = float(moments.max()) or 1.0
    ax.set_xlim(-0.02 * end, 1.02 * end)
    ax.grid(alpha=0.3)
    lost = moments[~columns.ok]
    if lost.size:
        edge = ax.get_xaxis_transform()  # y from 0 to 1 over the axes
        ax.plot(
            lost, np.full(lost.size, 0.02), "x", color="black", transform=edge, zorder=3,
            markersize=5 if few else 3,
        )  # fmt: skip
        handles.append(_entry("x", "black", "no loss"))
    add_legend_above(ax, "Budget:", handles=handles)
    return ax


def _entry(marker: str, color: str, label: str, fillstyle: Any = "full") -> Line2D:
    return Line2D(
        [], [], linestyle="", marker=marker, color=color, markersize=5, label=label,
        fillstyle=fillstyle,
    )  # fmt: skip
