"""Legends where little is hidden, also by many thousands of points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.legend import Legend
from matplotlib.lines import Line2D

__all__ = ["add_legend", "add_legend_above"]

_CORNERS = ("upper right", "upper left", "lower left", "lower right")
_FEW = 7  # entries; more are written smaller, in columns
_PER_COLUMN = 8


def add_legend(
    ax: Axes,
    title: str | None = None,
    *,
    handles: Sequence[Artist] | None = None,
    ncols: int | None = None,
    loc: Any = None,
    small: bool = False,
) -> Legend:
    """Add a legend in the corner that lines and markers leave emptiest.

    Matplotlib's own ``loc="best"`` takes seconds with many points.

    Parameters
    ----------
    ax : Axes
        With its limits and scales as they shall be.
    title : str, optional
    handles : sequence of Artist, optional
        Default: what has a label.
    ncols : int, optional
        Default: a column for each eight entries.
    loc : str, optional
        Another place than the emptiest corner.
    small : bool, default False
        Write it smaller, as is done with many entries.
    """
    if handles is None:
        handles, _ = ax.get_legend_handles_labels()
    count = len(handles)
    ncols = ncols or -(-count // _PER_COLUMN)
    size = "small" if small or count > _FEW else None
    rows = -(-count // ncols) + (title is not None)
    loc = loc or _emptiest(ax, 0.12 + 0.16 * ncols, 0.06 + 0.06 * rows)
    legend: Legend = ax.legend(
        handles=handles, title=title, ncols=ncols, loc=loc, fontsize=size, title_fontsize=size,
        handlelength=1.4 if size else None, columnspacing=1.2 if size else None,
    )  # fmt: skip
    return legend


def add_legend_above(
    ax: Axes, title: str | None = None, *, handles: Sequence[Artist] | None = None
) -> Legend:
    """Add a legend inside the axes above all that is drawn; the y axis is made longer for it.

    Where markers are everywhere, any corner would hide some.

    Parameters
    ----------
    ax : Axes
        With its limits and scales as they shall be.
    title : str, optional
        Stands before the first entry.
    handles : sequence of Artist, optional
        Default: what has a label.
    """
    handles = list(ax.get_legend_handles_labels()[0] if handles is None else handles)
    if title is not None:
        handles.insert(0, Line2D([], [], linestyle="", label=title))
    box = ax.get_window_extent()
    width, height = (size * 72 / ax.figure.dpi for size in (box.width, box.height))
    lengths = [4.7 * len(str(handle.get_label())) + 28 for handle in handles]
    ncols = next(
        n
        for n in range(len(handles), 0, -1)
        if n == 1 or sum(max(lengths[column::n]) for column in range(n)) < width
    )
    rows = -(-len(handles) // ncols)
    handles = [handle for column in range(ncols) for handle in handles[column::ncols]]
    share = min((9 + 13 * rows) / height, 0.35)
    scale = ax.yaxis.get_transform()
    low, high = scale.transform(np.array(ax.get_ylim()))
    with np.errstate(over="ignore"):
        top = float(scale.inverted().transform(np.array([low + (high - low) / (1 - share)]))[0])
    if np.isfinite(top):
        ax.set_ylim(top=top)
    return add_legend(ax, handles=handles, ncols=ncols, loc="upper center", small=True)


def _emptiest(ax: Axes, width: float, height: float) -> str:
    """Return the corner whose box, in shares of the axes, holds the fewest points."""
    parts = [_points(line, ax) for line in ax.lines]
    for collection in ax.collections:
        if isinstance(collection, PathCollection):  # a scatter
            parts.append(ax.transData.transform(np.ma.getdata(collection.get_offsets())))
        elif len(paths := collection.get_paths()) == 1:  # an area
            parts.append(ax.transData.transform(np.asarray(paths[0].vertices)))
    points = ax.transAxes.inverted().transform(np.concatenate([*parts, np.zeros((0, 2))]))
    x, y = points[np.all(np.isfinite(points), axis=1)].T
    right, left, top, bottom = x > 1 - width, x < width, y > 1 - height, y < height
    counts = [
        np.sum(a & b) for a, b in ((right, top), (left, top), (left, bottom), (right, bottom))
    ]
    return _CORNERS[int(np.argmin(counts))]


def _points(line: Line2D, ax: Axes) -> np.ndarray:
    """Return points along a line, or its markers, in display coordinates, shape (n, 2)."""
    if line.get_transform() != ax.transData:
        return np.zeros((0, 2))
    x, y = line.get_data()
    shown = line.get_transform().transform(np.column_stack([x, y]).astype(float))
    if line.get_linestyle() == "None" or len(shown) < 2:
        return shown
    if line.get_drawstyle() == "steps-post":
        corners = np.column_stack([shown[1:, 0], shown[:-1, 1]])
        shown = np.insert(shown, np.arange(1, len(shown)), corners, axis=0)
    shown = shown[np.all(np.isfinite(shown), axis=1)]
    if len(shown) < 2:
        return shown
    length = np.append(0.0, np.cumsum(np.hypot(*np.diff(shown, axis=0).T)))
    places = np.linspace(0.0, length[-1], 200)
    return np.column_stack([np.interp(places, length, shown[:, i]) for i in (0, 1)])
