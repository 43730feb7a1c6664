"""Minimises smooth functions between bounds, from several starts side by side."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

__all__ = ["descend"]

FloatArray = npt.NDArray[np.float64]
Function = Callable[[FloatArray], tuple[FloatArray, FloatArray]]

_ENOUGH = 1e-4  # of the decrease that the slope promises
_SHORTEST = 1e-7  # shares of a step
_CURVED = 1e-10


def descend(
    function: Function,
    start: npt.ArrayLike,
    lower: npt.ArrayLike,
    upper: npt.ArrayLike,
    *,
    steps: int,
    ftol: float,
    gtol: float = 1e-5,
) -> FloatArray:
    """Return points where a function is low, each found from its own start.

    Projected BFGS: a quasi-Newton step among the columns that no bound stops, cut off at the
    bounds, and made shorter until it pays. The function is looked at for all points at once, which
    is what it costs where it is made of matrix products. ``scipy.optimize`` would do for one start;
    importing it takes a quarter of a second.

    Parameters
    ----------
    function : callable
        Takes (k, d), returns values (k,) and slopes (k, d); each value depends on its row alone.
        NaN, infinity and huge values are not gone to.
    start : float64 (k, d)
    lower, upper : float64 (d,) or float
    steps : int
        How often the function is looked at, at most, beyond the first time.
    ftol : float
        A point is done when a step gains less than this share of the value, or of 1.
    gtol : float, default 1e-5
        Or when all free slopes are lower than this.

    References
    ----------
    Bertsekas, D. (1982). Projected Newton methods for optimization problems with simple
    constraints.
    """
    lower, upper = np.asarray(lower, dtype=np.float64), np.asarray(upper, dtype=np.float64)
    x = np.clip(np.asarray(start, dtype=np.float64), lower, upper)
    k, d = x.shape
    value, slope = function(x)
    inverse = np.zeros((k, d, d))  # of the Hessians, where steps have shown them
    fresh, going, share = np.ones(k, dtype=np.bool_), np.isfinite(value), np.ones(k)
    for _ in range(steps):
        free = np.where(slope > 0.0, x > lower, x < upper)
        down = np.where(free, -slope, 0.0)
        going &= np.abs(down).max(axis=1) > gtol
        if not going.any():
            break
        newton = np.where(free, _times(inverse, down), 0.0)
        length = np.sqrt(np.square(down).sum(axis=1))
        first = down / np.maximum(length, 1.0)[:, None]
        step = np.where(fresh[:, None], first, newton) * np.where(going, share, 0.0)[:, None]
        trial = np.clip(x + step, lower, upper)
        found, steeper = function(trial)
        moved = trial - x
        promised = (slope * moved).sum(axis=1)
        taken = going & (found <= value + _ENOUGH * promised)
        _learn(inverse, fresh, taken, moved, steeper - slope)
        # What is not worth it is taken back to the lowest point of the parabola.
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            shorter = -0.5 * promised / (found - value - promised)
        shorter = np.where(shorter > 0.1, np.minimum(shorter, 0.5), 0.1)
        share = np.where(taken, 1.0, share * shorter)
        scale = np.maximum(np.maximum(np.abs(value), np.abs(found)), 1.0)
        with np.errstate(invalid="ignore"):
            little = taken & (value - found <= ftol * scale)
        going &= ~little & (share > _SHORTEST)
        x = np.where(taken[:, None], trial, x)
        value = np.where(taken, found, value)
        slope = np.where(taken[:, None], steeper, slope)
    return x


def _times(matrices: FloatArray, vectors: FloatArray) -> FloatArray:
    """Return the products of matrices (k, d, d) and vectors (k, d)."""
    product: FloatArray = (matrices @ vectors[..., None])[..., 0]
    return product


def _learn(
    inverse: FloatArray,
    fresh: npt.NDArray[np.bool_],
    taken: npt.NDArray[np.bool_],
    moved: FloatArray,
    change: FloatArray,
) -> None:
    """Correct the inverse Hessians by what steps have shown, in place."""
    curvature = (moved * change).sum(axis=1)
    square = np.square(change).sum(axis=1)
    rows = (taken & (curvature > _CURVED * square)).nonzero()[0]
    if not len(rows):
        return
    s, y = moved[rows], change[rows]
    sy, yy = curvature[rows, None, None], square[rows, None, None]
    new = fresh[rows]
    h = inverse[rows]
    h[new] = (np.eye(s.shape[1]) * (sy / yy))[new]
    hy = _times(h, y)
    cross = hy[:, :, None] * s[:, None, :]
    factor = 1.0 + (y * hy).sum(axis=1)[:, None, None] / sy
    h -= (cross + cross.transpose(0, 2, 1) - factor * s[:, :, None] * s[:, None, :]) / sy
    inverse[rows], fresh[rows] = h, False
