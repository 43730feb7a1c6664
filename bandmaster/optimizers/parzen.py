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

_WIDEST = 0.2
_NARROWEST = 0.01
_UNIFORM_VARIANCE = 1 / 12


def bandwidths(
    axes: Axes, unit: FloatArray, weights: FloatArray, n_total: int, spread: float
) -> FloatArray:
    """Return the Gaussian kernels' bandwidth of every column, shape (dim,).

    A multiple of the column's weighted standard deviation, one observation drawn evenly from the
    range counted in, with Scott's exponent: ``spread * std * n ** (-1 / (d + 4))`` for the mean
    number d of active columns. It is at most 0.2 and at least ``1 / min(100, n_total + 1)`` (the
    magic clip of Bergstra et al. 2011), and not below `Axes.least`.

    Parameters
    ----------
    axes : Axes
    unit : float64 (n, dim)
    weights : float64 (n,)
    n_total : int
        How many observations there are in all.
    spread : float
    """
    active = ~np.isnan(unit)
    counts = np.maximum(active.sum(axis=0), 1)
    d = active[:, axes.modelled].sum() / max(len(unit), 1)
    w = weights[:, None] * active
    x = np.where(active, unit, 0.0)
    total = np.maximum(w.sum(axis=0), 1e-300)
    squares = np.maximum((w * w).sum(axis=0), 1e-300)
    mean = (w * x).sum(axis=0) / total
    variance = (w * (x - mean) ** 2).sum(axis=0) / total
    n = total * total / squares
    variance = (n * variance + _UNIFORM_VARIANCE) / (n + 1)
    sigma = spread * np.sqrt(variance) * counts ** (-1.0 / (d + 4.0))
    lowest = max(_NARROWEST, 1.0 / (n_total + 1))
    clipped: FloatArray = np.clip(np.minimum(sigma, _WIDEST), lowest, 1.0)
    return np.maximum(clipped, axes.least)


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

    Attributes
    ----------
    unit, sigma : as given
    weights : float64 (n + 1,)
        Sum 1; the last is the prior's.
    smoothing : float
        The prior's share of a categorical kernel.
    """

    def __init__(
        self,
        axes: Axes,
        unit: FloatArray,
        weights: FloatArray,
        sigma: FloatArray,
        prior_weight: float,
    ) -> None:
        self._axes, self.unit, self.sigma = axes, unit, sigma
        self._ordered: list[FloatArray] | None = None
        total = np.append(weights, prior_weight)
        self.weights = total / total.sum()
        self.smoothing = 1.0 / (len(unit) + 1.0)

    def sibling(self, unit: FloatArray, weights: FloatArray, prior_weight: float) -> Density:
        """Return a density of other observations with the same bandwidths."""
        made = Density(self._axes, unit, weights, self.sigma, prior_weight)
        made._ordered = self._ordered = self._ordered_tables()
        return made

    def log(self, features: FloatArray) -> FloatArray:
        """Return the log density at points given by `Axes.features`, shape (m,)."""
        # Single precision costs half, and with bandwidths of at least 0.01 an error of 1e-3.
        logs = features.astype(np.float32) @ self._kernels().T
        logs += np.log(np.maximum(self.weights, 1e-30)).astype(np.float32)
        top = logs.max(axis=1)
        logs -= top[:, None]
        mass = np.exp(logs, out=logs).sum(axis=1)
        result: FloatArray = top.astype(np.float64) + np.log(mass)
        return result

    def _kernels(self) -> npt.NDArray[np.float32]:
        """Return the coefficients of every kernel, the prior last; shape (n + 1, n_features)."""
        axes, n = self._axes, len(self.unit)
        result = np.zeros((n + 1, axes.n_features), dtype=np.float32)
        f, indices = len(axes.floats), axes.indices(self.unit)
        if f:
            mu = self.unit[:, axes.floats]
            absent = None if axes.all_active else np.isnan(mu)
            if absent is not None:
                mu[absent] = 0.0
            sigma = self.sigma[axes.floats]
            inverse = 1.0 / sigma**2
            below, above = _ndtr(np.array([-mu, 1.0 - mu]) / sigma)
            norm = np.log(sigma * math.sqrt(2 * math.pi) * (above - below))
            result[:n, :f] = -0.5 * inverse
            result[:n, f : 2 * f] = mu * inverse
            result[:n, 2 * f : 3 * f] = -0.5 * mu * mu * inverse - norm
            if absent is not None:
                result[:n, :f][absent] = 0.0
                result[:n, 2 * f : 3 * f][absent] = 0.0
        for i, logs in enumerate(self._tables()):
            block = result[:, axes.offsets[i] : axes.offsets[i + 1]]
            block[:n] = logs[indices[i]]
            block[n] = logs[-1]
        return result

    def _tables(self) -> list[FloatArray]:
        """Return each table's log probabilities: a row an observed value, the last for inactive."""
        if self._ordered is None:
            self._ordered = self._ordered_tables()
        ordered = iter(self._ordered)
        result = []
        for table in self._axes.tables:
            if table.ordered:
                result.append(next(ordered))
                continue
            k = table.size
            mass = np.empty((k, k))
            mass[:] = self.smoothing * table.prior
            mass[table.diagonal] += 1.0 - self.smoothing
            logs = np.empty((k + 1, k))
            np.log(np.maximum(mass, 1e-300), out=logs[:k])
            logs[k] = table.log_prior
            result.append(logs)
        return result

    def _ordered_tables(self) -> list[FloatArray]:
        """Return those of the tables whose values have an order: bandwidths are all they need."""
        axes = self._axes
        # All cells of all tables go through the distribution function at once.
        sigma = np.maximum(self.sigma[axes.distance_columns], axes.distance_least)
        cumulated = _ndtr(axes.distances / sigma)
        result, start = [], 0
        for table in axes.tables:
            if not table.ordered:
                continue
            k = table.size
            block = cumulated[start : start + k * (k + 1)].reshape(k, k + 1)
            start += k * (k + 1)
            mass = np.maximum(block[:, 1:] - block[:, :-1], 1e-12)
            logs = np.empty((k + 1, k))
            np.log(mass / mass.sum(axis=1, keepdims=True), out=logs[:k])
            logs[k] = table.log_prior
            result.append(logs)
        return result


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
