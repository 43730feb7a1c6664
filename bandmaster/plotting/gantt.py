"""Who ran what when: a row a worker, a bar an evaluation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from bandmaster.core.formatting import format_budget
from bandmaster.core.outcome import Status
from bandmaster.plotting.canvas import (
    COLOURS,
    add_legend_above,
    colors_of_levels,
    explain,
    get_axes,
    plural,
)
from bandmaster.plotting.data import Columns
from bandmaster.plotting.room import make_room
from bandmaster.study.rows import timed
from bandmaster.study.utilization import measure_utilization

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

    from bandmaster.study.result import Result

__all__ = ["plot_gantt", "short_names"]

_MARKS = {
    Status.FAILED: ("X", "failed"),
    Status.TIMEOUT: ("D", "timed out"),
    Status.CRASHED: ("v", "crashed"),
    Status.STOPPED: ("s", "stopped early"),
}
_ORDER = list(Status)
_NAMED = 25  # workers; rows of more are too thin for names
_LONGEST = 22  # letters of a name
_ENTRIES = 4  # of budgets in the legend, if they are a scale of colours


def plot_gantt(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw which worker ran which evaluation from when to when.

    The colour of a bar is its budget. What did not end well is hatched, with a marker of its own
    shape at its end for each kind. Evaluations that nobody timed, since their worker died or was
    given up, are thin lines from when they were issued until the study's next news.

    Parameters
    ----------
    result : Result
    ax : Axes, optional
        Default: the current axes; a new figure is higher for many workers.
    """
    columns = Columns.of(result)
    names = sorted({e.worker for e in columns.rows if e.worker}, key=_natural)
    ax = get_axes(ax, (6.4, float(np.clip(1.8 + 0.16 * len(names), 3.6, 9.0))))
    time = columns.time
    ax.set(title="Evaluations by worker", xlabel=time.label, ylabel="Worker")
    if not len(columns):
        return explain(ax, "No evaluation has finished yet")
    if not names:
        return explain(ax, "No evaluation says which worker ran it")
    bars = _Bars.of(columns, names)
    if not np.any(bars.visible):
        return explain(ax, "No evaluation took any time")
    ax.set_yscale("linear")  # axes that held another plot may be logarithmic
    ax.set_xscale("linear")
    ax.set_xlim(0, float(time(columns.known[-1:])[0]) or 1.0)
    ax.set_ylim(len(names) - 0.5, -0.5)
    handles = _draw_bars(ax, columns, bars, result.budgets)
    handles += _draw_ends(ax, bars, len(names))
    _label_rows(ax, names)
    lost = int(np.count_nonzero(bars.row < 0))
    share = measure_utilization(columns.rows).share
    words = f"{plural(len(names), 'worker')}, {share:.0%} busy"
    ax.set_title(f"Evaluations by worker ({words}{f', {lost} on none' if lost else ''})")
    add_legend_above(ax, handles=handles)
    return make_room(ax)


@dataclass(frozen=True, slots=True)
class _Bars:
    """Rows and times of the evaluations on the axes, shape (n,) each; row -1 is no worker's.

    `timed` says whether a worker did. Who nobody timed ends with the next news of the study.
    """

    row: np.ndarray
    status: np.ndarray
    timed: np.ndarray
    start: np.ndarray
    end: np.ndarray

    @classmethod
    def of(cls, columns: Columns, names: list[str]) -> _Bars:
        number = {name: i for i, name in enumerate(names)}
        row = np.array([number.get(e.worker, -1) for e in columns.rows])
        status = np.array([_ORDER.index(e.status) for e in columns.rows])
        known = np.array([timed(e) for e in columns.rows])
        start, end = columns.time(columns.started), columns.time(columns.finished)
        news = np.maximum(columns.time(columns.known), start)
        return cls(row, status, known, start, np.where(known, end, news))

    @property
    def good(self) -> np.ndarray:
        good: np.ndarray = self.status == _ORDER.index(Status.OK)
        return good

    @property
    def visible(self) -> np.ndarray:
        visible: np.ndarray = (self.row >= 0) & ((self.end > self.start) | ~self.good)
        return visible


def _draw_bars(ax: Axes, columns: Columns, bars: _Bars, budgets: tuple[float, ...]) -> list[Artist]:
    """Draw all that took time: one collection of what ended well, one of what did not."""
    n_rows = int(bars.row.max()) + 1
    colors = colors_of_levels(budgets)  # of all that were planned, so that they are always the same
    level = np.searchsorted(budgets, columns.budget)
    drawn = (bars.row >= 0) & bars.timed & (bars.end > bars.start)
    edge = _edge(ax, (bars.end - bars.start)[drawn], n_rows)
    half = 0.4 * min(1.0, n_rows / 4)  # half the height of a bar, in rows
    for rows, hatch in ((drawn & bars.good, None), (drawn & ~bars.good, "/////")):
        if rows.any():
            boxes = _boxes(bars.start[rows], bars.end[rows], bars.row[rows], half)
            collection = PolyCollection(
                list(boxes), hatch=hatch, facecolors=colors[level[rows]], edgecolors="white",
                linewidths=edge,
            )  # fmt: skip
            ax.add_collection(collection, autolim=False)
    occur = np.unique(level)
    return _budget_handles([budgets[i] for i in occur], colors[occur])


def _draw_ends(ax: Axes, bars: _Bars, n_rows: int) -> list[Artist]:
    """Mark the ends of what did not end well; draw lines for what nobody timed."""
    lines = [
        [(bars.start[i], bars.row[i]), (bars.end[i], bars.row[i])]
        for i in np.flatnonzero((bars.row >= 0) & ~bars.timed & ~bars.good)
    ]
    ax.add_collection(LineCollection(lines, colors="black", linewidths=0.8), autolim=False)
    size = float(np.clip(0.6 * _height(ax) / n_rows, 4.0, 6.5))
    handles: list[Artist] = []
    for status, (marker, words) in _MARKS.items():
        rows = (bars.row >= 0) & (bars.status == _ORDER.index(status))
        if rows.any():
            ax.plot(
                bars.end[rows], bars.row[rows], marker, color="black", markersize=size,
                markeredgecolor="white", markeredgewidth=0.5, clip_on=False, zorder=3,
            )  # fmt: skip
            handles.append(Line2D([], [], linestyle="", marker=marker, color="black", label=words))
    return handles


def short_names(names: list[str], longest: int = _LONGEST) -> list[str]:
    """Shorten names: without the parts that all share, and with a gap where they are too long."""
    parts = [re.split(r"(?<=[.:/_])", name) for name in names]
    if len(names) > 1:
        shortest = min(map(len, parts))
        head = next((i for i in range(shortest) if len({p[i] for p in parts}) > 1), shortest - 1)
        tail = next((i for i in range(shortest) if len({p[-1 - i] for p in parts}) > 1), 0)
        tail = min(tail, shortest - head - 1)
        parts = [p[head : len(p) - tail] for p in parts]
    short = ["".join(p).strip(".:/_") for p in parts]
    half = longest // 2
    return [s if len(s) <= longest else f"{s[: half - 1]}…{s[-half:]}" for s in short]


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort w2 before w10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def _boxes(left: np.ndarray, right: np.ndarray, row: np.ndarray, half: float) -> np.ndarray:
    """The corners of the bars, shape (n, 4, 2)."""
    x = np.stack([left, right, right, left], axis=1)
    y = row[:, None] + half * np.array([-1, -1, 1, 1])
    return np.stack([x, y], axis=2)


def _edge(ax: Axes, durations: np.ndarray, n_rows: int) -> float:
    """The width of the white line between bars; none where the bars are as thin as it."""
    left, right = ax.get_xlim()
    width = ax.get_window_extent().width * 72 / ax.figure.dpi
    typical = float(np.median(durations)) / (right - left) * width if durations.size else 0.0
    return min(0.5, 0.1 * _height(ax) / n_rows) if typical > 4 else 0.0


def _height(ax: Axes) -> float:
    """The height of the axes in points."""
    return float(ax.get_window_extent().height * 72 / ax.figure.dpi)


def _budget_handles(budgets: list[float], colors: np.ndarray) -> list[Artist]:
    shown = list(range(len(budgets)))
    if len(budgets) > len(COLOURS):
        shown = sorted({round(i) for i in np.linspace(0, len(budgets) - 1, _ENTRIES)})
    return [
        Patch(color=tuple(colors[i]), label=f"budget {format_budget(budgets[i])}") for i in shown
    ]


def _label_rows(ax: Axes, names: list[str]) -> None:
    count = len(names)
    if count <= _NAMED:
        fits = 0.75 * _height(ax) / count
        ax.set_yticks(range(count), short_names(names), fontsize=float(np.clip(fits, 5.0, 9.0)))
        return
    step = 5 if count <= 50 else 10 if count <= 200 else 100
    numbers = [1, *range(step, count + 1, step)]
    ax.set_yticks([n - 1 for n in numbers], [str(n) for n in numbers])
    ax.set_ylabel("Worker, sorted by name")
