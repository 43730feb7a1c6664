"""Kernel densities over a space's rows, conditional columns included.

A density is a mixture of one kernel per observation and of the prior. A kernel is a product over
columns: a Gaussian cut off at the bounds (floats), its mass on the value's cell (integers,
quantised numbers, ordinals), or the observed choice smoothed with the prior (categoricals). Where
an observation is inactive its kernel has the prior, and where a point is inactive a kernel says 1:
so all branches of a conditional space share one density, and what a parent says about its children
is kept.

The logs of all kernels at all points are one matrix product (`bandmaster.optimizers.kernels`).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bandmaster.optimizers.axes import Axes
from bandmaster.optimizers.kernels import Kernels

__all__ = ["Contrast", "Density", "Part", "bandwidths", "densities"]

FloatArray = npt.NDArray[np.float64]
SingleArray = npt.NDArray[np.float32]

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
    magic clip of Bergstra et al. 2011), not below `Axes.least`, and `Axes.rounded`.

    Parameters
    ----------
    axes : Axes
    unit : float64 (n, dim)
    weights : float64 (n,)
    n_total : int
        How many observations there are in all.
    spread : float
    """
    x, d, counts = unit, float(len(axes.modelled)), max(len(unit), 1)
    total, squares = weights.sum(), weights @ weights
    if not axes.all_active:
        active = ~np.isnan(unit)
        x = np.where(active, unit, 0.0)
        counts = np.maximum(active.sum(axis=0), 1)
        d = active[:, axes.modelled].sum() / max(len(unit), 1)
        total, squares = weights @ active, weights**2 @ active
    total, squares = np.maximum(total, 1e-300), np.maximum(squares, 1e-300)
    mean = weights @ x / total
    # The range counted in is wide, so the difference loses nothing that shows.
    variance = np.maximum(weights @ (x * x) / total - mean * mean, 0.0)
    n = total * total / squares
    variance = (n * variance + _UNIFORM_VARIANCE) / (n + 1)
    sigma = np.sqrt(variance) * (spread * counts ** (-1.0 / (d + 4.0)))
    lowest = max(_NARROWEST, 1.0 / (n_total + 1))
    return axes.rounded(np.maximum(np.minimum(sigma, _WIDEST), np.maximum(lowest, axes.least)))


@dataclass(frozen=True, slots=True)
class Part:
    """Observations of a density.

    Parameters
    ----------
    unit : float64 (n, dim)
        As `Axes.to_unit` gives them; NaN where inactive.
    weights : float64 (n,)
        Of the kernels, relative to `prior_weight`.
    prior_weight : float
        Above 0, so that no point has density 0.
    """

    unit: FloatArray
    weights: FloatArray
    prior_weight: float


def densities(kernels: Kernels, parts: Sequence[Part]) -> list[Density]:
    """Return the densities of several sets of observations, of the same bandwidths.

    What they need is found for all of them at once.
    """
    unit = np.concatenate([part.unit for part in parts])
    factors = kernels.around(kernels.features.of(unit))
    ends = itertools.accumulate(len(part.unit) for part in parts)
    return [
        Density(kernels, part, factors[:, end - len(part.unit) : end])
        for part, end in zip(parts, ends, strict=True)
    ]


class Density:
    """A mixture of kernels.

    Parameters
    ----------
    kernels : Kernels
    part : Part
    factors : float32 (features, n)
        Of the kernels (`Kernels.around`).

    Attributes
    ----------
    unit : float64 (n, dim)
        As given.
    sigma : float64 (dim,)
        Bandwidths.
    weights : float64 (n + 1,)
        Sum 1; the last is the prior's.
    smoothing : float
        The prior's share of a categorical kernel.
    """

    def __init__(self, kernels: Kernels, part: Part, factors: SingleArray) -> None:
        self._kernels, self._factors = kernels, factors
        self.unit, self.sigma = part.unit, kernels.sigma
        self.weights = np.empty(len(part.weights) + 1)
        self.weights[:-1], self.weights[-1] = part.weights, part.prior_weight
        self.weights /= self.weights.sum()
        self.smoothing = 1.0 / (len(part.unit) + 1.0)

    def log(self, features: SingleArray, points: SingleArray) -> FloatArray:
        """Return the log of the density over the prior's at points, shape (m,).

        Parameters
        ----------
        features : float32
            Of the points (`Features.of`).
        points : float32
            Their factors (`Kernels.at`).

        Notes
        -----
        Found in single precision, which costs half. The errors grow with the number of columns and
        with narrow kernels: beside bounds, with bandwidths of 0.01 everywhere, they are up to
        0.0004 in 2 dimensions, 0.007 in 20 and 0.25 in 200 (there 0.08 with 0.02), where points
        drawn from the kernels differ by 1, 3 and 8.
        """
        kernels = self._kernels
        own = kernels.choosing(points, features, self.smoothing)
        logs = own.T @ self._factors[: len(own)]
        kernels.add_long(logs, features, self._factors, self.smoothing)
        top = logs.max(axis=1, initial=0.0)  # the prior has 0
        logs -= top[:, None]
        weights = self.weights.astype(np.float32)
        mass = np.exp(logs, out=logs) @ weights[:-1]
        mass += weights[-1] * np.exp(-top)
        result: FloatArray = top.astype(np.float64) + np.log(mass)
        return result


class Contrast:
    """Two densities of the same bandwidths.

    Parameters
    ----------
    kernels : Kernels
    good, bad : Part

    Attributes
    ----------
    good, bad : Density
    """

    def __init__(self, kernels: Kernels, good: Part, bad: Part) -> None:
        self._kernels = kernels
        self.good, self.bad = densities(kernels, [good, bad])

    def log_ratio(self, features: SingleArray) -> FloatArray:
        """Return the log of good over bad at points given by `Features.of`, shape (m,)."""
        points = self._kernels.at(features)
        return self.good.log(features, points) - self.bad.log(features, points)
