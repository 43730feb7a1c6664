"""How far results at lower budgets can be trusted about the largest one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bandmaster.optimizers.selection import thinned

__all__ = ["Fused", "budget_weights", "fuse", "losses_by_trial", "ranking_losses"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

_DRAWS = 64
_LARGEST = float(np.finfo(np.float64).max)
_MOST_POINTS = 128  # of the observed ones; more are thinned evenly in their order
_GRANTED = 6.0  # pairs that a budget is believed to order right before any was seen


@dataclass(frozen=True, slots=True)
class Fused:
    """Results of several budgets on the scale of the largest one, a row a trial.

    Parameters
    ----------
    rows : intp (t,)
        Which evaluation each trial's is: the last one at the largest budget that it reached.
    values : float64 (t,)
        What a result means at the largest budget with results; inf for failures.
    trust : float64 (t,)
        From 0 to 1, how well the budgets order what larger ones have seen; 1 at the largest.
    """

    rows: npt.NDArray[np.intp]
    values: FloatArray
    trust: FloatArray


def fuse(trials: npt.ArrayLike, budgets: npt.ArrayLike, losses: npt.ArrayLike) -> Fused:
    """Say what every trial's result means at the largest budget.

    A trial counts by the largest budget it reached. From there down each budget is mapped by the
    trials that it shares with larger ones: equal quantiles are equal, and what lies beyond goes on
    with the slope of these (better than the best shared one is no better than it). With r of p
    pairs of shared trials in the right order the budget has the trust ``2 (r + c) / (p + c) - 1``,
    c being few pairs that are granted, and its values are pulled to the middle of the shared ones
    accordingly: what says nothing is neither good nor bad. Costs O(n log n) a budget.

    Parameters
    ----------
    trials, budgets, losses : array_like (n,)
        Of each evaluation; inf for failures, no NaN.
    """
    budgets = np.asarray(budgets, dtype=np.float64)
    trials = np.asarray(trials, dtype=np.int64)
    order = np.lexsort((budgets, trials))  # a stable sort: the last of equals is the latest
    last = np.append(trials[order][1:] != trials[order][:-1], True)
    rows = order[last] if len(order) else np.empty(0, dtype=np.intp)
    levels = np.unique(budgets).tolist()
    _, matrix = losses_by_trial(trials, budgets, losses, levels)
    values, trust = np.full(len(rows), np.nan), np.ones(len(rows))
    for results in matrix[::-1]:
        here, scored = ~np.isnan(results), ~np.isnan(values)
        new = here & ~scored
        if not scored.any():
            values[new] = results[new]
        elif new.any():
            both = here & scored
            values[new], trust[new] = _mapped(results[new], results[both], values[both])
    return Fused(rows, values, trust)


def _mapped(new: FloatArray, shared: FloatArray, scores: FloatArray) -> tuple[FloatArray, float]:
    """Return the scores of results at a budget, given some that have a score; and the trust."""
    kept = thinned(np.arange(len(shared)), _MOST_POINTS)
    shared, scores = shared[kept], scores[kept]
    wrong, pairs = _disorder(shared[None], scores)
    trust = 1.0 - 2.0 * float(wrong.sum()) / (float(pairs.sum()) + _GRANTED)
    trust = max(trust, 0.0)
    finite = np.isfinite(shared) & np.isfinite(scores)
    x, y = np.sort(shared[finite]), np.sort(scores[finite])
    if not len(x):
        return new, trust
    # In quarters: losses may be as far apart as floats get.
    new, x, y, middle = new / 4, x / 4, y / 4, y[len(y) // 2] / 4
    slope, by, times = 1.0, 0, 0
    if x[-1] > x[0] and y[-1] > y[0]:
        # They may be of quite other sizes than the scores. Times powers of 2, which changes no
        # digit, the largest of both is about 1, so that the slope is finite.
        by, times = -_exponent(x), -_exponent(y)
        x, y = np.ldexp(x, by), np.ldexp(y, times)
        slope = (y[-1] - y[0]) / (x[-1] - x[0])
    with np.errstate(over="ignore", invalid="ignore"):
        away = np.ldexp(new, by)
        mapped = np.interp(away, x, y) + slope * np.maximum(away - x[-1], 0.0)
        mapped = np.ldexp(mapped, -times)
    mapped = _clipped(np.where(np.isnan(mapped), middle, mapped))
    blended = 4 * _clipped(trust * mapped + (1.0 - trust) * middle)
    result: FloatArray = np.where(np.isfinite(new), blended, np.inf)
    return result, trust


def _clipped(quarters: FloatArray) -> FloatArray:
    return np.clip(quarters, -_LARGEST / 4, _LARGEST / 4)


def _exponent(x: FloatArray) -> int:
    """Return the least power of 2 that no number of `x` reaches."""
    return int(np.frexp(np.abs(x).max())[1])


def losses_by_trial(
    trials: npt.ArrayLike, budgets: npt.ArrayLike, losses: npt.ArrayLike, levels: Sequence[float]
) -> tuple[IntArray, FloatArray]:
    """Put evaluations into a matrix with a row a budget and a column a trial.

    Parameters
    ----------
    trials, budgets, losses : array_like (n,)
        Of each evaluation. The last one of a trial at a budget counts.
    levels : sequence of float
        The budgets that get a row; others are left out.

    Returns
    -------
    trials : int64 (t,)
        Ascending.
    losses : float64 (len(levels), t)
        NaN where a trial has none.
    """
    trials, budgets = np.asarray(trials, dtype=np.int64), np.asarray(budgets, dtype=np.float64)
    at = np.asarray(losses, dtype=np.float64)
    known, column = np.unique(trials, return_inverse=True)
    matrix = np.full((len(levels), len(known)), np.nan)
    for row, level in enumerate(levels):
        here = budgets == level
        matrix[row, column[here]] = at[here]
    return known, matrix


def ranking_losses(predictions: FloatArray, observed: FloatArray) -> FloatArray:
    """Return the share of pairs that each row of predictions puts in the wrong order.

    Parameters
    ----------
    predictions : float64 (k, n)
        NaN where a row says nothing: its pairs count as half wrong, as do equal predictions.
    observed : float64 (n,)
        Without NaN; pairs that are equal here do not count.

    Returns
    -------
    float64 (k,)
        In [0, 1]; 0.5 where there is no pair.
    """
    predictions = np.asarray(predictions, dtype=np.float64)
    wrong, pairs = _disorder(predictions, np.asarray(observed, dtype=np.float64))
    total = pairs.sum()
    if not total:
        return np.full(len(predictions), 0.5)
    result: FloatArray = wrong.sum(axis=(1, 2)) / total
    return result


def budget_weights(predictions: FloatArray, observed: FloatArray) -> FloatArray:
    """Return how much each budget's model should count in a prediction of the largest budget.

    The weight of a row is the probability that it orders the observed results best, over
    bootstrapped sets of these (Feurer et al. 2018; for budgets: Li et al., Hyper-Tune, 2022,
    equation 3). Ties go to the later row: give the budgets in ascending order. A row that does
    no better than chance on what was observed gets nothing unless all are so bad.

    Parameters
    ----------
    predictions : float64 (k, n)
        What each budget's model (or the results at that budget themselves) says of the n
        configurations that the largest budget has seen, lower is better; only the order counts.
        The largest budget's own row must be out-of-sample, e.g. by leaving one out, else it
        wins always. NaN where a row says nothing.
    observed : float64 (n,)
        Results at the largest budget, worst (inf) for failures.

    Returns
    -------
    float64 (k,)
        Not negative, sum 1. Equal shares where nothing can be compared. A pure function: the
        bootstrap draws from a generator of its own that always starts the same.
    """
    predictions = np.asarray(predictions, dtype=np.float64)
    observed = np.asarray(observed, dtype=np.float64)
    kept = thinned(np.arange(len(observed)), _MOST_POINTS)
    predictions, observed = predictions[:, kept], observed[kept]
    k, n = predictions.shape
    wrong, pairs = _disorder(predictions, observed)
    if not pairs.any():
        return np.full(k, 1.0 / k)
    rng = np.random.Generator(np.random.PCG64(n))
    counts = rng.multinomial(n, np.full(n, 1.0 / n), size=_DRAWS).astype(np.float64)
    counts[0] = 1.0
    losses = np.einsum("dn,knd->kd", counts, wrong @ counts.T)
    losses /= np.maximum(np.einsum("dn,nd->d", counts, pairs @ counts.T), 1e-300)
    hopeless = losses[:, 0] >= 0.5
    if not hopeless.all():
        losses[hopeless] = np.inf
    # The last of equals.
    best = k - 1 - np.argmin(losses[::-1], axis=0)
    weights: FloatArray = np.bincount(best, minlength=k) / len(best)
    return weights


def _disorder(predictions: FloatArray, observed: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return how wrong each row is about each pair, (k, n, n), and which pairs count, (n, n)."""
    better = (observed[:, None] < observed).astype(np.float64)
    p = predictions
    right = (p[:, :, None] < p[:, None, :]).astype(np.float64)
    reverse = (p[:, :, None] > p[:, None, :]).astype(np.float64)
    return better * (1.0 - right + reverse) / 2, better
