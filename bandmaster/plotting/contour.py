"""The loss over two parameters, as a map."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize

from bandmaster.errors import ConfigurationError
from bandmaster.plotting.canvas import (
    COLOURS,
    add_legend,
    capitalised,
    explain,
    get_axes,
    plain,
    plural,
)
from bandmaster.plotting.parameter_axis import ParameterAxis, short_names
from bandmaster.plotting.room import make_room
from bandmaster.plotting.scales import span_for
from bandmaster.plotting.surrogate import Landscape, Surrogate

if TYPE_CHECKING:
    from bandmaster.study.result import Result

__all__ = ["plot_contour"]

_GRID: Final = 30
_LEVELS: Final = 14
_RED = COLOURS[1]


def plot_contour(
    result: Result,
    x: str | None = None,
    y: str | None = None,
    *,
    budget: float | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw a map of the loss (or the metric) over two parameters, with the evaluations on it.

    The map is the mean prediction of a forest over the other parameters, among the configurations
    where both are active. Darker is better.

    Parameters
    ----------
    result : Result
    x, y : str, optional
        Parameters. Default: those that matter most.
    budget : float, optional
        Default: the largest with ten successes, else the one with the most.
    ax : Axes, optional
        Default: the current axes.

    Raises
    ------
    ConfigurationError
        If there is no such parameter, or `x` is `y`.
    """
    if x is not None and x == y:
        raise ConfigurationError(f"x and y are both {x!r}; a map needs two parameters")
    landscape = Landscape.of(result, budget)
    ax = get_axes(ax)
    metric = plain(result.objectives.primary.name)
    ax.set_title(f"{capitalised(metric)} over two parameters{landscape.at}")
    if landscape.why_empty is not None:
        return explain(ax, landscape.why_empty)
    surrogate = Surrogate(landscape)
    names = _choose(surrogate, x, y)
    if len(names) < 2:
        return explain(ax, f"A map needs two parameters{_why_fewer(landscape, names)}")
    labels = short_names(landscape.table.names)
    first, second = (ParameterAxis.of(landscape.table, n, labels[n]) for n in names)
    first.apply(ax.xaxis)
    second.apply(ax.yaxis)
    if not (first.active & second.active).any():
        return explain(ax, f"{first.label} and {second.label} are never active together")
    for axis, set_limits in ((first, ax.set_xlim), (second, ax.set_ylim)):
        if not axis.choices:
            set_limits(axis.low, axis.high)
    _draw_map(ax, surrogate, names, (first, second), result)
    _draw_evaluations(ax, landscape, first, second)
    add_legend(ax, small=True)
    return make_room(ax)


def _choose(surrogate: Surrogate, x: str | None, y: str | None) -> list[str]:
    """Return two parameters: those given, then those that matter most and are active with them."""
    table = surrogate.landscape.table
    chosen = [name for name in (x, y) if name is not None]
    for name in chosen:
        table[name]  # raises if there is none
    for name in surrogate.ranked():
        if len(chosen) < 2 and name not in chosen and _vary(surrogate.landscape, [*chosen, name]):
            chosen.append(name)
    return chosen[::-1] if x is None and y is not None else chosen


def _why_fewer(landscape: Landscape, names: list[str]) -> str:
    searched = landscape.table.searched
    if len(searched) < 2:
        only = f" ({searched[0]})" if searched else ""
        return f"; this search has {len(searched)}{only}"
    among = f" that vary; in {plural(int(landscape.ok.sum()), 'evaluation')}"
    return f"{among} none varies with {names[0]}" if names else f"{among} none does"


def _vary(landscape: Landscape, names: list[str]) -> bool:
    """Whether parameters have several values each where all of them are active.

    A condition has only one where what stands under it is active, so the two make no map.
    """
    codes = np.stack([landscape.table[name][1] for name in names])[:, landscape.ok]
    codes = codes[:, ~np.isnan(codes).any(axis=0)]
    return codes.size > 0 and bool((codes.min(axis=1) < codes.max(axis=1)).all())


def _draw_map(
    ax: Axes,
    surrogate: Surrogate,
    names: list[str],
    axes: tuple[ParameterAxis, ParameterAxis],
    result: Result,
) -> None:
    (x_codes, x), (y_codes, y) = (axis.points(_GRID) for axis in axes)
    codes = np.stack(np.meshgrid(x_codes, y_codes), axis=-1).reshape(-1, 2)
    curve = surrogate.curve((names[0], names[1]), codes, n_rows=40)
    if curve is None:
        ax.text(
            0.5, 1.0, f"no map: {_why_no_map(surrogate, names)}",
            transform=ax.transAxes, ha="center", va="top", color="0.35",
        )  # fmt: skip
        return
    z = curve[0].reshape(len(y), len(x))
    active = axes[0].active & axes[1].active & surrogate.landscape.ok
    if axes[0].choices:  # a choice that never occurs with the other parameter has no prediction
        z[:, ~np.isin(x, axes[0].values[active])] = np.nan
    if axes[1].choices:
        z[~np.isin(y, axes[1].values[active])] = np.nan
    metric = result.objectives.primary
    low, high = float(np.nanmin(z)), float(np.nanmax(z))
    log = low > 0 and high / span_for(result) >= low
    norm: Normalize = LogNorm(low, high) if log else Normalize(low, high)
    colors = "cividis" if metric.sign > 0 else "cividis_r"
    drawn: Any
    if axes[0].choices or axes[1].choices or min(z.shape) < 2 or low == high:
        drawn = ax.pcolormesh(x, y, z, cmap=colors, norm=norm, shading="nearest", zorder=0.5)
    else:
        spread = np.geomspace(low, high, _LEVELS) if log else np.linspace(low, high, _LEVELS)
        drawn = ax.contourf(x, y, z, levels=spread, cmap=colors, norm=norm, zorder=0.5)
        ax.contour(x, y, z, levels=spread, colors="white", linewidths=0.3, alpha=0.6, zorder=0.6)
    side = ax.inset_axes((1.03, 0.0, 0.035, 1.0))
    bar = ax.figure.colorbar(
        drawn, cax=side, label=plain(f"Predicted {metric.name}"), format="%.3g"
    )
    bar.ax.tick_params(labelsize="small")


def _why_no_map(surrogate: Surrogate, names: list[str]) -> str:
    landscape = surrogate.landscape
    constant = next((name for name in names if name not in landscape.table.searched), None)
    if constant is not None:
        return f"{constant} has one value only"
    if surrogate.forest is not None:
        return "no success where both are active"
    values = landscape.value[landscape.ok]
    equal = "equal " if len(values) > 1 and values.min() == values.max() else ""
    return f"{len(values):,} {equal}loss{'es' * (len(values) != 1)}"


def _draw_evaluations(
    ax: Axes, landscape: Landscape, first: ParameterAxis, second: ParameterAxis
) -> None:
    active = first.active & second.active
    ok, failed = landscape.ok & active, ~landscape.ok & active
    x, y = _spread(first, 0.618_034), _spread(second, 0.754_878)
    many = ok.sum() > 500
    ax.plot(
        x[ok], y[ok], "o", color="black", markersize=2 if many else 4, markeredgecolor="white",
        markeredgewidth=0.2 if many else 0.6, alpha=0.5 if many else 0.9, label="evaluation",
        rasterized=bool(ok.sum() > 2000), clip_on=False, zorder=3,
    )  # fmt: skip
    if failed.any():
        ax.plot(x[failed], y[failed], "x", color=_RED, markersize=5, label="failed", clip_on=False)
    if landscape.best is not None and active[landscape.best]:
        ax.plot(
            x[[landscape.best]], y[[landscape.best]], "*", color=_RED, markersize=14,
            markeredgecolor="white", label="best", zorder=4, clip_on=False,
        )  # fmt: skip


def _spread(axis: ParameterAxis, step: float) -> np.ndarray:
    """Return the values, those of choices spread out evenly and always in the same way."""
    if not axis.choices:
        return axis.values
    places: np.ndarray = axis.values + 0.6 * (np.arange(len(axis.values)) * step % 1 - 0.5)
    return places
