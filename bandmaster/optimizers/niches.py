"""The best observation of each of several places, when the best ones have gathered in one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["best_apart"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

_APART = 0.1  # of the range of one column at least
_GATHERED = 0.25  # so many places of n good observations, or fewer, are few
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
        places: then they are no crowd.
    """
    order = np.argsort(losses, kind="stable")[:_MOST]
    order = order[np.isfinite(losses[order])]
    places = np.nan_to_num(unit[order], nan=-1.0)
    alive = np.arange(len(order))
    found: list[int] = []
    gathered = False
    while len(alive) and len(found) < n:
        best = alive[0]
        if best >= n and not gathered:
            if len(found) > max(1.0, _GATHERED * n):
                return None
            gathered = True
        found.append(int(best))
        distance = np.abs(places[alive] - places[best]).max(axis=1)
        alive = alive[distance >= _APART]
    return order[found] if gathered else None
