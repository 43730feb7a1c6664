"""The loss along one parameter after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes

from bandmaster.errors import ConfigurationError
from bandmaster.plotting.canvas import COLOURS, add_legend, capitalised, explain, get_axes, plain
from bandmaster.plotting.parameter_axis import ParameterAxis, inches_of, short_names
from bandmaster.plotting.room import make_room
from bandmaster.plotting.scales import log_if_wide, span_for
from bandmaster.plotting.surrogate import Landscape, Surrogate

if TYPE_CHECKING:
    from bandmaster.study.result import Result

__all__ = ["plot_slices"]

_MOST: Final = 6  # parameters by default
_PER_ROW: Final = 3
_POINTS: Final = 60  # of a curve
_SHOWN: Final = 2000  # markers in one slice, evenly chosen
_JITTER: Final = 0.22  # of the distance of two choices
_BLUE, _RED, _ORANGE = COLOURS[0], COLOURS[1], COLOURS[4]


def plot_slices(
    result: Result,
    parameters: str | Sequence[str] | None = None,
    *,
    budget: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the loss (or the metric) of each evaluation over its value of a parameter.

    The line is the mean prediction of a forest over the other parameters, with a band of one
    standard deviation over its trees. Of more than 2,000 evaluations an even part is drawn; ticks
    at the upper edge are failed ones. Those where a parameter is inactive are left out of its
    slice.

    Parameters
    ----------
    result : Result
    parameters : str or sequence of str, optional
        Several are drawn side by side, in axes of their own within `ax` (its ``child_axes``).
        Default: the six that matter most.
    budget : float, optional
        Default: the largest with ten successes, else the one with the most.
    ax : Axes, optional
        Default: the current axes.

    Raises
    ------
    ConfigurationError
        If there is no such parameter.
    """
    if parameters is not None and not parameters:
        raise ConfigurationError("parameters is empty; name one or more, or leave it out")
    landscape = Landscape.of(result, budget)
    surrogate = Surrogate(landscape)
    if isinstance(parameters, str):
        names = [parameters]
    else:
        names = list(parameters or surrogate.ranked()[:_MOST])
    if result.history:
        for name in names:
            landscape.table[name]  # raises if there is none
    rows = -(-max(len(names), 1) // _PER_ROW)
    columns = -(-max(len(names), 1) // rows)
    size = (max(6.4, 3.1 * columns), 4.8 if rows == 1 else 2.7 * rows)
    ax = get_axes(ax, size)
    metric = plain(result.objectives.primary.name)
    ax.set_title(f"{capitalised(metric)} along the parameters{landscape.at}")
    if landscape.why_empty is not None:
        return explain(ax, landscape.why_empty)
    labels = short_names(landscape.table.names)
    axes = [ParameterAxis.of(landscape.table, name, labels[name]) for name in names]
    shown = landscape.value[landscape.ok]
    if len(names) == 1:
        ax.set_ylabel(metric)
        log_if_wide(ax, shown, span=span_for(result))
        _draw(ax, names[0], axes[0], surrogate, legend=True)
        return ax
    ax.set_axis_off()
    panels: list[Axes] = []
    for number, (name, axis) in enumerate(zip(names, axes, strict=True)):
        row, column = divmod(number, columns)
        panel = _panel(ax, row, column, rows, columns)
        log_if_wide(panel, shown, span=span_for(result))
        _draw(panel, name, axis, surrogate, legend=False)
        if column:
            panel.tick_params(which="both", labelleft=False)
        else:
            panel.set_ylabel(metric)
        panels.append(panel)
    drawn = [
        panel.get_ylim()
        for panel, axis in zip(panels, axes, strict=True)
        if (landscape.ok & axis.active).any()
    ]
    if drawn:
        low, high = zip(*drawn, strict=True)
        for panel in panels:
            panel.set_ylim(min(low), max(high))
    _legend_below(ax, panels)
    return make_room(ax)


def _panel(ax: Axes, row: int, column: int, rows: int, columns: int) -> Axes:
    gap_x, gap_y = 0.05, 0.34 / rows if rows > 1 else 0.0
    width = (1 - gap_x * (columns - 1)) / columns
    height = (1 - gap_y * (rows - 1)) / rows
    return ax.inset_axes(
        (column * (width + gap_x), 1 - (row + 1) * height - row * gap_y, width, height)
    )


def _legend_below(ax: Axes, panels: list[Axes]) -> None:
    """Add one legend for all panels, where it hides nothing."""
    entries: dict[str, Artist] = {}
    for panel in panels:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            entries.setdefault(str(label), handle)
    slanted = any(
        label.get_rotation() for panel in panels[-_PER_ROW:] for label in panel.get_xticklabels()
    )
    inches = 0.8 if slanted else 0.5
    ax.legend(
        list(entries.values()), list(entries), loc="upper center", ncols=len(entries),
        bbox_to_anchor=(0.5, -inches / inches_of(ax, is_x=False)), fontsize="small", frameon=False,
        borderaxespad=0,
    )  # fmt: skip


def _draw(ax: Axes, name: str, axis: ParameterAxis, surrogate: Surrogate, *, legend: bool) -> None:
    landscape = surrogate.landscape
    axis.apply(ax.xaxis)
    ok, value = landscape.ok & axis.active, landscape.value
    x = axis.values
    if axis.choices:  # spread out sideways, evenly and always in the same way
        x = x + _JITTER * (2 * (np.arange(len(x)) * 0.618_034 % 1) - 1)
    alpha = float(np.clip(40 / max(ok.sum(), 1), 0.12, 0.6))
    shown = np.flatnonzero(ok)
    if len(shown) > _SHOWN:  # they cover each other, and take seconds
        shown = shown[np.linspace(0, len(shown) - 1, _SHOWN).round().astype(int)]
    ax.plot(
        x[shown], value[shown], "o", color=_BLUE, markersize=4 if len(shown) < 1000 else 2.5,
        alpha=alpha,
        markeredgewidth=0, label="evaluation", rasterized=len(shown) > 1000,
    )  # fmt: skip
    if not ok.any():
        ax.text(0.5, 0.5, "never active", transform=ax.transAxes, ha="center", color="0.35")
    limits = ax.get_ylim()
    codes, points = axis.points(_POINTS)
    curve = surrogate.curve((name,), codes[:, None]) if ok.any() else None
    if curve is not None:
        _draw_curve(ax, axis, points, curve)
    failed = ~landscape.ok & axis.active
    if failed.any():
        ax.plot(
            x[failed], np.full(failed.sum(), 0.985), "|", color=_RED, markersize=7,
            transform=ax.get_xaxis_transform(), label="failed", alpha=max(alpha, 0.3),
            clip_on=False,
        )  # fmt: skip
    if landscape.best is not None and axis.active[landscape.best]:
        ax.plot(
            x[[landscape.best]], value[[landscape.best]], "*", color=_RED, markersize=13,
            markeredgecolor="white", label="best", zorder=4,
        )  # fmt: skip
    ax.set_ylim(limits)
    ax.grid(alpha=0.3)
    if legend:
        add_legend(ax, small=True)


def _draw_curve(
    ax: Axes,
    axis: ParameterAxis,
    points: np.ndarray,
    curve: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> None:
    middle, low, high = curve
    if axis.choices:
        ax.errorbar(
            points, middle, yerr=[middle - low, high - middle], fmt="D", color="black",
            markersize=5, markerfacecolor=_ORANGE, capsize=4, zorder=3, label="forest's mean",
        )  # fmt: skip
        return
    ax.fill_between(points, low, high, color=_ORANGE, alpha=0.3, linewidth=0, zorder=2.5)
    ax.plot(points, middle, color="black", linewidth=1.6, zorder=3, label="forest's mean")
