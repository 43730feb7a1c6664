"""Where an acquisition function is highest: draws, moves around incumbents, gradient steps."""

from __future__ import annotations

from bisect import bisect_left
from typing import Protocol

import numpy as np
import numpy.typing as npt

from bandmaster.models.descent import descend
from bandmaster.space import Space
from bandmaster.space.columns import make_column

__all__ = ["Acquisition", "AcquisitionSearch"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

_FINE = 32  # numbers with more values are moved by gradients, those with fewer by steps
_MOVES = 64  # of a row in a round, at most
_ROUNDS = 3
_CLIMBS = 4  # of the best candidates are improved
_LITTLE = 1e-6  # what a step gains, as a share, when a climb is over


class Acquisition(Protocol):
    """What is maximised over encoded rows."""

    def value(self, rows: FloatArray) -> FloatArray:
        """Return the value at each row, shape (m,)."""

    def gradient(self, rows: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return values (m,) and derivatives by all columns (m, dim), 0 for categorical ones."""


class AcquisitionSearch:
    """Maximises acquisitions over the legal rows of a space.

    Parameters
    ----------
    space : Space
    n_candidates : int, default 768
        Rows to begin with: two thirds at random, the others around incumbents.
    n_steps : int, default 30
        By gradients, for each of the four best, at most.
    """

    def __init__(
        self, space: Space, *, n_candidates: int = 768, n_steps: int = 30,
    ) -> None:  # fmt: skip
        self.space = space
        self.n_local = n_candidates // 3
        self.n_draws = n_candidates - self.n_local
        self.n_steps = n_steps
        free = space.n_values > 1
        self._fine: IntArray = np.flatnonzero(free & (space.n_values > _FINE) & space.is_numeric)
        self._coarse: IntArray = np.flatnonzero(
            free & ((space.n_values <= _FINE) & space.is_numeric | space.is_ordinal)
        )
        self._choices: IntArray = np.flatnonzero(free & space.is_categorical)
        self._free: IntArray = np.flatnonzero(free)
        # On a log scale cells differ in width: a step of the mean stays in wide ones, skips others.
        grids = {j: make_column(space.parameters[j]) for j in self._coarse if space.is_log[j]}
        self._uneven = {
            int(j): (grid, [grid.code(k) for k in range(int(grid.n_values))])
            for j, grid in grids.items()
        }
        # A step of so much goes from one end of a column to the other.
        self._span = np.where(space.is_numeric, 1.0, np.maximum(space.n_values - 1, 1.0))

    def best(
        self,
        acquisition: Acquisition,
        incumbents: FloatArray,
        rng: np.random.Generator,
        *,
        effort: float = 1.0,
    ) -> FloatArray:
        """Return legal rows, the best first.

        Parameters
        ----------
        acquisition : Acquisition
        incumbents : float64 (k, dim)
            Encoded rows around which it looks closer.
        rng : numpy.random.Generator
        effort : float, default 1.0
            Share of the gradient steps that may be taken.
        """
        latent = np.concatenate(
            [self._draw(self.n_draws, rng), self._around(incumbents, self.n_local, rng)]
        )
        latent, rows, value = self._evaluated(acquisition, latent)
        top = self._order(value)[:_CLIMBS]
        found = [(rows, value)]
        latent, rows, value = latent[top], rows[top], value[top]
        if len(self._coarse) or len(self._choices):
            latent, rows, value = self._steps(acquisition, latent, rows, value, rng)
            found.append((rows, value))
        if len(self._fine):
            climbed = self._climb(acquisition, latent, round(effort * self.n_steps))
            _, rows, value = self._evaluated(acquisition, climbed)
            found.append((rows, value))
        rows, value = (np.concatenate(part) for part in zip(*found, strict=True))
        result: FloatArray = rows[self._order(value)]
        return result

    # ---- rows with every column filled, active or not, so that a move may make one active

    def _draw(self, n: int, rng: np.random.Generator) -> FloatArray:
        return self._filled(self.space.sample(n, rng), rng)

    def _filled(self, rows: FloatArray, rng: np.random.Generator) -> FloatArray:
        if not self.space.is_conditional.any():
            return rows
        filler = self.space.fill(rng.random(rows.shape))
        result: FloatArray = np.where(np.isnan(rows), filler, rows)
        return result

    def _around(self, incumbents: FloatArray, n: int, rng: np.random.Generator) -> FloatArray:
        """Change some columns of incumbents, numbers by normal steps of different sizes."""
        if not len(incumbents):
            return np.empty((0, self.space.dim))
        latent = self._filled(incumbents[np.arange(n) % len(incumbents)], rng)
        size = 10.0 ** rng.uniform(-2.5, -0.5, (n, 1))
        share = np.maximum(rng.random((n, 1)), min(1.0, 2 / len(self._free)))
        change = rng.random(latent.shape) < share
        moved = latent + np.where(change, rng.standard_normal(latent.shape) * size * self._span, 0)
        below, above = moved < 0, moved > self._span
        moved = np.where(below, -moved, np.where(above, 2 * self._span - moved, moved))
        moved = np.clip(moved, 0, self._span)
        if len(self._choices):
            j = self._choices
            swap = rng.random((n, len(j))) < np.minimum(share, 0.3)
            drawn = self._draw(n, rng)[:, j]
            moved[:, j] = np.where(swap, drawn, latent[:, j])
        return moved

    def _evaluated(
        self, acquisition: Acquisition, latent: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        rows = self.space.repair(latent)
        if self.space.forbidden:
            legal = self.space.legal(rows)
            latent, rows = latent[legal], rows[legal]
        return latent, rows, acquisition.value(rows)

    @staticmethod
    def _order(value: FloatArray) -> IntArray:
        order: IntArray = np.argsort(-value, kind="stable")
        return order

    # ---- moves of single columns

    def _steps(
        self, acquisition: Acquisition, latent: FloatArray, rows: FloatArray, value: FloatArray,
        rng: np.random.Generator,
    ) -> tuple[FloatArray, FloatArray, FloatArray]:  # fmt: skip
        """Move single discrete columns as long as that helps, a few times."""
        latent, rows, value = latent.copy(), rows.copy(), value.copy()
        for _ in range(_ROUNDS):
            parts = [self._neighbours(row, rng) for row in latent]
            owner = np.repeat(np.arange(len(latent)), [len(part) for part in parts])
            near = np.concatenate(parts)
            fixed = self.space.repair(near)
            gain = acquisition.value(fixed)
            if self.space.forbidden:
                gain = np.where(self.space.legal(fixed), gain, -np.inf)
            better = False
            for i in range(len(latent)):
                mine = np.flatnonzero(owner == i)
                if not len(mine):
                    continue
                k = mine[int(gain[mine].argmax())]
                if gain[k] > value[i]:
                    latent[i], rows[i], value[i], better = near[k], fixed[k], gain[k], True
            if not better:
                break
        return latent, rows, value

    def _neighbours(self, latent: FloatArray, rng: np.random.Generator) -> FloatArray:
        columns, values = list[int](), list[float]()
        for j in self._coarse.tolist():
            beside = self._beside(j, float(latent[j]))
            columns += [j] * len(beside)
            values += beside
        for j in self._choices.tolist():
            weights = self.space.weights[j]
            for x in range(int(self.space.n_choices[j])):
                if x != latent[j] and (weights is None or weights[x] > 0):
                    columns.append(j)
                    values.append(float(x))
        picked = np.arange(len(columns))
        if len(columns) > _MOVES:
            picked = rng.permutation(len(columns))[:_MOVES]
        result = np.repeat(latent[None], len(picked), axis=0)
        result[np.arange(len(picked)), np.array(columns, dtype=np.intp)[picked]] = np.array(values)[
            picked
        ]
        return result

    def _beside(self, j: int, x: float) -> list[float]:
        """Return what is next to `x`, below and above, in a coarse column."""
        if j in self._uneven:
            column, codes = self._uneven[j]
            k = bisect_left(codes, column.snap(x))
            return [*codes[max(k - 1, 0) : k], *codes[k + 1 : k + 2]]
        step = float(self.space.step[j]) if self.space.is_numeric[j] else 1.0
        return [y for y in (x - step, x + step) if -1e-9 <= y <= self._span[j] + 1e-9]

    # ---- gradient steps, all climbs side by side

    def _climb(self, acquisition: Acquisition, latent: FloatArray, n_steps: int) -> FloatArray:
        fine = self._fine

        def negative(x: FloatArray) -> tuple[FloatArray, FloatArray]:
            rows = latent.copy()
            rows[:, fine] = x
            rows[~active] = np.nan
            value, gradient = acquisition.gradient(rows)
            return -value, -np.where(active, gradient, 0.0)[:, fine]

        snapped = self.space.repair(latent)
        active = ~np.isnan(snapped)
        latent = np.where(active, snapped, latent)
        latent[:, fine] = descend(negative, latent[:, fine], 0.0, 1.0, steps=n_steps, ftol=_LITTLE)
        return latent
