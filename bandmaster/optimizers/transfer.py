"""What the evaluations of another study say about this one, and how far they can be trusted."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bandmaster.core.history import History
from bandmaster.optimizers.selection import thinned
from bandmaster.space import Space

__all__ = ["Transfer", "imported"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]
BoolArray = npt.NDArray[np.bool_]

_NEIGHBOURS = 5
_GRANTED = 6.0  # right pairs that an import is granted before any was seen
_WORTH = 3.0  # own results by which an import counts half
_CHUNK = 256  # own rows whose distances are held at once
_MOST_OWN, _MOST_IMPORTED = 128, 1000  # more are thinned evenly in their order


def imported(history: History) -> BoolArray:
    """Return which rows of a history came from another study, bool (n,): their trial is below 0."""
    mask: BoolArray = history.column("trial") < 0
    return mask


class Transfer:
    """Looks at the imported rows of a history that grows.

    What it says is a function of the history. What was found once is kept, so that looking again
    costs what is new.

    Parameters
    ----------
    space : Space
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        self._n_imported = 0
        self._shares = np.empty(0)

    def shares(self, history: History) -> FloatArray:
        """Return which share of the imported results is better, by and for every row; (n,).

        Of an imported row: among those of its budget. Of the study's own: what the nearest imported
        ones, by the mean difference over parameters, let expect.
        """
        n, theirs = len(history), imported(history)
        n_imported = int(theirs.sum())
        if n_imported != self._n_imported:
            self._n_imported = n_imported
            self._shares = np.empty(0)
        first = len(self._shares)
        if first < n:
            ranked = _shares(history, theirs)
            found = np.append(self._shares, ranked[first:])
            own = first + np.flatnonzero(~theirs[first:])
            known = thinned(np.flatnonzero(theirs), _MOST_IMPORTED)
            if len(own) and len(known):
                vectors = history.vectors
                for some in np.array_split(own, len(own) // _CHUNK + 1):
                    distance = _distances(self._space, vectors[some], vectors[known])
                    found[some] = _nearest(distance, ranked[known])
            self._shares = found
        return self._shares

    def weights(self, history: History) -> FloatArray:
        """Return how much each row of a history counts, float64 (n,): 1 for the study's own.

        Imported rows share one weight, 1 while nothing speaks against them. As soon as the study
        has results of its own it is how much better than chance the imported ones order them,
        budget by budget: with w of p pairs wrong it is ``max(0, 1 - 2 w / (p + 6))`` (after the
        ranking weights of Feurer et al. 2018). What they say of a configuration is the mean rank of
        its nearest neighbours among them. With n own results it is ``3 / (3 + n)`` of that: who has
        results of its own can do without.
        """
        theirs = imported(history)
        weights = np.ones(len(theirs))
        if theirs.any():
            shares, budgets = self.shares(history), history.column("budget")
            losses = np.where(history.column("ok"), history.losses, np.inf)
            wrong = pairs = 0.0
            for budget in history.budgets:
                if theirs[budgets == budget].any():
                    own = thinned(np.flatnonzero(~theirs & (budgets == budget)), _MOST_OWN)
                    counts = _disorder(shares[own], losses[own])
                    wrong, pairs = wrong + counts[0], pairs + counts[1]
            weights[theirs] = _trust(wrong, pairs) * _fading(int((~theirs).sum()))
        return weights

    def adopted(
        self, history: History, rows: IntArray, values: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Say what imported results mean on the scale of the study's own.

        What the imported rows expect of the own configurations, and how these turned out, gives a
        map from the one scale to the other: equal quantiles are equal, and what is expected to be
        better than all of the study's own goes on with their slope. The less the two agree the
        nearer all imported values are to the middle: what says nothing is neither good nor bad.

        Parameters
        ----------
        history : History
        rows : intp (k,)
            Of the history.
        values : float64 (k,)
            What each means, lower is better, inf for failures.

        Returns
        -------
        values, trust : float64 (k,)
            Own values are as they were and have trust 1.
        """
        theirs, trust = imported(history)[rows], np.ones(len(rows))
        own = np.flatnonzero(~theirs)
        if not theirs.any() or len(own) < 2:
            return values, trust
        shares = self.shares(history)[rows]
        seen = thinned(own, _MOST_OWN)
        trust[theirs] = believed = _trust(*_disorder(shares[seen], values[seen]))
        finite = seen[np.isfinite(values[seen])]
        if not len(finite):
            return values, trust
        x, y = np.sort(shares[finite]), np.sort(values[finite])
        half = len(y) // 2
        middle = y[half]
        with np.errstate(over="ignore", invalid="ignore"):  # losses may be as large as floats get
            slope = (middle - y[0]) / max(x[half] - x[0], 1e-3)
            mapped = np.interp(shares, x, y) - slope * np.maximum(x[0] - shares, 0.0)
            mapped = middle + believed * (mapped - middle)
        mapped = np.nan_to_num(mapped, nan=middle)
        result = np.where(theirs, mapped, values)
        result[theirs & ~np.isfinite(values)] = np.inf
        trust[theirs] = believed * _fading(len(own))
        return result, trust


def _shares(history: History, theirs: BoolArray) -> FloatArray:
    """Return each imported row's share of better ones at its budget, 0.5 for all other rows."""
    result = np.full(len(theirs), 0.5)
    budgets = history.column("budget")
    losses = np.where(history.column("ok"), history.losses, np.inf)
    for budget in np.unique(budgets[theirs]):
        rows = np.flatnonzero(theirs & (budgets == budget))
        ordered = np.sort(losses[rows])
        below = np.searchsorted(ordered, losses[rows], side="left")
        above = np.searchsorted(ordered, losses[rows], side="right")
        result[rows] = (below + above) / (2 * len(rows))
    return result


def _nearest(distance: FloatArray, shares: FloatArray) -> FloatArray:
    """Return the mean share of the nearest, the nearer the heavier; (n,) of distances (n, k)."""
    k = min(_NEIGHBOURS, len(shares))
    near = np.argpartition(distance, k - 1, axis=1)[:, :k]
    weights = 1.0 / (np.take_along_axis(distance, near, axis=1) + 1e-6)
    result: FloatArray = (shares[near] * weights).sum(axis=1) / weights.sum(axis=1)
    return result


def _disorder(predicted: FloatArray, values: FloatArray) -> tuple[float, float]:
    """Return how many pairs of different values are predicted in the wrong order, and all pairs.

    Equal predictions are half wrong.
    """
    better = values[:, None] < values
    wrong = (predicted[:, None] > predicted) + 0.5 * (predicted[:, None] == predicted)
    return float((better * wrong).sum()), float(better.sum())


def _trust(wrong: float, pairs: float) -> float:
    return max(0.0, 1.0 - 2.0 * wrong / (pairs + _GRANTED))


def _fading(n_own: int) -> float:
    return _WORTH / (_WORTH + n_own)


def _distances(space: Space, one: FloatArray, other: FloatArray) -> FloatArray:
    """Return the mean difference over columns, of every row to every other; (n, k).

    Of numbers and ordinals in shares of the range; 1 for another choice, or an inactive value
    beside an active one.
    """
    result = np.zeros((len(one), len(other)))
    for j in np.flatnonzero(space.n_values > 1).tolist():
        a, b = one[:, j, None], other[:, j]
        if space.is_categorical[j]:
            difference = (a != b).astype(np.float64)
        elif space.is_ordinal[j]:
            difference = np.abs(a - b) / (space.n_values[j] - 1)
        else:
            difference = np.abs(a - b)
        off_a, off_b = np.isnan(a), np.isnan(b)
        difference[off_a != off_b] = 1.0
        difference[off_a & off_b] = 0.0
        result += difference
    return result / space.dim
