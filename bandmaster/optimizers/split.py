"""What a model learns from: the budget it models, the good and the bad observations."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bandmaster.core.history import History
from bandmaster.core.job import Job

__all__ = ["Split", "modelled_budget", "split"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Split:
    """Observations in two halves.

    Parameters
    ----------
    good, bad : float64 (g, dim), (b, dim)
        Encoded rows; pending trials are at the end of `bad`.
    weights : float64 (g,)
        Of the good ones, by how much better they are than the best that is not good; mean 1.
    n : int
        How many observations there are in all, the bad ones that were left out included.
    """

    good: FloatArray
    bad: FloatArray
    weights: FloatArray
    n: int


def modelled_budget(history: History, enough: int) -> float | None:
    """Return the largest budget with `enough` finished evaluations, one of them successful.

    Failed evaluations count: they tell where not to look. None while no budget has enough.
    """
    for budget in reversed(history.budgets):
        if history.count(budget) >= enough and history.best(budget) is not None:
            return budget
    return None


def split(
    history: History,
    budget: float,
    pending: Collection[Job],
    *,
    gamma: float,
    max_good: int,
    max_bad: int,
    rng: np.random.Generator,
) -> Split:
    """Divide what is known at a budget into good and bad.

    Parameters
    ----------
    history : History
    budget : float
        At least one evaluation there succeeded.
    pending : collection of Job
        Trials that are out count as bad until they finish (the constant liar of Ginsbourger et
        al. 2010), unless they finished at this budget already and run at a larger one.
    gamma, max_good : float, int
        ``min(ceil(gamma * n), max_good)`` observations are good; failed ones never are.
    max_bad : int
        More bad ones than this are thinned at random.
    rng : numpy.random.Generator
        For the thinning.
    """
    rows = np.flatnonzero(history.column("budget") == budget)
    ok = history.column("ok")[rows]
    losses = np.where(ok, history.losses[rows], np.inf)
    n = len(rows)
    n_good = min(math.ceil(gamma * n), max_good, int(ok.sum()))
    order = _lowest(losses, n_good)
    good, bad = order[:n_good], order[n_good:]
    weights = _improvement(losses[good], losses[bad[0]] if len(bad) else np.inf)
    if len(bad) > max_bad:
        bad = bad[rng.permutation(len(bad))[:max_bad]]
    known = history.vectors
    bad_rows = known[rows[bad]]
    if pending:
        trials = np.array([job.trial for job in pending])
        finished = np.isin(trials, history.column("trial")[rows])
        out = [
            job.vector
            for job, done in zip(pending, finished.tolist(), strict=True)
            if not done and job.vector is not None
        ]
        if out:
            bad_rows = np.vstack([bad_rows, *out])
    return Split(known[rows[good]], bad_rows, weights, n)


def _lowest(losses: FloatArray, n: int) -> IntArray:
    """Return an order whose first `n + 1` entries are the lowest losses, the earliest first."""
    if n + 1 >= len(losses):
        return np.argsort(losses, kind="stable")
    order = np.argpartition(losses, n)
    head = np.sort(order[: n + 1])
    order[: n + 1] = head[np.argsort(losses[head], kind="stable")]
    return order


def _improvement(losses: FloatArray, threshold: float) -> FloatArray:
    """Return weights in proportion to the improvement over the threshold, mean 1.

    Losses may be as large as floats get, hence the halves; all equal, they weigh the same.
    """
    if not math.isfinite(threshold):
        threshold = float(losses[-1])
    gain = threshold / 2 - losses / 2
    top = gain.max()
    if not top > 0.0:
        return np.ones(len(losses))
    weights = np.maximum(gain / top, 1e-12)
    result: FloatArray = weights / weights.mean()
    return result
