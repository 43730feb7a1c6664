"""How trained parameters moved, over the contours of what they were to reach."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch

from bandmaster.plotting.canvas import (
    add_legend,
    capitalised,
    explain,
    get_axes,
    plain,
    plural,
    wrap_words,
)
from bandmaster.plotting.labelling import Labeller
from bandmaster.plotting.members import FEW, Member, choose_plane, members_of, why_no_steps

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bandmaster.study.result import Result

__all__ = ["draw_contours", "marker_sizes", "plot_parameter_history", "set_limits"]

_LARGE, _SMALL = 80.0, 4.0  # points² of the first and the last marker
_GRID: Final = 120
_WORDS: Final = 240  # steps that are written beside points, about, of all members
_ARROWS: Final = 240  # of all members, at most; the longest ones
_SHORT: Final = 9.0  # points; no arrow is so short


def plot_parameter_history(  # noqa: PLR0917 - the order of the seed's helper
    result: Result,
    colors: Sequence[Any] | None = None,
    labels: Sequence[str] | None = None,
    perturbation_interval: int | None = None,
    fig: Figure | None = None,
    ax: Axes | None = None,
    *,
    function: Callable[[np.ndarray], Any] | None = None,
    x: str | None = None,
    y: str | None = None,
) -> Axes:
    """Draw the path of two trained parameters of each trial, the points shrinking with the step.

    Beside a point at a perturbation interval stands its step, as far as there is room, and an
    arrow leads to the next one: a dashed one where the trial went on from another's checkpoint.

    Parameters
    ----------
    result : Result
        Of trials that report the parameters as metrics.
    colors, labels : sequence, optional
        One for each trial that reported, by their numbers. Default: colours that the colour-blind
        can tell apart, and ``trial 0``, ...
    perturbation_interval : int, optional
        Steps. Default: the steps with a checkpoint.
    fig : Figure, optional
        Gets a bar that says what the contours' colours mean.
    ax : Axes, optional
        Default: the current axes.
    function : callable, optional
        The true function, for the contours. It gets the parameters as an array of shape (2, n, n)
        and returns shape (n, n); one that takes single points, shape (2,), will do.
    x, y : str, optional
        The metrics along the axes. Default: the first two that are reported beside what is
        optimised and the hyper-parameters.

    Raises
    ------
    ConfigurationError
        When there are too few colours or labels, or no such metrics.
    """
    ax = get_axes(ax) if ax is not None or fig is None else fig.gca()
    ax.set_title("Path of the parameters")
    why = why_no_steps(result)
    if why is not None:
        return explain(ax, why)
    members = members_of(result, colors, labels)
    x, y = choose_plane(result, members, x, y)
    ax.set(xlabel=wrap_words(x), ylabel=wrap_words(y))
    paths = [np.column_stack([m.metric(x), m.metric(y)]) for m in members]
    points = np.concatenate(paths)
    set_limits(ax, points)
    if function is not None:
        name = capitalised(plain(result.objectives.primary.name))
        draw_contours(ax, function, fig=fig, label=name)
    last = max(member.steps.max() for member in members)
    for member, path in zip(members, paths, strict=True):
        _draw_path(ax, member, path, last)
    marks = [_marks(member, perturbation_interval) for member in members]
    for member, path, at in zip(members, paths, marks, strict=True):
        _draw_arrows(ax, member, path, at, last, most=_ARROWS // len(members))
    _write_steps(ax, members, paths, marks, last)
    _legend(ax, members)
    return ax


def set_limits(ax: Axes, points: np.ndarray) -> None:
    """Set the limits by points, shape (n, 2), with a margin."""
    finite = points[np.all(np.isfinite(points), axis=1)]
    if not len(finite):
        return
    low, high = finite.min(axis=0), finite.max(axis=0)
    margin = np.where(high > low, 0.09 * (high - low), 0.5)
    (x0, y0), (x1, y1) = low - margin, high + margin
    ax.set_xlim(x0, x1)
    ax.set_ylim(y0, y1)


def marker_sizes(steps: np.ndarray, last: float) -> np.ndarray:
    """The areas of markers, shape (n,), shrinking from the first step to the last."""
    left = 1 - steps / max(last, 1.0)
    sizes: np.ndarray = _SMALL + (_LARGE - _SMALL) * np.clip(left, 0, 1) ** 2
    return sizes


def draw_contours(
    ax: Axes, function: Callable[[np.ndarray], Any], *, fig: Figure | None = None, label: str = ""
) -> None:
    """Draw a function of two numbers below what is in the axes, within their limits."""
    xs, ys = np.linspace(*ax.get_xlim(), _GRID), np.linspace(*ax.get_ylim(), _GRID)
    grid = np.stack(np.meshgrid(xs, ys))
    try:
        heights = np.asarray(function(grid), dtype=float)
        vectorised = heights.shape == grid.shape[1:]
    except (TypeError, ValueError, IndexError):
        vectorised = False
    if not vectorised:  # it takes one point
        flat = [float(function(point)) for point in grid.reshape(2, -1).T]
        heights = np.array(flat).reshape(grid.shape[1:])
    areas = ax.contourf(xs, ys, heights, levels=14, cmap="Greys_r", alpha=0.28, zorder=0)
    lines = ax.contour(
        xs,
        ys,
        heights,
        levels=np.asarray(areas.levels)[::2],
        colors="0.6",
        linewidths=0.6,
        zorder=0.5,
    )
    if fig is not None:
        fig.colorbar(areas, ax=ax, label=label, pad=0.02)
    else:
        ax.clabel(lines, fontsize=6.5, colors="0.45")


def _draw_path(ax: Axes, member: Member, path: np.ndarray, last: float) -> None:
    ax.plot(*member.pieces(path).T, color=member.color, linewidth=0.8, alpha=0.5, zorder=2)
    xs, ys = path.T
    ax.scatter(
        xs, ys, s=marker_sizes(member.steps, last), color=member.color, edgecolors="white",
        linewidths=0.4, alpha=0.85, zorder=3,
    )  # fmt: skip


def _marks(member: Member, interval: int | None) -> np.ndarray:
    """The positions of the steps after which something may be perturbed."""
    if interval is None:
        at = [i for i, row in enumerate(member.rows) if row.checkpoint is not None]
    else:
        at = [i for i, row in enumerate(member.rows) if row.step % interval == 0]
    return np.array(at, dtype=int)


def _draw_arrows(
    ax: Axes, member: Member, path: np.ndarray, marks: np.ndarray, last: float, *, most: int
) -> None:
    jumps = {int(i) for i in member.exploits}
    starts = {*(int(i) + 1 for i in marks), *jumps}
    shown = ax.transData.transform(path) / (ax.figure.dpi / 72)
    far = {
        i: length
        for i in starts
        if 0 < i < len(path) and (length := np.hypot(*(shown[i] - shown[i - 1]))) >= _SHORT
    }
    for i in sorted(far, key=lambda i: -far[i])[:most]:
        jump = i in jumps
        sizes = np.sqrt(marker_sizes(member.steps[i - 1 : i + 1], last)) / 2
        arrow = FancyArrowPatch(
            tuple(path[i - 1]), tuple(path[i]), arrowstyle="-|>", mutation_scale=9,
            color=member.color, linewidth=1.1, linestyle=(0, (4, 2)) if jump else "-",
            connectionstyle="arc3,rad=0.12" if jump else "arc3", shrinkA=sizes[0],
            shrinkB=sizes[1], zorder=4,
        )  # fmt: skip
        ax.add_patch(arrow)


def _write_steps(
    ax: Axes,
    members: Sequence[Member],
    paths: Sequence[np.ndarray],
    marks: Sequence[np.ndarray],
    last: float,
) -> None:
    """Write steps beside points, the earliest first: later points lie close together."""
    points = np.concatenate(paths)
    shown = np.all(np.isfinite(points), axis=1)
    sizes = marker_sizes(np.concatenate([member.steps for member in members]), last)
    labeller = Labeller(ax, taken=points[shown], radii=np.sqrt(sizes[shown]) / 2)
    wanted = [
        (member.steps[i], number, i)
        for number, (member, at) in enumerate(zip(members, marks, strict=True))
        for i in at[:: -(-len(at) // max(_WORDS // len(members), 4)) or 1]
        if np.all(np.isfinite(paths[number][i]))
    ]
    for step, number, i in sorted(wanted):
        gap = float(np.sqrt(marker_sizes(np.array([step]), last))[0]) / 2 + 1.0
        labeller.put(f"{step:g}", paths[number][i], gap=gap, color=members[number].color)


def _legend(ax: Axes, members: Sequence[Member]) -> None:
    if len(members) > FEW:
        ax.set_title(f"Path of the parameters of {plural(len(members), 'trial')}")
        return
    handles = [
        Line2D([], [], color=m.color, marker="o", markersize=6, linewidth=0.8, label=m.label)
        for m in members
    ]
    if any(len(m.exploits) for m in members):
        handles.append(
            Line2D([], [], color="0.3", linestyle=(0, (4, 2)), linewidth=1.1, label="exploit")
        )
    add_legend(ax, handles=handles, small=True)
