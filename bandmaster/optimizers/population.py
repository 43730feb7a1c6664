"""What the evolutionary optimizers share: fitness, and points that can be added."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from bandmaster.core.history import History
from bandmaster.optimizers.pareto import best_first
from bandmaster.optimizers.targets import Targets
from bandmaster.space import Space

__all__ = ["Units", "fitness", "populated_budget"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]
BoolArray = npt.NDArray[np.bool_]


def fitness(targets: Targets, rows: IntArray, *, exact: bool = True) -> FloatArray:
    """Return how bad the evaluations of some rows are compared with each other, lower is better.

    The losses themselves, where one objective and no constraint say all. Else places: the feasible
    first, by Pareto rank and hypervolume; then the infeasible by their violations, each
    constraint's in shares of its largest (Deb 2000). Failed evaluations get inf.

    Parameters
    ----------
    targets : Targets
    rows : intp (k,)
        Of one budget.
    exact : bool, default True
        Whether places within a Pareto rank go by hypervolume, or by crowding.

    Returns
    -------
    float64 (k,)
    """
    values = targets.values[rows]
    if targets.plain:
        return np.where(np.isnan(values[:, 0]), np.inf, values[:, 0])
    result = np.full(len(rows), np.inf)
    ok = ~np.isnan(values[:, 0])
    good = targets.feasible[rows] & ~np.isnan(values).any(axis=1)
    feasible = np.flatnonzero(good)
    if targets.n_objectives == 1:  # equal losses stay equal
        result[feasible] = np.unique(values[feasible, 0], return_inverse=True)[1].reshape(-1)
    else:
        result[feasible[best_first(values[feasible], exact=exact)]] = np.arange(len(feasible))
    infeasible = np.flatnonzero(ok & ~good)
    if len(infeasible):
        amount = np.maximum(targets.violations[rows[infeasible]], 0.0)
        largest = np.nanmax(amount, axis=0, initial=math.ulp(0.0))
        share = np.where(np.isnan(amount), 1.0, amount / largest)
        places = np.unique(share.sum(axis=1), return_inverse=True)[1].reshape(-1)
        result[infeasible] = len(rows) + places
    return result


def populated_budget(history: History, budget: float, enough: int) -> float | None:
    """Return the largest budget with `enough` successes, else where most succeeded.

    None while nothing did.
    """
    counts = {b: int(history.column("ok")[history.at_budget(b)].sum()) for b in history.budgets}
    full = [b for b, n in counts.items() if n >= enough]
    if full:
        return max(full)
    some = [b for b, n in counts.items() if n]
    return max(some, key=lambda b: (counts[b], b == budget, b)) if some else None


class Units:
    """Encoded rows as points whose columns can be added and subtracted.

    Ordinals lie on [0, 1] as numbers do; categoricals stay indices.

    Attributes
    ----------
    free : intp (f,)
        The columns with more than one value.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self.free: IntArray = np.flatnonzero(space.n_values > 1)
        self.categorical: BoolArray = np.asarray(space.is_categorical)
        self._ordinals = np.flatnonzero(space.is_ordinal)
        self._sizes = space.n_values[self._ordinals]

    def of(self, rows: FloatArray) -> FloatArray:
        """Return the points of encoded rows; NaN stays."""
        points = np.array(rows, dtype=np.float64)
        points[:, self._ordinals] = (points[:, self._ordinals] + 0.5) / self._sizes
        return points

    def rows(self, points: FloatArray) -> FloatArray:
        """Return legal-looking rows: clipped, on the grid, NaN where inactive."""
        rows = np.array(points)
        rows[:, self._ordinals] = np.floor(rows[:, self._ordinals] * self._sizes)
        repaired: FloatArray = self.space.repair(rows)
        return repaired

    def draw(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Draw points of the prior with every column filled, active or not; shape (n, dim).

        What is inactive comes evenly from all values; only what a mutation makes active sees it.
        """
        points = self.of(self.space.from_unit(rng.random((n, self.space.dim))))
        even = rng.random(points.shape)
        sizes = np.maximum(np.where(self.categorical, self.space.n_values, 1.0), 1.0)
        even = np.where(self.categorical, np.floor(even * sizes), even)
        return np.where(np.isnan(points), even, points)

    def fill(self, points: FloatArray, pool: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Fill the inactive columns of points from rows of the pool that have them, or the prior.

        So what others learned about a branch is not lost on who enters it.
        """
        result = points.copy()
        holes = np.isnan(result)
        if not holes.any():
            return result
        drawn = self.draw(len(points), rng)
        for j in np.flatnonzero(holes.any(axis=0)):
            at = np.flatnonzero(holes[:, j])
            known = pool[~np.isnan(pool[:, j]), j]
            result[at, j] = (
                known[rng.integers(len(known), size=len(at))] if len(known) else drawn[at, j]
            )
        return result
