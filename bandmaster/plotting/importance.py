"""Which parameters matter, as bars."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from matplotlib.ticker import PercentFormatter

from bandmaster.core.formatting import format_budget
from bandmaster.errors import ConfigurationError
from bandmaster.plotting.canvas import COLOURS, add_legend, explain, get_axes
from bandmaster.plotting.parameter_axis import short_names
from bandmaster.plotting.room import make_room

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bandmaster.study.result import Result

__all__ = ["plot_parameter_importance"]

_POOR: Final = 0.3  # the R² below which the picture warns
_FAINT: Final = 0.005  # the share below which an interaction is not drawn


def plot_parameter_importance(
    result: Result,
    budget: float | None = None,
    *,
    scale: str = "auto",
    n_bars: int = 12,
    n_trees: int = 16,
    seed: int = 0,
    ax: Axes | None = None,
) -> Axes:
    """Draw which share of the loss's variance each parameter explains, and each two together.

    Bars are means over the trees of a forest, whiskers one standard deviation to both sides. What
    no bar shows is due to bars beyond `n_bars`, interactions of less than 0.5 %, and those of three
    and more parameters.

    Parameters
    ----------
    result : Result
    budget : float, optional
        Default: the largest with ten successes, else the one with the most.
    scale, n_trees, seed
        See `Result.parameter_importance`.
    n_bars : int, default 12
        The most bars.
    ax : Axes, optional
        Default: the current axes.

    Raises
    ------
    ConfigurationError
        If `n_bars` or `n_trees` is less than 1, or there is no such scale.

    References
    ----------
    Hutter, F., Hoos, H. and Leyton-Brown, K. (2014). An efficient approach for assessing
    hyperparameter importance.
    """
    if n_bars < 1:
        raise ConfigurationError(f"n_bars must be at least 1, got {n_bars!r}")
    found = result.parameter_importance(budget, scale=scale, n_trees=n_trees, seed=seed)
    ax = get_axes(ax)
    ax.set_title("Parameter importance")
    if found.why_empty is not None:
        return explain(ax, found.why_empty)
    names = short_names(list(found.importance))
    bars = [(names[n], share, found.std[n], False) for n, share in found.importance.items()]
    bars += [
        (f"{names[a]} × {names[b]}", share, found.interactions_std[a, b], True)
        for (a, b), share in found.interactions.items()
        if share >= _FAINT
    ]
    bars = sorted(bars, key=lambda bar: -bar[1])[:n_bars]
    ax.set_xscale("linear")  # axes that held another plot may be logarithmic
    ax.set_yscale("linear")
    for pairs, color, label in ((False, COLOURS[0], "alone"), (True, COLOURS[4], "two together")):
        rows = [i for i, bar in enumerate(bars) if bar[3] is pairs]
        if rows:
            ax.barh(rows, [bars[i][1] for i in rows], color=color, height=0.72, label=label)
    share, std = (np.array([bar[i] for bar in bars]) for i in (1, 2))
    # Shares are not negative, so neither are the whiskers' ends.
    ax.errorbar(
        share, range(len(bars)), xerr=np.stack([np.minimum(std, share), std]), fmt="none",
        ecolor="0.25", elinewidth=1, capsize=2,
    )  # fmt: skip
    end = float((share + std).max())
    for row in range(len(bars)):
        ax.annotate(
            f"{share[row]:.1%}", (share[row] + std[row], row), xytext=(4, 0),
            textcoords="offset points", va="center", fontsize="small", color="0.25",
        )  # fmt: skip
    ax.set_yticks(range(len(bars)), [bar[0] for bar in bars])
    ax.set_ylim(len(bars) - 0.4, -0.6)
    ax.set_xlim(0, max(end * 1.18, 0.01))
    ax.xaxis.set_major_formatter(PercentFormatter(1.0))
    what = {"linear": "", "log": "logarithm of the ", "rank": "rank of the "}[found.scale]
    metric = result.objectives.primary.name
    several = found.budget is not None and len(result.budgets) > 1
    at = f" at budget {format_budget(found.budget or 0)}" if several else ""
    poor = ": it predicts poorly, take with care" if not found.r2 >= _POOR else ""
    ax.set_xlabel(
        f"Share of the variance of the {what}{metric}{at}\n"
        f"n = {found.n_evaluations:,}, forest's R² = {found.r2:.2f}{poor}"
    )
    ax.grid(axis="x", alpha=0.3)
    ax.set_axisbelow(True)
    add_legend(ax, loc="lower right", small=True)
    return make_room(ax)
