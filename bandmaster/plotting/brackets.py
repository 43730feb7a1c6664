"""Which trial reached which rung, bracket by bracket."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D

from bandmaster.core.formatting import format_budget
from bandmaster.core.outcome import Status
from bandmaster.errors import ConfigurationError
from bandmaster.plotting.canvas import COLOURS, add_legend_above, explain, get_axes, plural
from bandmaster.plotting.data import Columns

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bandmaster.study.result import Result

__all__ = ["Climb", "find_climbs", "plot_brackets"]

_SHOWN = 120  # trials in a picture, unless brackets are asked for
_LOOKS = {
    "promoted": ("^", COLOURS[2], "promoted"),
    "ended": ("o", COLOURS[4], "ended here"),
    "top": ("s", COLOURS[0], "at the largest budget"),
    "failed": ("X", COLOURS[1], "failed"),
}


@dataclass(frozen=True, slots=True)
class Climb:
    """How far a trial came in its bracket.

    `budgets` are those of its evaluations there, ascending; `failed` says whether all evaluations
    at the last of them failed.
    """

    bracket: int
    trial: int
    budgets: tuple[float, ...]
    failed: bool
    loss: float


def find_climbs(result: Result) -> list[Climb]:
    """Return how far each trial came: by bracket, the one that came furthest first.

    Equal ones are sorted by their last loss; failures come last.
    """
    columns = Columns.of(result)
    order = np.lexsort((columns.budget, columns.trial, columns.bracket))
    bracket, trial = columns.bracket[order], columns.trial[order]
    stopped = np.array([e.status is Status.STOPPED for e in columns.rows], dtype=bool)
    failures = ~columns.ok & ~stopped
    new = np.flatnonzero((np.diff(bracket) != 0) | (np.diff(trial) != 0)) + 1
    climbs = []
    for rows in np.split(order, new) if len(order) else ():
        last = rows[-1]
        budgets = tuple(dict.fromkeys(columns.budget[rows].tolist()))
        at_last = rows[columns.budget[rows] == columns.budget[last]]
        losses = columns.loss[at_last[columns.ok[at_last]]]
        failed = not losses.size and bool(failures[at_last].all())
        loss = float(losses[-1]) if losses.size else np.inf
        climbs.append(
            Climb(int(columns.bracket[last]), int(columns.trial[last]), budgets, failed, loss)
        )
    climbs.sort(key=lambda c: (c.bracket, -c.budgets[-1], c.loss, c.trial))
    return climbs


def plot_brackets(
    result: Result, brackets: Iterable[int] | None = None, *, ax: Axes | None = None
) -> Axes:
    """Draw a column a trial, which goes up to the largest budget that it reached.

    At each budget stands whether the trial was promoted, ended there, or failed. The trials of a
    bracket stand beside one another, from the one that came furthest. What still waits or runs
    looks as if it had ended.

    Parameters
    ----------
    result : Result
    brackets : iterable of int, optional
        Their numbers. Default: as many of the last ones as have 120 trials.
    ax : Axes, optional
        Default: the current axes.

    Raises
    ------
    ConfigurationError
        If a search has no such bracket.
    """
    climbs = find_climbs(result)
    every = sorted({climb.bracket for climb in climbs})
    wanted = _last(climbs) if brackets is None else sorted(set(brackets))
    if missing := [bracket for bracket in wanted if bracket not in every]:
        known = f"{every[0]} to {every[-1]}" if every else "none"
        raise ConfigurationError(f"no trial of bracket {missing[0]} has finished ({known} have)")
    ax = get_axes(ax, (9.0, 4.0))
    ax.set(title="Brackets and rungs", ylabel="Budget", xlabel="Bracket")
    if not climbs:
        return explain(ax, "No evaluation has finished yet")
    levels = sorted({b for climb in climbs for b in climb.budgets} | set(result.budgets))
    if len(levels) == 1:
        return explain(
            ax,
            f"There are no rungs: {plural(len(climbs), 'trial')} ran at budget "
            f"{format_budget(levels[0])} only",
        )
    shown = [climb for climb in climbs if climb.bracket in set(wanted)]
    _draw(ax, shown, levels)
    _label(ax, shown, levels)
    if len(wanted) < len(every):
        ax.set_title(f"Brackets and rungs ({len(wanted)} of {len(every):,} brackets)")
    return ax


def _last(climbs: list[Climb]) -> list[int]:
    """The last brackets that have room in a picture, at least one."""
    brackets, counts = np.unique([climb.bracket for climb in climbs], return_counts=True)
    fit = np.cumsum(counts[::-1]) <= _SHOWN
    return [int(b) for b in brackets[len(brackets) - max(int(fit.sum()), 1) :]]


def _draw(ax: Axes, shown: list[Climb], levels: list[float]) -> None:
    lines = []
    marks: dict[str, list[tuple[int, int]]] = {kind: [] for kind in _LOOKS}
    for x, climb in enumerate(shown):
        heights = [levels.index(budget) for budget in climb.budgets]
        lines.append([(x, heights[0]), (x, heights[-1])])
        marks["promoted"] += [(x, height) for height in heights[:-1]]
        last = "top" if climb.budgets[-1] == levels[-1] else "ended"
        marks["failed" if climb.failed else last].append((x, heights[-1]))
    ax.set_xscale("linear")
    ax.set_yscale("linear")
    ax.add_collection(LineCollection(lines, colors="0.6", linewidths=1.0, zorder=1))
    width = ax.get_window_extent().width * 72 / ax.figure.dpi
    size = float(np.clip(0.8 * width / len(shown), 2.0, 8.0))
    handles = []
    for kind, (marker, color, words) in _LOOKS.items():
        if not marks[kind]:
            continue
        x, y = np.array(marks[kind]).T
        ax.plot(x, y, marker, color=color, markersize=size, markeredgewidth=0, zorder=2)
        handles.append(
            Line2D(
                [], [], linestyle="", marker=marker, color=color, markersize=6,
                label=f"{words} ({len(x):,})",
            )
        )  # fmt: skip
    ax.set_xlim(-0.8, len(shown) - 0.2)
    ax.set_ylim(-0.5, len(levels) - 0.5)
    add_legend_above(ax, handles=handles)


def _label(ax: Axes, shown: list[Climb], levels: list[float]) -> None:
    """Number the brackets below bands of two shades, and say what each level is."""
    brackets = np.array([climb.bracket for climb in shown])
    starts = np.flatnonzero(np.diff(brackets, prepend=brackets[0] - 1))
    ends = np.append(starts[1:], len(brackets))
    for i, (start, end) in enumerate(zip(starts, ends, strict=True)):
        if i % 2:
            ax.axvspan(start - 0.5, end - 0.5, color="0.93", zorder=0, linewidth=0)
    middles = (starts + ends - 1) / 2
    names = [str(b) for b in brackets[starts]]
    points = ax.get_window_extent().width * 72 / ax.figure.dpi
    step = -(-int(len(names) * (6 * len(names[-1]) + 5)) // max(int(points), 1))
    ax.set_xticks(middles[::step], names[::step], fontsize="small")
    ax.tick_params(axis="x", length=0)
    ax.set_yticks(range(len(levels)), [format_budget(level) for level in levels])
    ax.grid(axis="y", alpha=0.3)
