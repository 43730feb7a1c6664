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
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from bandmaster.optimizers.axes import Axes

__all__ = ["Density", "bandwidths"]

FloatArray = npt.NDArray[np.float64]
SingleArray = npt.NDArray[np.float32]

_T = TypeVar("_T", np.float32, np.float64)

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
        self._ordered: list[SingleArray] | None = None
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
        logs = features.astype(np.float32) @ self._kernels()
        logs += np.log(np.maximum(self.weights, 1e-30)).astype(np.float32)
        top = logs.max(axis=1)
        logs -= top[:, None]
        mass = np.exp(logs, out=logs).sum(axis=1)
        result: FloatArray = top.astype(np.float64) + np.log(mass)
        return result

    def _kernels(self) -> SingleArray:
        """Return the coefficients of every kernel, the prior last; shape (n_features, n + 1)."""
        axes, n = self._axes, len(self.unit)
        result = np.zeros((axes.n_features, n + 1), dtype=np.float32)
        if len(axes.floats):
            self._fill_floats(result)
        if self._ordered is None:
            self._ordered = self._ordered_tables()
        ordered = iter(self._ordered)
        rows = np.arange(n)
        for i, (table, index) in enumerate(zip(axes.tables, axes.indices(self.unit), strict=True)):
            block = result[axes.offsets[i] : axes.offsets[i + 1]]
            block[:, n] = table.log_prior
            if table.ordered:
                # Inactive ones are overwritten below.
                block[:, :n] = next(ordered).take(index, axis=1, mode="clip")
            else:
                other = self.smoothing * table.prior
                same = np.log(np.maximum(other + (1.0 - self.smoothing), 1e-300))
                block[:, :n] = np.log(np.maximum(other, 1e-300))[:, None]
                at = np.minimum(index, table.size - 1)
                block[at, rows] = same[at]
            if not axes.all_active:
                block[:, :n][:, index == table.size] = table.log_prior[:, None]
        return result

    def _fill_floats(self, kernels: SingleArray) -> None:
        """Set the coefficients of the columns with Gaussian kernels."""
        axes, n, f = self._axes, len(self.unit), len(self._axes.floats)
        mu = self.unit.T[axes.floats]
        absent = None if axes.all_active else np.isnan(mu)
        if absent is not None:
            mu[absent] = 0.0
        sigma = self.sigma[axes.floats, None]
        inverse = 1.0 / sigma**2
        scaled = mu * inverse
        # What is cut off is less than two thirds, so single precision does.
        below, above = _tail((np.array([mu, 1.0 - mu]) / sigma).astype(np.float32))
        norm = np.log((1.0 - below - above) * (sigma * math.sqrt(2 * math.pi)))
        kernels[:f, :n] = -0.5 * inverse
        kernels[f : 2 * f, :n] = scaled
        kernels[2 * f : 3 * f, :n] = -0.5 * mu * scaled - norm
        if absent is not None:
            kernels[:f, :n][absent] = 0.0
            kernels[2 * f : 3 * f, :n][absent] = 0.0

    def _ordered_tables(self) -> list[SingleArray]:
        """Return the log probabilities of tables whose values have an order, a column a kernel.

        Bandwidths are all they need.
        """
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
            mass /= mass.sum(axis=1, keepdims=True)
            result.append(np.log(mass.T.astype(np.float32)))
        return result


def _ndtr(x: FloatArray) -> FloatArray:
    """Return the standard normal's distribution function."""
    tail = _tail(np.abs(x))
    return np.where(x > 0.0, 1.0 - tail, tail)


def _tail(x: npt.NDArray[_T]) -> npt.NDArray[_T]:
    """Return the standard normal's mass above x >= 0 to 7.5e-8 (Abramowitz, Stegun 26.2.17).

    scipy.special has it too, at the price of its import.
    """
    t = 1.0 / (1.0 + 0.2316419 * x)
    tail = 1.330274429 * t - 1.821255978
    for coefficient in (1.781477937, -0.356563782, 0.319381530):
        tail *= t
        tail += coefficient
    tail *= t
    tail *= np.exp(x * x * -0.5)
    tail *= 0.3989422804014327
    return tail
