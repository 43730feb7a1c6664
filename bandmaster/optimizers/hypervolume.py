"""The expected improvement of a front's hypervolume by a prediction, and where it can improve."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from bandmaster.models.gp_ensemble import Predictor
from bandmaster.optimizers.acquisition import log_h
from bandmaster.optimizers.pareto import undominated

__all__ = ["HypervolumeImprovement", "cells", "frontier"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

_LEAST = 1e-300  # of a volume, in shares of what improves below the corner
_MOST = {2: 60, 3: 48, 4: 16}  # rows of a front: with more an ask takes too long
_ALIKE = 1e-3  # a front's range that is a smaller share of everybody's is none


def frontier(values: FloatArray, reach: float) -> tuple[IntArray, FloatArray]:
    """Return the rows of the front, and the corner up to which its hypervolume counts.

    Parameters
    ----------
    values : float64 (n, m)
        Of 2 to 4 columns.
    reach : float
        How far the corner is beyond the front's worst of every column, in shares of its range.

    Returns
    -------
    intp (k,), float64 (m,)
        Ascending; of a large front some, far from each other.
    """
    rows = np.flatnonzero(undominated(values))
    front = values[rows]
    low, high = front.min(axis=0), front.max(axis=0)
    whole = values.max(axis=0) - low
    span = np.where(high - low > _ALIKE * whole, high - low, np.maximum(whole, _ALIKE))
    most = _MOST[front.shape[1]]
    if len(rows) > most:
        rows = np.sort(rows[_spread((front - low) / span, most)])
    return rows, high + reach * span


def _spread(points: FloatArray, n: int) -> IntArray:
    """Return n points, from the lowest of each column on always the farthest from those before."""
    chosen = np.unique(points.argmin(axis=0)).tolist()
    nearest = np.square(points[:, None] - points[chosen]).sum(axis=2).min(axis=1)
    while len(chosen) < n:
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, np.square(points - points[chosen[-1]]).sum(axis=1))
    return np.array(chosen, dtype=np.intp)


def cells(front: FloatArray, corner: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return boxes that fill what no row of a front dominates, up to a corner.

    They do not overlap. Rows are taken by their last column: when one is reached, the part of the
    other columns' space that it dominates is cut out of the boxes there, and ends at its height.

    Parameters
    ----------
    front : float64 (n, m)
    corner : float64 (m,)

    Returns
    -------
    float64 (b, m), float64 (b, m)
        Lower ends, -inf where a box has none, and upper ends.
    """
    m = len(corner)
    lower, upper = np.full((1, m - 1), -np.inf), corner[None, :-1].copy()
    lows, highs = list[FloatArray](), list[FloatArray]()

    def close(low: FloatArray, high: FloatArray, height: float) -> None:
        lows.append(np.column_stack([low, np.full(len(low), -np.inf)]))
        highs.append(np.column_stack([high, np.full(len(high), height)]))

    for point in front[np.argsort(front[:, -1], kind="stable")]:
        if not (point < corner).all():
            continue
        cut = (upper > point[:-1]).all(axis=1)
        low, high = lower[cut], upper[cut]
        parts = [(lower[~cut], upper[~cut])]
        for k in range(m - 1):
            beside = low[:, k] < point[k]
            left = high[beside].copy()
            left[:, k] = point[k]
            part = low[beside], left
            if (
                m == 3 and k == 1 and beside.any()
            ):  # they lie side by side, below the point: one box
                part = part[0].min(axis=0, keepdims=True), left.max(axis=0, keepdims=True)
            parts.append(part)
            low[:, k] = np.maximum(low[:, k], point[k])
        close(low, high, float(point[-1]))
        lower, upper = (np.concatenate(part) for part in zip(*parts, strict=True))
    close(lower, upper, float(corner[-1]))
    return np.concatenate(lows), np.concatenate(highs)


class HypervolumeImprovement:
    """The log of the expected improvement of a front's hypervolume by several predictions.

    A box of the region that nothing dominates yet, from l to u, is covered as far as a point is
    below u. With independent normal predictions the expectation is ``Π_j (EI_j(u_j) - EI_j(l_j))``,
    EI_j being the expected improvement below a value (Emmerich et al. 2011; Yang et al. 2019).

    Parameters
    ----------
    predictors : sequence of Predictor
        m of them, taken for independent.
    front : float64 (n, m)
    corner : float64 (m,)
        What is beyond it does not count.
    """

    def __init__(
        self, predictors: Sequence[Predictor], front: FloatArray, corner: FloatArray
    ) -> None:
        self._predictors = list(predictors)
        lower, upper = cells(front, corner)
        # Every column has few values: expected improvements are those below these.
        self._values = [np.unique(column) for column in upper.T]
        self._upper = [
            np.searchsorted(values, column)
            for values, column in zip(self._values, upper.T, strict=True)
        ]
        # What has no lower end has the last entry, a zero.
        self._lower = [
            np.where(np.isinf(column), len(values), np.searchsorted(values, column))
            for values, column in zip(self._values, lower.T, strict=True)
        ]

    def value(self, features: FloatArray) -> FloatArray:
        """Return the value at each row of features."""
        sides, logs = [], np.zeros(len(features))
        for j, predictor in enumerate(self._predictors):
            log_improvement = self._improvement(j, *predictor.predict(features))[0]
            logs += log_improvement[-1]
            sides.append(self._sides(j, np.exp(log_improvement - log_improvement[-1])))
        volume = sides[0]
        for side in sides[1:]:
            volume *= side
        return logs + _log(volume.sum(axis=0))

    def gradient(self, features: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return values and derivatives by the features."""
        sides, changes, logs = [], [], np.zeros(len(features))
        for j, predictor in enumerate(self._predictors):
            mean, deviation, by_mean, by_deviation = predictor.predict_with_gradient(features)
            log_improvement, m, s = self._improvement(j, mean, deviation)
            logs += log_improvement[-1]
            share = np.exp(log_improvement - log_improvement[-1])
            sides.append(self._sides(j, share))
            changes.append(
                (self._sides(j, share * m), self._sides(j, share * s), by_mean, by_deviation)
            )
        total = np.prod(sides, axis=0).sum(axis=0)
        slope = np.zeros(features.shape)
        for j, (m, s, by_mean, by_deviation) in enumerate(changes):
            others = np.ones_like(m)
            for side in (*sides[:j], *sides[j + 1 :]):
                others *= side
            scale = np.maximum(total, _LEAST)
            slope += ((others * m).sum(axis=0) / scale)[:, None] * by_mean
            slope += ((others * s).sum(axis=0) / scale)[:, None] * by_deviation
        return logs + _log(total), slope

    def _improvement(
        self, j: int, mean: FloatArray, deviation: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the log of what improves below each value, and its derivatives, (t, m)."""
        z = (self._values[j][:, None] - mean) / deviation
        value, slope = log_h(z)
        return value + np.log(deviation), -slope / deviation, (1 - z * slope) / deviation

    def _sides(self, j: int, values: FloatArray) -> FloatArray:
        """Return the differences between the ends of every box, (b, m)."""
        padded = np.concatenate([values, np.zeros((1, values.shape[1]))])
        result: FloatArray = padded.take(self._upper[j], axis=0)
        result -= padded.take(self._lower[j], axis=0)
        return result


def _log(volume: FloatArray) -> FloatArray:
    result: FloatArray = np.log(np.maximum(volume, _LEAST))
    return result
