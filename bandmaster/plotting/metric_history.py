"""What trials reported, by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from bandmaster.plotting.canvas import (
    add_legend,
    capitalised,
    explain,
    get_axes,
    log_if_wide,
    plural,
    wrap_words,
)
from bandmaster.plotting.data import HUGE
from bandmaster.plotting.members import FEW, Member, choose_metric, members_of, why_no_steps
from bandmaster.plotting.scales import span_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bandmaster.study.result import Result

__all__ = ["plot_Q_history"]


def plot_Q_history(
    result: Result,
    colors: Sequence[Any] | None = None,
    labels: Sequence[str] | None = None,
    ax: Axes | None = None,
    *,
    metric: str | None = None,
) -> Axes:
    """Draw a metric that trials reported over their steps, one line a trial, exploits marked.

    Parameters
    ----------
    result : Result
    colors, labels : sequence, optional
        One for each trial that reported, by their numbers.
    ax : Axes, optional
        Default: the current axes.
    metric : str, optional
        Default: the one that is optimised.

    Raises
    ------
    ConfigurationError
        When there are too few colours or labels, or no such metric.
    """
    ax = get_axes(ax)
    ax.set(title="Reported metric by step", xlabel="Step")
    why = why_no_steps(result)
    if why is not None:
        return explain(ax, why)
    members = members_of(result, colors, labels)
    metric = choose_metric(result, members, metric)
    name = wrap_words(capitalised(metric))
    ax.set(title=f"{name} by step", ylabel=name)
    few = len(members) <= FEW
    values = [np.clip(member.metric(metric), -HUGE, HUGE) for member in members]
    for member, series in zip(members, values, strict=True):
        _draw(ax, member, series, few=few)
    primary = metric == result.objectives.primary.name
    log_if_wide(ax, np.concatenate(values), span=span_for(result) if primary else 1e3)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.autoscale_view()
    ax.grid(alpha=0.3)
    if not few:
        ax.set_title(f"{name} of {plural(len(members), 'trial')} by step")
        return ax
    handles = [Line2D([], [], color=m.color, linestyle=m.style, label=m.label) for m in members]
    if any(len(m.exploits) for m in members):
        handles.append(
            Line2D(
                [], [], color="0.3", linestyle=":", marker="D", markersize=4.5,
                markerfacecolor="white", label="exploit",
            )
        )  # fmt: skip
    add_legend(ax, handles=handles, small=True)
    return ax


def _draw(ax: Axes, member: Member, series: np.ndarray, *, few: bool) -> None:
    steps, jumps = member.steps, member.exploits
    points = np.column_stack([steps, series])
    alpha = 0.9 if few else 0.4
    ax.plot(
        *member.pieces(points).T, color=member.color, linestyle=member.style,
        linewidth=1.6 if few else 0.8, alpha=alpha, zorder=2,
    )  # fmt: skip
    alone = points[member.alone]  # no line shows them
    if len(alone):
        ax.plot(*alone.T, "o", color=member.color, markersize=3, alpha=alpha, zorder=2)
    ax.plot(  # from where it was to where it went on
        *member.leaps(points).T, ":", color=member.color, linewidth=1.2 if few else 0.6,
        alpha=alpha, zorder=1.5,
    )  # fmt: skip
    if few and len(jumps):
        ax.plot(
            steps[jumps], series[jumps], "D", color=member.color, markersize=4.5,
            markerfacecolor="white", markeredgewidth=1.1, zorder=3,
        )  # fmt: skip
