"""How far the evaluations of another study can be trusted about this one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bandmaster.core.history import History
from bandmaster.space import Space

__all__ = ["Transfer", "imported", "row_weights", "trust"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_NEIGHBOURS = 5
_BELIEVED = 4  # own evaluations' worth of right pairs that an import is granted before any is seen
_MOST_OWN, _MOST_IMPORTED = 96, 1000  # more are thinned evenly in their order
_GROWTH = 1.1


def imported(history: History) -> BoolArray:
    """Return which rows of a history came from another study, bool (n,): their trial is below 0."""
    mask: BoolArray = history.column("trial") < 0
    return mask


def trust(
    space: Space, theirs: FloatArray, their_losses: FloatArray, own: FloatArray, losses: FloatArray
) -> tuple[float, float]:
    """Return how many pairs of own results another study orders right, and how many there are.

    It says of each own configuration the mean rank of its nearest neighbours among its own. Pairs
    that are equal here do not count, equal predictions are half right.

    Parameters
    ----------
    space : Space
    theirs, own : float64 (k, dim), (n, dim)
        Encoded rows.
    their_losses, losses : float64 (k,), (n,)
        Lower is better, inf for failures.
    """
    order = np.argsort(np.argsort(their_losses, kind="stable"), kind="stable").astype(np.float64)
    for value in np.unique(their_losses[np.isinf(their_losses)]):
        order[their_losses == value] = order[their_losses == value].mean()
    distance = _distances(space, own, theirs)
    k = min(_NEIGHBOURS, len(theirs))
    near = np.argpartition(distance, k - 1, axis=1)[:, :k]
    weights = 1.0 / (np.take_along_axis(distance, near, axis=1) + 1e-6)
    predicted = (order[near] * weights).sum(axis=1) / weights.sum(axis=1)
    better = losses[:, None] < losses
    right = (predicted[:, None] < predicted) + 0.5 * (predicted[:, None] == predicted)
    return float((better * right).sum()), float(better.sum())


def row_weights(space: Space, history: History) -> FloatArray:
    """Return how much each row of a history counts, float64 (n,): 1 for the study's own.

    Imported rows share one weight, 1 while nothing speaks against them. As soon as the study has
    results of its own it is how much better than chance the imported ones order them, budget by
    budget: with r of p pairs right it is ``max(0, 2 (r + c) / (p + c) - 1)``, c being the pairs of
    four evaluations; at budgets that the two do not share there is nothing to compare (the ranking
    weights of Feurer et al. 2018).
    """
    return Transfer(space).weights(history)


class Transfer:
    """Does what `row_weights` does, again and again for a history that grows.

    The weight is measured anew when the own evaluations have grown by a tenth, or others were
    imported: at counts that the history alone determines, so it is a pure function of it.

    Parameters
    ----------
    space : Space
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        self._known: tuple[tuple[int, int], float] | None = None

    def weights(self, history: History) -> FloatArray:
        """Return how much each row counts; see `row_weights`."""
        theirs = imported(history)
        weights = np.ones(len(theirs))
        n_theirs = int(theirs.sum())
        if n_theirs:
            weights[theirs] = self._weight(history, theirs, len(theirs) - n_theirs, n_theirs)
        return weights

    def _weight(self, history: History, theirs: BoolArray, n_own: int, n_theirs: int) -> float:
        at = _scheduled(n_own)
        if self._known is None or self._known[0] != (at, n_theirs):
            self._known = (at, n_theirs), self._measure(history, theirs, at)
        return self._known[1]

    def _measure(self, history: History, theirs: BoolArray, n_own: int) -> float:
        ours = np.flatnonzero(~theirs)[:n_own]
        budgets, vectors = history.column("budget"), history.vectors
        losses = np.where(history.column("ok"), history.losses, np.inf)
        right = pairs = 0.0
        for budget in np.unique(budgets[ours]):
            own = _thinned(ours[budgets[ours] == budget], _MOST_OWN)
            other = _thinned(np.flatnonzero(theirs & (budgets == budget)), _MOST_IMPORTED)
            if len(own) > 1 and len(other) > 1:
                found = trust(self._space, vectors[other], losses[other], vectors[own], losses[own])
                right, pairs = right + found[0], pairs + found[1]
        granted = _BELIEVED * (_BELIEVED - 1) / 2
        return max(0.0, 2 * (right + granted) / (pairs + granted) - 1)


def _scheduled(n: int) -> int:
    """Return the last count of a fixed schedule, up to `n`, at which the weight is measured."""
    at = min(n, 2)
    while (following := max(at + 1, int(at * _GROWTH))) <= n:
        at = following
    return at


def _thinned(rows: npt.NDArray[np.intp], most: int) -> npt.NDArray[np.intp]:
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).astype(np.intp)]


def _distances(space: Space, one: FloatArray, other: FloatArray) -> FloatArray:
    """Return the mean difference over columns, of every row to every other; (n, k).

    Of numbers and ordinals in shares of the range; 1 for another choice, or an inactive value
    beside an active one.
    """
    result = np.zeros((len(one), len(other)))
    for j in range(space.dim):
        if space.n_values[j] <= 1:
            continue
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
    return result / max(space.dim, 1)
