"""Whether cheap budgets rank configurations as expensive ones do."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bandmaster.core.formatting import format_budget
from bandmaster.plotting.canvas import explain, get_axes, plural
from bandmaster.study.rows import loss_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bandmaster.study.result import Result

__all__ = ["Correlation", "correlate_budgets", "plot_correlation_across_budgets"]

_LEAST = 3  # with two trials the correlation is always 1 or -1
_FEW = 5  # columns; the cells of more have no room for n and p
_MOST = 20  # budgets that are drawn
_EXACT = 7  # 5,040 pairings; beyond that the approximation by Student's t is good


@dataclass(frozen=True, slots=True)
class Correlation:
    """Spearman's rank correlation of the losses of the trials that succeeded at two budgets.

    `rho` and `p` (two-sided, against no correlation) are None with fewer than three trials, or if
    all losses at one of the budgets are equal.
    """

    budgets: tuple[float, float]
    n: int
    rho: float | None = None
    p: float | None = None


def correlate_budgets(result: Result, most: int | None = None) -> list[Correlation]:
    """Correlate each two budgets that had a success, the smaller first.

    Of a trial that succeeded at a budget more than once, the last evaluation counts.

    Parameters
    ----------
    result : Result
    most : int, optional
        Of more budgets those where most trials succeeded, the larger of equals. Default: all.
    """
    losses = _losses(result)
    budgets = sorted(losses, key=lambda b: (len(losses[b]), b), reverse=True)[:most]
    return [
        _correlate((low, high), losses[low], losses[high])
        for low, high in itertools.combinations(sorted(budgets), 2)
    ]


def _losses(result: Result) -> dict[float, dict[int, float]]:
    """Return the last loss of each trial at each budget."""
    losses: dict[float, dict[int, float]] = {}
    for e in result.evaluations:
        loss = loss_of(e)
        if loss is not None:
            losses.setdefault(e.budget, {})[e.trial] = loss
    return losses


def _correlate(
    budgets: tuple[float, float], low: dict[int, float], high: dict[int, float]
) -> Correlation:
    common = [trial for trial in low if trial in high]
    x, y = ([values[trial] for trial in common] for values in (low, high))
    if len(common) < _LEAST or len(set(x)) == 1 or len(set(y)) == 1:
        return Correlation(budgets, len(common))
    from scipy.stats import spearmanr

    found = spearmanr(x, y)
    p = _exact_p(x, y) if len(common) <= _EXACT else float(found.pvalue)
    return Correlation(budgets, len(common), float(found.statistic), p)


def _exact_p(x: list[float], y: list[float]) -> float:
    """Return the share of all pairings whose correlation is as strong (few trials are no t)."""
    from scipy.stats import rankdata

    left, right = rankdata(x), rankdata(y)
    left, right = left - left.mean(), right - right.mean()
    strengths = np.abs(np.array(list(itertools.permutations(right))) @ left)
    return float(np.mean(strengths >= abs(right @ left) - 1e-9))


def plot_correlation_across_budgets(result: Result, *, ax: Axes | None = None) -> Axes:
    """Draw the rank correlation of losses between each two budgets, with n and p.

    Of more than 20 budgets it draws those where most trials succeeded, and says so.

    Parameters
    ----------
    result : Result
    ax : Axes, optional
        Default: the current axes.

    References
    ----------
    Spearman, C. (1904). The proof and measurement of association between two things.
    """
    ax = get_axes(ax)
    ax.set_title("Rank correlation of losses across budgets")
    pairs = correlate_budgets(result, _MOST)
    budgets = sorted({budget for pair in pairs for budget in pair.budgets})
    if not pairs:
        return explain(ax, _why_empty(result))
    labels = [format_budget(b) for b in budgets]
    size = len(budgets) - 1
    grid = np.full((size, size), np.nan)
    few = size <= _FEW
    fontsize = 11 if size <= 3 else 9 if few else 7
    for pair in pairs:
        column, row = budgets.index(pair.budgets[0]), budgets.index(pair.budgets[1]) - 1
        if pair.rho is not None:
            grid[row, column] = pair.rho
        dark = pair.rho is not None and abs(pair.rho) > 0.6
        ax.text(
            column, row, _words(pair) if few else _short(pair), ha="center", va="center",
            fontsize=fontsize, color="white" if dark else "black",
        )  # fmt: skip
    ax.set_yscale("linear")  # axes that held another plot may be logarithmic
    # Blue against red is safe for the colour-blind; both ends have the same weight.
    ax.imshow(grid, cmap="RdBu", vmin=-1, vmax=1, aspect="auto")
    ax.set_xticks(np.arange(size + 1) - 0.5, minor=True)
    ax.set_yticks(np.arange(size + 1) - 0.5, minor=True)
    ax.grid(which="minor", color="white", linewidth=1.5)
    ax.tick_params(which="both", length=0)
    ax.set_xticks(range(size), labels[:-1])
    ax.set_yticks(range(size), labels[1:])
    xlabel = "Lower budget" if few else "Lower budget (* p < 0.05)"
    total = len(_losses(result))
    if total > len(budgets):
        xlabel += f"\n{len(budgets)} of {total:,} budgets: where most trials succeeded"
    ax.set(xlabel=xlabel, ylabel="Higher budget")
    ax.spines[:].set_visible(False)
    return ax


def _words(pair: Correlation) -> str:
    count = f"n = {pair.n}"
    if pair.rho is None or pair.p is None:
        return f"{count}\n" + ("too few" if pair.n < _LEAST else "all equal")
    p = "p < 0.001" if pair.p < 0.001 else f"p = {pair.p:.3f}"
    return f"ρ = {pair.rho:.2f}\n{count}\n{p}"


def _short(pair: Correlation) -> str:
    """For small cells: ρ, with a star if it is hardly chance."""
    if pair.rho is None or pair.p is None:
        return "–"
    return f"{pair.rho:.2f}{'*' * (pair.p < 0.05)}"


def _why_empty(result: Result) -> str:
    if not result.history:
        return "No evaluation has finished yet"
    done = sorted({e.budget for e in result.evaluations if loss_of(e) is not None})
    if not done:
        total = plural(len(result.history), "evaluation")
        return f"No loss to correlate: none of {total} succeeded"
    return f"Nothing to correlate: only budget {format_budget(done[0])} has successes"
