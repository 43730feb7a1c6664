"""The best observation of each of several places, when the best ones have gathered in one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bandmaster.optimizers.selection import lowest

__all__ = ["best_apart"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

_APART = 0.1  # of the range of one column at least
_GATHERED = 0.25  # so many places of n good observations, or fewer, are few
_FIRST = 4  # columns that are compared first
_MOST = 1000  # of more observations only the best are looked at


def best_apart(unit: FloatArray, losses: FloatArray, n: int) -> IntArray | None:
    """Return the best `n` observations of which no two are near each other.

    The best of all, then the best that is not near it, and so on: what is left of a population
    after clearing (Pétrowski 1996).

    Parameters
    ----------
    unit : float64 (m, dim)
        Numbers on [0, 1], choices by their index, NaN where inactive. Two rows are near when no
        column differs by a tenth, and none is active in one of them only.
    losses : float64 (m,)
        Infinite ones are never among the best.
    n : int
        At least 1.

    Returns
    -------
    intp (at most n,), or None
        The best first. None while the best `n` of all are spread over more than a quarter as many
        places: then they are no crowd. None also where all places that are found, fewer than n
        then, are of the best n: there is nowhere else to look.
    """
    order = lowest(losses, _MOST)[:_MOST]
    order = order[np.isfinite(losses[order])]
    if len(_places(unit[order[:n]], n)) > max(1.0, _GATHERED * n):
        return None
    found = _places(unit[order], n)
    return order[found] if len(found) and found[-1] >= n else None


def _places(unit: FloatArray, n: int) -> IntArray:
    """Return which rows are not near one before them that is not either; `n` at most."""
    columns = np.nan_to_num(unit.T, nan=-1.0, copy=True)
    few = columns[:_FIRST]  # they tell most rows apart
    alive = np.ones(len(unit), dtype=np.bool_)
    found: list[int] = []
    while len(found) < n and alive.any():
        best = int(alive.argmax())
        found.append(best)
        near = (np.abs(few - few[:, best, None]).max(axis=0) < _APART).nonzero()[0]
        away = columns[:, near] - columns[:, best, None]
        alive[near[np.abs(away).max(axis=0) < _APART]] = False
    return np.array(found, dtype=np.intp)
