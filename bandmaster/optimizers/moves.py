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
    drawn = axes.draw(n, rng)
    noise = rng.standard_normal(drawn.shape)
    which, share, anew, redrawn = rng.random((4, n))
    # The last kernel is the prior: inactive everywhere.
    unit = np.concatenate([density.unit, np.full((1, axes.space.dim), np.nan)])
    bounds = density.weights[:-1].cumsum()
    centres = unit.take(bounds.searchsorted(which, side="right"), axis=0)
    if joined and len(density.unit):
        centres = _joined(axes, density, centres, share < joined, rng)
    moved = noise
    moved *= axes.scales(centres, density.sigma)
    moved += centres
    np.minimum(np.maximum(moved, 0.0, out=moved), 1.0, out=moved)
    columns = axes.choices
    if len(columns):
        kept = rng.random((n, len(columns))) >= density.smoothing
        moved[:, columns] = np.where(kept, centres[:, columns], drawn[:, columns])
        rows = (redrawn < _REDRAWN).nonzero()[0]
        one = columns[(anew[rows] * len(columns)).astype(np.intp)]
        moved[rows, one] = drawn[rows, one]
    # An inactive centre has no value of its own: a child that a redrawn parent needs is drawn.
    return axes.from_unit(np.where(np.isnan(centres), drawn, moved))


def _joined(
    axes: Axes,
    density: Density,
    centres: FloatArray,
    chosen: npt.NDArray[np.bool_],
    rng: np.random.Generator,
) -> FloatArray:
    """Replace the numbers of chosen centres by means with those of other kernels.

    What is active stays so, as do choices.
    """
    which = chosen.nonzero()[0]
    bounds = density.weights[:-1].cumsum()
    drawn = rng.random((_JOINED - 1, len(which))) * bounds[-1]
    others = density.unit[np.minimum(bounds.searchsorted(drawn), len(bounds) - 1)]
    parts = np.concatenate([centres[which][None], others])
    known = ~np.isnan(parts)
    mean = np.where(known, parts, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    mean = np.where(known[0], mean, np.nan)
    result = centres.copy()
    result[which] = mean
    result[:, axes.choices] = centres[:, axes.choices]
    return result
