"""Kernel densities over a space's rows, conditional columns included.

A density is a mixture of one kernel per observation and of the prior. A kernel is a product over
columns: a Gaussian cut off at the bounds (floats), its mass on the value's cell (integers,
quantised numbers, ordinals), or the observed choice smoothed with the prior (categoricals). Where
an observation is inactive its kernel has the prior, and where a point is inactive a kernel says 1:
so all branches of a conditional space share one density, and what a parent says about its children
is kept.

The log of a kernel is linear in simple features of the point (`Axes.features`), so all kernels at
all points are one matrix product.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from bandmaster.optimizers.axes import Axes

__all__ = ["Density", "bandwidths"]

FloatArray = npt.NDArray[np.float64]


def bandwidths(axes: Axes, unit: FloatArray, n_total: int, magnitude: float) -> FloatArray:
    """Return the Gaussian kernels' bandwidth of every column, shape (dim,).

    Scott's exponent in the mean number of active columns, ``magnitude * n ** (-1 / (d + 4))``,
    and the magic clip of Bergstra et al. (2011): at least ``1 / min(100, n_total + 1)``.
    """
    active = ~np.isnan(unit)
    counts = active.sum(axis=0)
    d = counts[axes.modelled].sum() / max(len(unit), 1)
    sigma = magnitude * np.maximum(counts, 1) ** (-1.0 / (d + 4.0))
    clipped: FloatArray = np.clip(sigma, 1.0 / min(100, n_total + 1), 1.0)
    return clipped


class Density:
    """A mixture of kernels.

    Parameters
    ----------
    axes : Axes
    unit : float64 (n, dim)
        The observations (`Axes.to_unit`); NaN where inactive.
    weights : float64 (n,)
        Of the kernels, relative to `prior_weight`.
    sigma : float64 (dim,)
        Bandwidths.
    prior_weight : float
        Above 0, so that no point has density 0.
    """

    def __init__(
        self,
        axes: Axes,
        unit: FloatArray,
        weights: FloatArray,
        sigma: FloatArray,
        prior_weight: float,
    ) -> None:
        self._axes, self._unit, self._sigma = axes, unit, sigma
        total = np.append(weights, prior_weight)
        self._weights = total / total.sum()
        self._smoothing = 1.0 / (len(unit) + 1.0)

    def sample(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Draw legal-looking encoded rows, shape (n, dim).

        They are on the grid, with exactly the active columns; forbidden clauses are not looked at.
        """
        axes = self._axes
        rows = axes.draw(n, rng)
        # The last kernel is the prior.
        bounds = np.cumsum(self._weights[:-1])
        kernel = np.searchsorted(bounds, rng.random(n), side="right")
        noise = rng.standard_normal(rows.shape)
        keep = rng.random(rows.shape)
        near = kernel < len(self._unit)
        centres = self._unit[kernel[near]]
        moved = _fold(centres + self._sigma * noise[near])
        for table in axes.weighted:
            j = table.column
            moved[:, j] = np.where(keep[near, j] < self._smoothing, rows[near, j], centres[:, j])
        rows[near] = np.where(np.isnan(centres), rows[near], moved)
        return axes.from_unit(rows)

    def log(self, features: FloatArray) -> FloatArray:
        """Return the log density at points given by `Axes.features`, shape (m,)."""
        # Single precision costs half, and with bandwidths of at least 0.01 an error of 1e-3.
        kernels = self._kernels().astype(np.float32)
        logs = features.astype(np.float32) @ kernels.T
        logs += np.log(self._weights).astype(np.float32)
        top = logs.max(axis=1)
        logs -= top[:, None]
        mass = np.exp(logs, out=logs).sum(axis=1)
        result: FloatArray = top.astype(np.float64) + np.log(mass)
        return result

    def _kernels(self) -> FloatArray:
        """Return the coefficients of every kernel, the prior last; shape (n + 1, n_features)."""
        axes, n = self._axes, len(self._unit)
        result = np.zeros((n + 1, axes.n_features))
        f, indices = len(axes.floats), axes.indices(self._unit)
        if f:
            mu = self._unit[:, axes.floats]
            active = ~np.isnan(mu)
            mu = np.where(active, mu, 0.0)
            sigma = self._sigma[axes.floats]
            inverse = 1.0 / sigma**2
            mass = _ndtr((1.0 - mu) / sigma) - _ndtr(-mu / sigma)
            norm = np.log(sigma * math.sqrt(2 * math.pi) * mass)
            result[:n, :f] = active * (-0.5 * inverse)
            result[:n, f : 2 * f] = mu * inverse
            result[:n, 2 * f : 3 * f] = np.where(active, -0.5 * mu * mu * inverse - norm, 0.0)
        for i, logs in enumerate(self._tables()):
            block = result[:, axes.offsets[i] : axes.offsets[i + 1]]
            block[:n] = logs[indices[i]]
            block[n] = logs[-1]
        return result

    def _tables(self) -> list[FloatArray]:
        """Return each table's log probabilities: a row an observed value, the last for inactive."""
        axes = self._axes
        # All cells of all ordered tables go through the distribution function at once.
        cumulated = _ndtr(axes.distances / self._sigma[axes.distance_columns])
        result, start = [], 0
        for table in axes.tables:
            k = table.size
            logs = np.empty((k + 1, k))
            logs[k] = table.log_prior
            if table.ordered:
                block = cumulated[start : start + k * (k + 1)].reshape(k, k + 1)
                start += k * (k + 1)
                mass = np.maximum(block[:, 1:] - block[:, :-1], 1e-12)
                logs[:k] = np.log(mass / mass.sum(axis=1, keepdims=True))
            else:
                mass = np.tile(self._smoothing * table.prior, (k, 1))
                mass[table.diagonal] += 1.0 - self._smoothing
                logs[:k] = np.log(np.maximum(mass, 1e-300))
            result.append(logs)
        return result


def _fold(x: FloatArray) -> FloatArray:
    """Reflect at 0 and 1 what lies outside."""
    x = np.abs(x) % 2.0
    return np.where(x > 1.0, 2.0 - x, x)


def _ndtr(x: FloatArray) -> FloatArray:
    """Return the standard normal's distribution function to 7.5e-8 (Abramowitz, Stegun 26.2.17).

    scipy.special has it too, at the price of its import.
    """
    t = 1.0 / (1.0 + 0.2316419 * np.abs(x))
    tail = 1.330274429 * t - 1.821255978
    for coefficient in (1.781477937, -0.356563782, 0.319381530):
        tail = tail * t + coefficient
    tail *= t * np.exp(-0.5 * x * x) * 0.3989422804014327
    return np.where(x > 0.0, 1.0 - tail, tail)
