"""How the loss of each trial fell with its budget."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from bandmaster.core.formatting import format_budget
from bandmaster.plotting.canvas import (
    COLOURS,
    add_legend_above,
    capitalised,
    explain,
    get_axes,
    log_if_wide,
    plural,
    why_no_loss,
    wrap_words,
)
from bandmaster.plotting.data import HUGE
from bandmaster.plotting.scales import span_for

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bandmaster.study.result import Result

__all__ = ["plot_learning_curves"]

_FEW = 300  # curves; more are thinner and without dots on them
_RATIO = 1.5  # of neighbouring budgets, from which they stand on a logarithmic axis
_TICKS = 12  # budgets that can each have a tick


def plot_learning_curves(
    result: Result,
    lc_extractor: Callable[[list[Any]], list[Any]] | None = None,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw the loss (or the metric) of each trial over its budgets, the best one highlighted.

    Trials that reached the largest budget are dark, others light; a trial with one loss is a dot.

    Parameters
    ----------
    result : Result
    lc_extractor : callable, optional
        Makes of a configuration's runs (see `Result.get_runs_by_id`) a list of curves, each a
        sequence of (step, loss): of what they reported (`study.reports.ReportedCurves`), or of
        what `compute` returned under ``"info"`` for each epoch. By default one curve: the losses
        at the budgets where it ran.
    ax : Axes, optional
        Default: the current axes.
    """
    ax = get_axes(ax)
    name = wrap_words(capitalised(result.objectives.primary.name))
    unit = "Budget" if lc_extractor is None else "Step"
    ax.set(title="Learning curves", xlabel=unit, ylabel=name)
    trials, curves = _curves(result, lc_extractor)
    if not curves:
        if lc_extractor is not None and result.best is not None:
            return explain(ax, "The extractor found no curve in any trial's runs")
        return explain(ax, why_no_loss(len(result.history)))
    points = np.concatenate(curves)
    longest = points[:, 0].max()
    far = np.array([curve[-1, 0] == longest for curve in curves])
    few = len(curves) <= _FEW
    alpha = float(np.clip(40 / len(curves), 0.08, 0.7))
    several = bool(np.any(points[:, 0] != longest))
    looks = (
        (~far, "0.55", "ended earlier"),
        (far, COLOURS[0], f"reached the largest {unit.lower()}"),
    )
    handles = []
    for group, color, label in looks:
        drawn = [curve for curve, take in zip(curves, group, strict=True) if take]
        if not drawn:
            continue
        lines = [curve for curve in drawn if len(curve) > 1]
        ax.add_collection(LineCollection(lines, colors=color, linewidths=0.9, alpha=alpha))
        dots = np.concatenate(drawn if few else [curve[-1:] for curve in drawn])
        ax.plot(
            *dots.T,
            ".",
            color=color,
            markersize=6 if few else 4,
            alpha=max(alpha, 0.3),
            markeredgewidth=0,
        )
        words = label if several else plural(len(drawn), "trial")
        handles.append(Line2D([], [], color=color, marker=".", markersize=5, label=words))
    best = None if result.best is None else result.best.trial
    first = True
    for trial, curve in zip(trials, curves, strict=True):
        if trial == best:
            (line,) = ax.plot(
                *curve.T, "o-", color=COLOURS[1], linewidth=2.2, markersize=5, zorder=4,
                label=f"best (trial {best})",
            )  # fmt: skip
            handles += [line] * first
            first = False
    _scale_budgets(ax, points[:, 0])
    ax.autoscale_view()
    log_if_wide(ax, points[:, 1], span=span_for(result))
    ax.grid(alpha=0.3)
    add_legend_above(ax, handles=handles)
    return ax


def _curves(
    result: Result, extract: Callable[[list[Any]], list[Any]] | None
) -> tuple[list[int], list[np.ndarray]]:
    """The trial and the points, shape (n, 2), of each curve, without points that are not finite."""
    sign = result.objectives.primary.sign
    found = result.get_learning_curves() if extract is None else result.get_learning_curves(extract)
    trials, curves = [], []
    for (*_, trial), of_trial in found.items():
        for curve in of_trial if trial >= 0 else ():  # the others are of another study
            points = np.array(list(curve), dtype=float).reshape(-1, 2)
            points = points[np.all(np.isfinite(points), axis=1)]
            if len(points):
                trials.append(trial)
                curves.append(np.clip(points, -HUGE, HUGE) * (1.0, sign))
    return trials, curves


def _scale_budgets(ax: Axes, budgets: np.ndarray) -> None:
    """A tick for each budget if there are few; a logarithmic axis if they are far apart."""
    different = np.unique(budgets)
    ax.set_xscale("linear")
    ratio = different[-1] / different[0] if different[0] > 0 else 1.0
    if ratio ** (1 / max(len(different) - 1, 1)) >= _RATIO:
        ax.set_xscale("log")
    if len(different) <= _TICKS:
        ax.xaxis.set_major_locator(FixedLocator(different.tolist()))
        ax.xaxis.set_major_formatter(FuncFormatter(lambda budget, _: format_budget(budget)))
        ax.xaxis.set_minor_locator(NullLocator())
