"""Configurations as lines across one axis a parameter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm, Normalize

from bandmaster.plotting.canvas import COLOURS, explain, get_axes, plain
from bandmaster.plotting.parameter_axis import ParameterAxis, inches_of, short_names
from bandmaster.plotting.room import make_room
from bandmaster.plotting.scales import span_for
from bandmaster.plotting.surrogate import Landscape, Surrogate

if TYPE_CHECKING:
    from bandmaster.study.result import Result

__all__ = ["plot_parallel_coordinates"]

_INACTIVE: Final = -0.16  # the middle of the band below the axes
_BAND: Final = 0.06
_SPREAD: Final = 0.5  # of the distance of two choices, so that lines do not cover each other
_MOST, _FEWER = 20, 15  # axes: with more than the one, the other is the default
_LINES, _BEST = 2000, 500  # the most lines, and how many of them are surely the best ones
_LIGHTEST: Final = 0.88  # of the scale of colours
_STRIP: Final = 0.07
_GOLDEN: Final = 0.618_034
_RED = COLOURS[1]


def plot_parallel_coordinates(
    result: Result,
    parameters: Sequence[str] | None = None,
    *,
    budget: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw each successful configuration as a line across one axis a parameter, and the loss last.

    Lines are coloured by the loss (or the metric), the better ones darker and on top, the best one
    is highlighted. Of more than 2,000, the 500 best and an even part of the others are drawn. A
    line runs through the band below the axes where a parameter is inactive, and is spread a bit
    over choices.

    Parameters
    ----------
    result : Result
    parameters : sequence of str, optional
        Which axes, from left to right. Default: all that occur with more than one value; of more
        than 20, the 15 that matter most.
    budget : float, optional
        Default: the largest with ten successes, else the one with the most.
    ax : Axes, optional
        Default: the current axes.

    Raises
    ------
    ConfigurationError
        If there is no such parameter.

    References
    ----------
    Inselberg, A. (1985). The plane with parallel coordinates.
    """
    landscape = Landscape.of(result, budget)
    table, metric = landscape.table, result.objectives.primary
    varying = _varying(landscape)
    names = list(parameters) if parameters is not None else _chosen(landscape, varying)
    labels = short_names(table.names)
    axes = [ParameterAxis.of(table, n, labels.get(n)) for n in names] if result.history else []
    ax = get_axes(ax, (max(6.4, 1.05 * (len(axes) + 1) + 1.2), 4.8))
    part = f" ({len(names)} of {len(varying)} parameters)" if len(names) < len(varying) else ""
    ax.set_title(f"Configurations and their {plain(metric.name)}{landscape.at}{part}")
    if landscape.why_empty is not None:
        return explain(ax, landscape.why_empty)
    if not axes:
        return explain(ax, "All configurations are the same")
    ok = np.flatnonzero(landscape.ok)
    value = landscape.value[ok]
    norm = _norm(value, span_for(result))
    heights = np.column_stack([*(_height(axis)[ok] for axis in axes), norm(value)])
    badness = heights[:, -1] if metric.sign > 0 else 1 - heights[:, -1]
    _draw_lines(ax, landscape, ok, heights, badness)
    _draw_axes(ax, axes, has_inactive=bool((heights < _INACTIVE + _BAND).any()))
    best = None if landscape.best is None else float(landscape.value[landscape.best])
    _draw_loss_axis(ax, len(axes), value, norm, best)
    _name_axes(ax, [*(axis.label for axis in axes), plain(metric.name)])
    _draw_strip(ax, len(axes), metric.sign)
    return make_room(ax)


def _varying(landscape: Landscape) -> list[str]:
    """Return the parameters that occur with more than one value, or sometimes inactive."""
    codes = landscape.table.codes[landscape.ok]
    searched = set(landscape.table.searched)
    return [
        name
        for j, name in enumerate(landscape.table.names)
        if name in searched and len(codes) and (len(np.unique(codes[:, j])) > 1 or len(codes) == 1)
    ]


def _chosen(landscape: Landscape, names: list[str]) -> list[str]:
    """Return the parameters by default: of very many, those that matter most."""
    if len(names) <= _MOST:
        return names
    first = [name for name in Surrogate(landscape).ranked() if name in names][:_FEWER]
    return [name for name in names if name in first]


def _norm(value: np.ndarray, span: float) -> Normalize:
    """Return the scale of the loss's axis; equal losses are in its middle."""
    low, high = float(value.min()), float(value.max())
    if low == high:
        return Normalize(low - max(abs(low), 1.0), high + max(abs(high), 1.0))
    if low > 0 and high / span >= low:
        return LogNorm(low, high)
    return Normalize(low, high)


def _height(axis: ParameterAxis) -> np.ndarray:
    """Return where each line crosses an axis: [0, 1], or the band of the inactive."""
    y = axis.unit(axis.values)
    if axis.choices:
        shift = np.arange(len(y)) * _GOLDEN % 1 - 0.5
        y = y + shift * _SPREAD / len(axis.choices)
    inactive = _INACTIVE + _BAND * (np.arange(len(y)) * _GOLDEN % 1 - 0.5)
    height: np.ndarray = np.where(axis.active, y, inactive)
    return height


def _colors(badness: np.ndarray) -> np.ndarray:
    """From dark blue for the best to a yellow that a white page does not swallow."""
    colors: np.ndarray = colormaps["cividis"](_LIGHTEST * badness)
    return colors


def _thinned(worst_first: np.ndarray) -> np.ndarray:
    """Return the rows to draw: of very many, whose lines would cover each other, the best and
    an even part of the others."""
    if len(worst_first) <= _LINES:
        return worst_first
    others, best = worst_first[:-_BEST], worst_first[-_BEST:]
    some = np.linspace(0, len(others) - 1, _LINES - _BEST).round().astype(np.intp)
    return np.concatenate([others[some], best])


def _draw_lines(
    ax: Axes, landscape: Landscape, ok: np.ndarray, heights: np.ndarray, badness: np.ndarray
) -> None:
    n, k = heights.shape
    worst_first = _thinned(np.argsort(-badness, kind="stable"))
    if len(worst_first) < n:
        others = f"{len(worst_first) - _BEST:,} of the {n - _BEST:,} others"
        ax.set_xlabel(f"Drawn are the {_BEST} best lines and {others}", fontsize="small")
    n = len(worst_first)
    segments = np.stack([np.broadcast_to(np.arange(k), (n, k)), heights[worst_first]], axis=-1)
    lines = LineCollection(
        list(segments), colors=_colors(badness[worst_first]),
        alpha=float(np.clip(60 / n, 0.08, 0.8)), linewidths=1.0 if n < 300 else 0.7, zorder=1,
        rasterized=n > 1000, joinstyle="bevel",
    )  # fmt: skip
    ax.add_collection(lines, autolim=False)
    lines.set_in_layout(False)
    if landscape.best is not None:
        best = heights[np.flatnonzero(ok == landscape.best)[0]]
        ax.plot(
            range(k), best, "-o", color=_RED, linewidth=2.2, markersize=5, markeredgecolor="white",
            zorder=3, label="best",
        )  # fmt: skip


def _draw_axes(ax: Axes, axes: list[ParameterAxis], *, has_inactive: bool) -> None:
    k = len(axes)
    ax.set_xscale("linear")  # axes that held another plot may be logarithmic
    ax.set_yscale("linear")
    ax.set_xlim(-0.15, k + 0.35)
    ax.set_ylim(_INACTIVE - 0.08 if has_inactive else -0.05, 1.05)
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    if has_inactive:
        ax.axhspan(_INACTIVE - _BAND, _INACTIVE + _BAND, color="0.93", zorder=0, linewidth=0)
        ax.set_yticks([_INACTIVE], ["inactive"])
        ax.tick_params(axis="y", length=0, labelcolor="0.35", labelsize="small")
    ax.vlines(range(k + 1), 0, 1, colors="0.25", linewidth=1, zorder=2)
    inches = inches_of(ax, is_x=True) / (k + 1)
    size = 8 if inches > 0.8 else 7 if inches > 0.5 else 6
    for number, axis in enumerate(axes):
        for place, text in axis.ticks() if inches > 0.35 else ():
            _write_tick(ax, number, float(axis.unit([place])[0]), text, size=size)


def _draw_loss_axis(
    ax: Axes, x: int, value: np.ndarray, norm: Normalize, best: float | None
) -> None:
    low, high = float(value.min()), float(value.max())
    shown = {low} if low == high else {low, float(norm.inverse(0.5)), high}
    for number in shown - {best}:
        _write_tick(ax, x + _STRIP, float(norm(number)), f"{number:.3g}")
    if best is not None:
        _write_tick(ax, x + _STRIP, float(norm(best)), f"{best:.3g} (best)", color=_RED)


def _name_axes(ax: Axes, names: list[str]) -> None:
    long = 0.085 * (max(map(len, names)) + 1) > inches_of(ax, is_x=True) / len(names)
    ax.set_xticks(range(len(names)), names)
    ax.tick_params(axis="x", length=0, labelrotation=25 if long else 0)
    for label in ax.get_xticklabels() if long else ():
        label.set(ha="right", rotation_mode="anchor")


def _draw_strip(ax: Axes, x: float, sign: float) -> None:
    """Draw along the loss's axis which colour a line has."""
    shades = np.linspace(0, 1, 256) if sign > 0 else np.linspace(1, 0, 256)
    limits = ax.get_xlim(), ax.get_ylim()
    ax.imshow(
        _colors(shades)[:, None], extent=(x, x + _STRIP, 0, 1), origin="lower", aspect="auto",
        zorder=1.5,
    )  # fmt: skip
    ax.set(xlim=limits[0], ylim=limits[1])


def _write_tick(
    ax: Axes, x: float, y: float, text: str, *, size: int = 8, color: str = "0.1"
) -> None:
    ax.plot([x - 0.02, x + 0.02], [y, y], color="0.25", linewidth=1, zorder=2)
    ax.annotate(
        text, (x, y), xytext=(4, 0), textcoords="offset points", va="center", fontsize=size,
        color=color, zorder=4,
        bbox={"facecolor": "white", "alpha": 0.7, "linewidth": 0, "pad": 0.6},
    )  # fmt: skip
