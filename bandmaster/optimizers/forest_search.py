"""Where a piecewise constant acquisition is highest: draws, and moves around good rows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from bandmaster.optimizers.population import Units

__all__ = ["ForestSearch"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]


class ForestSearch:
    """Maximises a function of encoded rows that has no gradient (as SMAC does, Hutter et al. 2011).

    Parameters
    ----------
    units : Units
    n_draws, n_near : int
        How many rows it starts from: at random, and around incumbents.
    n_climbs, n_moves, n_rounds : int
        How many of the best are climbed from, how many moves of each are tried, how often.
    """

    def __init__(
        self,
        units: Units,
        *,
        n_draws: int = 256,
        n_near: int = 512,
        n_climbs: int = 8,
        n_moves: int = 24,
        n_rounds: int = 3,
    ) -> None:
        self.units = units
        self.n_draws, self.n_near = n_draws, n_near
        self.n_climbs, self.n_moves, self.n_rounds = n_climbs, n_moves, n_rounds

    def best(
        self,
        value: Callable[[FloatArray], FloatArray],
        incumbents: FloatArray,
        rng: np.random.Generator,
    ) -> FloatArray:
        """Return legal rows, the best first.

        Parameters
        ----------
        value : callable
            Of encoded rows (m, dim), returns float64 (m,).
        incumbents : float64 (k, dim)
            Encoded rows around which it looks closer; k at least 1.
        rng : numpy.random.Generator
        """
        units = self.units
        pool = units.of(incumbents)
        starts = pool[rng.integers(len(pool), size=self.n_near)]
        near = self._moved(starts, pool, rng)
        points = np.concatenate([near, units.draw(self.n_draws, rng)])
        rows, values = self._valued(value, points)
        for _ in range(self.n_rounds if self.n_moves else 0):
            top = _best_first(values)[: self.n_climbs]
            starts = np.repeat(units.of(rows[top]), self.n_moves, axis=0)
            more, gained = self._valued(value, self._moved(starts, pool, rng))
            rows, values = np.concatenate([rows, more]), np.concatenate([values, gained])
        return rows[_best_first(values)]

    def _valued(
        self, value: Callable[[FloatArray], FloatArray], points: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        rows = self.units.rows(points)
        if self.units.space.forbidden:
            rows = rows[self.units.space.legal(rows)]
        return rows, value(rows) if len(rows) else np.empty(0)

    def _moved(self, points: FloatArray, pool: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Change one column or some: numbers by steps of many sizes, categoricals at random."""
        units = self.units
        n = len(points)
        active = ~np.isnan(points) & (units.space.n_values > 1)
        filled = units.fill(points, pool, rng)
        # One column for sure, each other with a chance that differs from row to row.
        share = rng.random((n, 1)) ** 2 * (rng.random((n, 1)) < 0.5)
        order = np.where(active, rng.random(points.shape), np.inf)
        change = (rng.random(points.shape) < share) | (order <= order.min(axis=1, keepdims=True))
        drawn = units.draw(n, rng)
        size = 10.0 ** rng.uniform(-2.5, -0.5, (n, 1))
        stepped = np.clip(filled + size * rng.standard_normal(points.shape), 0.0, 1.0)
        return np.where(change, np.where(units.categorical, drawn, stepped), filled)


def _best_first(values: FloatArray) -> IntArray:
    order: IntArray = np.argsort(-values, kind="stable")
    return order
