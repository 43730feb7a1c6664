"""Searches compared: the best loss so far of several results, repeated runs as median and band."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from matplotlib.ticker import MaxNLocator

from bandmaster.core.formatting import format_budget
from bandmaster.errors import ConfigurationError
from bandmaster.plotting.canvas import (
    TimeAxis,
    add_legend,
    color_of,
    explain,
    get_axes,
    log_if_wide,
    style_of,
    why_no_loss,
    wrap_words,
)
from bandmaster.plotting.data import Columns
from bandmaster.plotting.scales import span_for
from bandmaster.study.result import Result

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Curve", "plot_convergence", "summarise_runs"]

_BANDS: Final = {"interquartile": (0.25, 0.75), "range": (0.0, 1.0)}
_AXES: Final = ("evaluations", "budget", "time")

Runs = Result | Sequence[Result]


@dataclass(frozen=True, slots=True)
class Curve:
    """The best loss so far as a step function: it is `best[i]` from `x[i]` on, shape (n,) each."""

    x: np.ndarray
    best: np.ndarray


def plot_convergence(
    results: Runs | Sequence[Runs] | Mapping[str, Runs],
    labels: Sequence[str] | None = None,
    *,
    x: str = "evaluations",
    budget: float | None = None,
    band: str = "interquartile",
    ax: Axes | None = None,
) -> Axes:
    """Compare the convergence of searches; of repeated runs the median and a band.

    Parameters
    ----------
    results : Result, sequence or mapping
        One result a curve, or a list of results: the same search repeated with other seeds. A
        mapping has the labels for its keys.
    labels : sequence of str, optional
        One for each curve. Default: counted from 1.
    x : {"evaluations", "budget", "time"}
        What a search spends: its evaluations at the budget that is drawn, the sum of the budgets of
        all its evaluations, or time since its start.
    budget : float, optional
        Where the loss is measured. Default: each result's largest with a success.
    band : {"interquartile", "range"}
        Of repeated runs: from the first to the third quartile, or from the best to the worst.
    ax : Axes, optional
        Default: the current axes.

    Raises
    ------
    ConfigurationError
        If there are not as many labels as curves, or there is no such axis or band.

    Notes
    -----
    A run has the worst possible loss before its first success, and keeps its best after its end,
    so runs of different lengths can be compared. Where the median has no value yet nothing is
    drawn; a band whose worse side has none reaches to the worst value in the plot.
    """
    if x not in _AXES:
        raise ConfigurationError(f"no axis {x!r}; there are {', '.join(map(repr, _AXES))}")
    if band not in _BANDS:
        raise ConfigurationError(f"no band {band!r}; there are {', '.join(map(repr, _BANDS))}")
    curves = _named(results, labels)
    every = [run for runs in curves.values() for run in runs]
    sign = _sign(every)
    ax = get_axes(ax)
    columns = {id(run): Columns.of(run) for run in every}
    time = TimeAxis.over(0.0, max((_spent(c) for c in columns.values()), default=0.0))
    words = {"evaluations": "Evaluations", "budget": "Cumulative budget", "time": time.label}[x]
    budgets = {_measured(columns[id(run)], budget) for run in every} - {None}
    ax.set(title="Convergence", xlabel=words, ylabel=_label(every, budgets))
    found = {}
    for label, runs in curves.items():
        lines = [_curve(columns[id(run)], x, budget, time) for run in runs]
        steps, *quantiles = summarise_runs(lines, _BANDS[band])
        shown = np.isfinite(quantiles[0])
        if shown.any():
            found[label] = (steps[shown], [sign * line[shown] for line in quantiles], len(runs))
    if not found:
        return explain(ax, _why_empty(list(columns.values()), budget))
    drawn = np.concatenate([line for _, lines, _ in found.values() for line in lines])
    finite = drawn[np.isfinite(drawn)]
    worst = finite.max() if sign > 0 else finite.min()
    for number, label in enumerate(curves):
        if label not in found:
            continue
        steps, (median, low, high), count = found[label]
        color = color_of(number)
        ax.plot(
            steps, median, drawstyle="steps-post", color=color, linestyle=style_of(number),
            marker="o" if np.isfinite(median).sum() == 1 else None, markersize=5,
            label=label if count == 1 else f"{label} (n = {count})",
        )  # fmt: skip
        if count > 1:
            high = np.where(np.isfinite(high), high, worst)
            ax.fill_between(steps, low, high, step="post", color=color, alpha=0.2, linewidth=0)
    log_if_wide(ax, finite, span=span_for(every[0]))
    ax.set_xlim(left=0)
    if x == "evaluations":
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.grid(alpha=0.3)
    repeated = any(count > 1 for _, _, count in found.values())
    middle = "median, quartiles" if band == "interquartile" else "median, range"
    if repeated or len(curves) > 1 or labels is not None:
        add_legend(ax, middle if repeated else None)
    return ax


def summarise_runs(
    curves: Sequence[Curve], quantiles: tuple[float, float] = (0.25, 0.75)
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return the median and two quantiles of step functions, wherever one of them changes.

    Returns
    -------
    x : ndarray of shape (k,)
        Ascending.
    median, low, high : ndarray of shape (k,)
        Infinite where too few runs have a value; there is no interpolation towards infinity.
    """
    if not curves:
        nothing = np.zeros(0)
        return nothing, nothing, nothing, nothing
    x = np.unique(np.concatenate([curve.x for curve in curves]))
    values = np.full((len(curves), len(x)), np.inf)
    for row, curve in enumerate(curves):
        where = np.searchsorted(curve.x, x, side="right") - 1
        values[row, where >= 0] = curve.best[where[where >= 0]]
    values.sort(axis=0)
    median, low, high = (_quantile(values, q) for q in (0.5, *quantiles))
    return x, median, low, high


def _quantile(ordered: np.ndarray, q: float) -> np.ndarray:
    """The linear quantile along the first axis of sorted values, some of them infinite."""
    place = q * (len(ordered) - 1)
    low, high = ordered[int(np.floor(place))], ordered[int(np.ceil(place))]
    share = place - np.floor(place)
    with np.errstate(invalid="ignore"):  # infinity times no share
        mixed = low + share * (high - low)
    return np.where(np.isfinite(high), mixed, np.inf) if share else low


def _measured(columns: Columns, budget: float | None) -> float | None:
    """The budget at which the loss is measured; None without a success."""
    if budget is not None:
        return budget
    return float(columns.budget[columns.counts].max()) if columns.counts.any() else None


def _curve(columns: Columns, x: str, budget: float | None, time: TimeAxis) -> Curve:
    """The best loss of one run at its budget, from the first success on, and at its end."""
    here = columns.budget == _measured(columns, budget)
    loss = np.where(here & columns.counts, columns.loss, np.inf)
    if x == "evaluations":
        spent = np.cumsum(here).astype(float)
    elif x == "budget":
        spent = np.cumsum(columns.budget)
    else:
        spent = (columns.known - columns.started.min(initial=np.inf)) / time.seconds
    best = np.minimum.accumulate(loss)
    kept = best < np.append(np.inf, best)[:-1]
    if kept.any():
        kept[-1] = True
    return Curve(spent[kept], best[kept])


def _spent(columns: Columns) -> float:
    return float(columns.known[-1] - columns.started.min()) if len(columns) else 0.0


def _named(
    results: Runs | Sequence[Runs] | Mapping[str, Runs], labels: Sequence[str] | None
) -> dict[str, list[Result]]:
    """The runs of each curve by its label."""
    if isinstance(results, Mapping):
        if labels is not None:
            raise ConfigurationError("a mapping of results has its own labels; leave out `labels`")
        labels, groups = list(results), list(results.values())
    else:
        groups = [results] if isinstance(results, Result) else list(results)
        if labels is None:
            labels = [f"search {i}" for i in range(1, len(groups) + 1)] if groups[1:] else ["best"]
            labels = labels[: len(groups)]
    if isinstance(labels, str):
        labels = [labels]
    if len(labels) != len(groups) or len(set(labels)) != len(groups):
        raise ConfigurationError(
            f"{len(groups)} curves need as many different labels, got {list(labels)!r}"
        )
    return {
        label: [group] if isinstance(group, Result) else list(group)
        for label, group in zip(labels, groups, strict=True)
    }


def _sign(every: Sequence[Result]) -> float:
    signs = {run.objectives.primary.sign for run in every} or {1.0}
    if len(signs) > 1:
        raise ConfigurationError(
            "results that minimise and results that maximise cannot be compared in one plot"
        )
    return signs.pop()


def _label(every: Sequence[Result], budgets: set[float | None]) -> str:
    names = list(dict.fromkeys(run.objectives.primary.name for run in every))
    one = budgets.copy().pop() if len(budgets) == 1 else None
    several = any(len(run.budgets) > 1 for run in every)
    at = f" at budget {format_budget(one)}" if one is not None and several else ""
    return wrap_words(f"Best {' or '.join(names) or 'loss'} so far{at}", 40)


def _why_empty(every: Sequence[Columns], budget: float | None) -> str:
    if not every:
        return "No results to compare"
    at = "" if budget is None else f" at budget {format_budget(budget)}"
    with_success = sum((c.counts & (c.budget == _measured(c, budget))).any() for c in every)
    if with_success:
        return f"There is no median: only {with_success} of {len(every)} runs had a success{at}"
    if at and any(c.counts.any() for c in every):
        return f"No evaluation{at} succeeded"
    return why_no_loss(sum(map(len, every)))
