"""Candidates: local moves around good observations, and draws from the prior."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bandmaster.optimizers.axes import Axes
from bandmaster.optimizers.parzen import Density

__all__ = ["draw_candidates"]

FloatArray = npt.NDArray[np.float64]

_REDRAWN = 0.5  # the share of moves that draw one categorical anew
_JOINED = 8  # kernels whose mean a move may start from


def draw_candidates(
    axes: Axes, density: Density, n: int, rng: np.random.Generator, *, joined: float = 0.0
) -> FloatArray:
    """Draw rows from a density, and some around it; shape (n, dim).

    As drawing from the mixture, but what would lie outside is put on the bound, so that optima
    there are reached, and every other move draws one categorical anew. The rows are on the grid,
    with exactly the active columns; forbidden clauses are not looked at.

    The share `joined` of the moves start from the mean of eight kernels instead of one: what is
    wrong with each of them cancels out, as in recombination of evolution strategies (Beyer 2001).
    """
    rows = axes.draw(n, rng)
    # The last kernel is the prior.
    bounds = np.cumsum(density.weights[:-1])
    kernel = np.searchsorted(bounds, rng.random(n), side="right")
    noise = rng.standard_normal(rows.shape)
    keep = rng.random(rows.shape)
    near = kernel < len(density.unit)
    centres, drawn = density.unit[kernel[near]], rows[near]
    if joined and len(centres):
        centres = _joined(axes, density, centres, joined, rng)
    scales = axes.scales(centres, density.sigma)
    moved = np.clip(centres + scales * noise[near], 0.0, 1.0)
    for table in axes.weighted:
        j = table.column
        moved[:, j] = np.where(keep[near, j] < density.smoothing, drawn[:, j], centres[:, j])
    if axes.weighted:
        columns = np.array([table.column for table in axes.weighted])
        one = columns[rng.integers(len(columns), size=len(moved))]
        anew = np.flatnonzero(rng.random(len(moved)) < _REDRAWN)
        moved[anew, one[anew]] = drawn[anew, one[anew]]
    # An inactive centre has no value of its own: a child that a redrawn parent needs is drawn.
    rows[near] = np.where(np.isnan(centres), drawn, moved)
    return axes.from_unit(rows)


def _joined(
    axes: Axes, density: Density, centres: FloatArray, share: float, rng: np.random.Generator
) -> FloatArray:
    """Replace the numbers of some centres by means with those of other kernels.

    What is active stays so, as do choices.
    """
    which = np.flatnonzero(rng.random(len(centres)) < share)
    bounds = np.cumsum(density.weights[:-1])
    drawn = rng.random((_JOINED - 1, len(which))) * bounds[-1]
    others = density.unit[np.minimum(bounds.searchsorted(drawn), len(bounds) - 1)]
    parts = np.concatenate([centres[which][None], others])
    known = ~np.isnan(parts)
    mean = np.where(known, parts, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    mean = np.where(known[0], mean, np.nan)
    result = centres.copy()
    result[which] = mean
    for table in axes.weighted:
        result[:, table.column] = centres[:, table.column]
    return result
