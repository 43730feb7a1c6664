"""Whether what the model picked is better than what was drawn at random."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import to_rgba
from matplotlib.patches import Patch

from bandmaster.core.formatting import format_budget
from bandmaster.plotting.canvas import (
    COLOURS,
    add_legend_above,
    capitalised,
    explain,
    get_axes,
    log_if_wide,
    why_no_loss,
    wrap_words,
)
from bandmaster.plotting.data import Columns
from bandmaster.plotting.room import make_room
from bandmaster.plotting.scales import span_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bandmaster.study.result import Result

__all__ = ["PickComparison", "compare_picks", "plot_model_vs_random"]

_KINDS = (
    (False, "drawn at random", COLOURS[4], "o"),
    (True, "picked by the model", COLOURS[0], "^"),
)
_WIDTH = 0.32  # of a box; two stand at each budget
_SPREAD = 0.75  # the share of a box's width over which its points are spread
_LEAST = 3  # losses of each kind, for a comparison
_FEW = 5  # budgets; below more there is no room for numbers


@dataclass(frozen=True, slots=True)
class PickComparison:
    """The losses of both kinds of picks at one budget.

    `better` is the probability that a model's pick has a lower loss than a random one (ties count
    half), the effect size of Mann and Whitney's test; `p` is its two-sided p. Both are None with
    fewer than three losses of either kind.
    """

    budget: float
    random: np.ndarray
    model: np.ndarray
    better: float | None = None
    p: float | None = None


def compare_picks(result: Result) -> list[PickComparison]:
    """Compare the losses at each budget by who picked the configuration.

    What the user gave, and what says nothing of its origin, is left out.
    """
    columns = Columns.of(result)
    kind = np.array([_picked_by_model(e.config_info) for e in columns.rows], dtype=float)
    found = []
    for budget in columns.budgets:
        here = columns.ok & (columns.budget == budget)
        random, model = columns.loss[here & (kind == 0)], columns.loss[here & (kind == 1)]
        if random.size or model.size:
            found.append(_compare(budget, random, model))
    return found


def _picked_by_model(info: object) -> float:
    """1.0, 0.0, or NaN if neither a model nor chance picked it."""
    pick = info.get("model_based_pick") if isinstance(info, Mapping) else None
    if pick is None or (isinstance(info, Mapping) and info.get("origin") == "user"):
        return np.nan
    return float(bool(pick))


def _compare(budget: float, random: np.ndarray, model: np.ndarray) -> PickComparison:
    if min(random.size, model.size) < _LEAST:
        return PickComparison(budget, random, model)
    from scipy.stats import mannwhitneyu

    test = mannwhitneyu(model, random)
    better = 1.0 - float(test.statistic) / (model.size * random.size)
    return PickComparison(budget, random, model, better, float(test.pvalue))


def plot_model_vs_random(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw the losses (or the metric) of model-based and of random picks beside each other.

    Two boxes a budget (median, quartiles; whiskers to the last point within 1.5 of their distance)
    over all points. Below each pair: how many there are, the probability that a model's pick beats
    a random one, and the p of Mann and Whitney's test. At larger budgets the picks are those that
    were promoted.

    Parameters
    ----------
    result : Result
    ax : Axes, optional
        Default: the current axes.

    References
    ----------
    Mann and Whitney (1947). On a test of whether one of two random variables is stochastically
    larger than the other.
    """
    ax = get_axes(ax)
    ax.set(title="Model-based and random picks", xlabel="Budget")
    ax.set_ylabel(wrap_words(capitalised(result.objectives.primary.name)))
    pairs = compare_picks(result)
    if not pairs:
        return explain(ax, _why_empty(Columns.of(result)))
    sign = result.objectives.primary.sign
    every = sign * np.concatenate([np.append(pair.random, pair.model) for pair in pairs])
    ax.set_xscale("linear")
    for place, pair in enumerate(pairs):
        for (is_model, _, color, marker), side in zip(_KINDS, (-0.5, 0.5), strict=True):
            values = sign * (pair.model if is_model else pair.random)
            if values.size:
                _draw(ax, values, place + side * (_WIDTH + 0.06), color, marker)
    log_if_wide(ax, every, span=span_for(result))
    few = len(pairs) <= _FEW
    size = "medium" if len(pairs) <= 2 else "small" if few else "x-small"
    ax.set_xticks(range(len(pairs)), [_words(pair, few) for pair in pairs], fontsize=size)
    ax.set_xlim(-0.6, len(pairs) - 0.4)
    ax.grid(axis="y", alpha=0.3)
    handles = [
        Patch(facecolor=color, alpha=0.6, edgecolor="black", label=words)
        for _, words, color, _ in _KINDS
    ]
    add_legend_above(ax, handles=handles)
    return make_room(ax)


def _draw(ax: Axes, values: np.ndarray, x: float, color: str, marker: str) -> None:
    # A sequence of low discrepancy spreads points evenly, and the same way each time.
    spread = (np.arange(values.size) * 0.6180339887 % 1.0 - 0.5) * _SPREAD * _WIDTH
    many = values.size > 200
    ax.plot(
        x + spread, values, linestyle="", marker=marker, color=color, markeredgewidth=0,
        markersize=2.5 if many else 4, alpha=0.25 if many else 0.6, zorder=1,
    )  # fmt: skip
    ax.boxplot(
        values, positions=[x], widths=_WIDTH, showfliers=False, manage_ticks=False, zorder=2,
        patch_artist=True, boxprops={"facecolor": to_rgba(color, 0.35)},
        medianprops={"color": "black", "linewidth": 2},
    )  # fmt: skip


def _words(pair: PickComparison, full: bool) -> str:
    """What stands below a pair of boxes."""
    budget = format_budget(pair.budget)
    if not full:
        return budget
    lines = [budget, f"n = {pair.random.size} | {pair.model.size}"]
    if pair.better is not None and pair.p is not None:
        lines.append(f"model better: {pair.better:.0%}")
        lines.append("p < 0.001" if pair.p < 0.001 else f"p = {pair.p:.3f}")
    return "\n".join(lines)


def _why_empty(columns: Columns) -> str:
    if not columns.ok.any():
        return why_no_loss(len(columns))
    return "No evaluation says whether a model picked it\n(model_based_pick in its config_info)"
