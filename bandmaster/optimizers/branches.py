"""Another branch of a space with conditions than that of the best configuration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bandmaster.space import Space
from bandmaster.space.predicates import names_in

__all__ = ["Branch", "Branches"]

_SHARE = 1 / 3  # of proposals, in a space with branches
_FROM = 25  # trials that are known: with fewer every branch is looked at anyway
_OUTSIDE = -1e6  # off the log of an expected improvement

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Branch:
    """Where one choice has one value.

    Parameters
    ----------
    column : int
        The choice.
    value : int
        Its index.
    """

    column: int
    value: int

    def holds(self, rows: FloatArray) -> BoolArray:
        """Return which encoded rows are in it, bool (m,)."""
        inside: BoolArray = rows[:, self.column] == self.value
        return inside

    def ranked(self, rows: FloatArray, order: IntArray) -> tuple[IntArray, int]:
        """Return the rows inside, and the one that is to be improved.

        Parameters
        ----------
        rows : float64 (m, dim)
            Encoded.
        order : intp (m,)
            Of the rows, the best first.

        Returns
        -------
        intp (i,), int
            The order of the rows inside, and its first; while there are none, `order` and its last.
        """
        there = order[self.holds(rows[order])]
        return (there, int(there[0])) if len(there) else (order, int(order[-1]))

    def bar(self, rows: FloatArray) -> FloatArray:
        """Return what keeps rows outside from being chosen, added to an acquisition, (m,)."""
        return np.where(self.holds(rows), 0.0, _OUTSIDE)


class Branches:
    """Which parts of a space are looked at for their own sake.

    A configuration of another branch has other parameters, so a few bad ones say little about the
    best there, and a model that compares them with the best of all will not look again for long.
    So with 25 trials known and more every third proposal is made in another branch than that of
    the best, as if nothing were known beyond it.

    Parameters
    ----------
    space : Space

    Notes
    -----
    Branches are told apart by one choice that decides about what else is active, drawn among those
    that are active in the best configuration; its other values have the same chance.
    """

    def __init__(self, space: Space) -> None:
        deciding = {name for condition in space.conditions for name in names_in(condition.when)}
        self._values = {
            j: np.flatnonzero(np.ones(space.n_choices[j]) if weights is None else weights)
            for j, (name, weights) in enumerate(zip(space.names, space.weights, strict=True))
            if name in deciding and space.is_categorical[j]
        }

    def another(self, best: FloatArray, n: int, rng: np.random.Generator) -> Branch | None:
        """Return a branch to search, or None for most proposals.

        Parameters
        ----------
        best : float64 (dim,)
            An encoded row, in whose branch it will not be.
        n : int
            How many trials are known.
        rng : numpy.random.Generator
            Nothing is drawn in a space that has no branches.
        """
        columns = [j for j in self._values if not np.isnan(best[j])]
        if n < _FROM or not columns or rng.random() >= _SHARE:
            return None
        column = columns[int(rng.integers(len(columns)))]
        others = self._values[column][self._values[column] != best[column]]
        return Branch(column, int(rng.choice(others))) if len(others) else None
