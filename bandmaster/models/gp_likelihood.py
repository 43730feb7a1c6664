"""How probable hyper-parameters of a Gaussian process are, given data, and the best ones."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bandmaster.models.descent import descend
from bandmaster.models.gp_kernel import matern52_with_slope, squared_distances

__all__ = ["MEAN_VARIANCE", "Hyperparameters", "Prior", "fit", "negative_log_posterior"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

MEAN_VARIANCE = 1.0  # of the constant mean's prior, for targets of variance 1
_LENGTH = (-1.0, 1.0)  # centre and width of the logarithm's prior in one dimension
_SHORT = 0.2  # length scales to begin with, in shares of the prior's centres
_FTOL, _GTOL = 1e-5, 1e-2
_LENGTHS = (math.log(5e-3), math.log(1e3))
_SIGNALS = (math.log(1e-2), math.log(1e2))
_NOISES = (math.log(1e-6), math.log(2.0))


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """Of a Gaussian process with a Matérn kernel and constant mean.

    Parameters
    ----------
    lengths : float64 (g,)
        Length scale of every group of features.
    signal, noise : float
        Variances of the function and of the observations around it.
    """

    lengths: FloatArray
    signal: float
    noise: float


@dataclass(frozen=True, slots=True)
class Prior:
    """Normal functions of the logarithms of hyper-parameters that their likelihood is times.

    Parameters
    ----------
    length, signal, noise : (float, float)
        Centre and standard deviation for the logarithm.
    """

    length: tuple[float, float]
    signal: tuple[float, float] = (0.0, 0.5)
    noise: tuple[float, float] = (math.log(1e-3), 2.0)

    @classmethod
    def scaled(cls, n_groups: int) -> Prior:
        """Return priors whose length scales grow with the root of the dimension.

        So the distance of two random points stays a constant number of length scales (Hvarfner,
        Hellsten and Nardi 2024, eq. 6). Theirs is wider, with a lower mode: docs/optimizers.md has
        the figures.
        """
        return cls((_LENGTH[0] + math.log(n_groups) / 2, _LENGTH[1]))

    def typical(self, n_groups: int) -> Hyperparameters:
        """Return hyper-parameters in the middle of the priors, with a noise of 1 %."""
        return Hyperparameters(np.full(n_groups, math.exp(self.length[0])), 1.0, 0.01)

    def moments(self, n_groups: int) -> tuple[FloatArray, FloatArray]:
        """Return means and standard deviations of all the parameters' logarithms."""
        pairs = np.array([self.length] * n_groups + [self.signal, self.noise])
        return pairs[:, 0], pairs[:, 1]


def negative_log_posterior(
    theta: FloatArray, features: FloatArray, groups: IntArray, y: FloatArray, prior: Prior
) -> tuple[float, FloatArray]:
    """Return the negative log posterior density of hyper-parameters, and its gradient.

    Parameters
    ----------
    theta : float64 (g + 2,)
        Logarithms of the length scales, of the signal's and of the noise's variance.
    features : float64 (n, f)
    groups : intp (f,)
        Which length scale a feature has.
    y : float64 (n,)
    prior : Prior

    Notes
    -----
    The constant mean has its own prior and is maximised out, in closed form; by the envelope
    theorem that adds nothing to the gradient. Sums over pairs of points of ``w_ij (z_i - z_j)²``
    are taken as matrix products, so the cost in the dimension is that of a product.
    """
    from scipy.linalg.lapack import dpotrf, dpotri

    n, n_groups = len(y), len(theta) - 2
    signal, noise = math.exp(theta[-2]), math.exp(theta[-1])
    scaled = features * np.exp(-theta[:-2])[groups]
    value, slope = matern52_with_slope(squared_distances(scaled, scaled))
    value *= signal
    value.flat[:: n + 1] += noise
    factor, info = dpotrf(value, lower=1, clean=1)
    if info:  # beyond what the bounds allow; a step there is taken back
        return 1e25, np.zeros_like(theta)
    log_det = 2 * float(np.log(factor.diagonal()).sum())
    inverse, _ = dpotri(factor, lower=1, overwrite_c=1)
    inverse += inverse.T
    inverse.flat[:: n + 1] *= 0.5
    weights = inverse.sum(axis=1)
    mean = float(weights @ y) / (float(weights.sum()) + 1 / MEAN_VARIANCE)
    rest = y - mean
    alpha = inverse @ rest
    at, spread = prior.moments(n_groups)
    unit = (theta - at) / spread
    loss = 0.5 * (rest @ alpha + log_det + mean * mean / MEAN_VARIANCE + unit @ unit)
    inverse -= np.multiply.outer(alpha, alpha)  # now 2 dL/dK
    gradient = unit / spread
    value.flat[:: n + 1] -= noise
    gradient[-2] += 0.5 * np.vdot(inverse, value)
    gradient[-1] += 0.5 * noise * inverse.trace()
    inverse *= slope
    per_feature = inverse.sum(axis=1) @ (scaled * scaled)
    per_feature -= np.einsum("ij,ij->j", scaled, inverse @ scaled)
    gradient[:-2] -= 2 * signal * np.bincount(groups, per_feature, n_groups)
    return float(loss), gradient


def fit(
    features: FloatArray,
    groups: IntArray,
    y: FloatArray,
    prior: Prior,
    *,
    start: Hyperparameters | None = None,
    max_steps: int = 60,
) -> Hyperparameters:
    """Return the most probable hyper-parameters that are found from a start.

    Parameters
    ----------
    features : float64 (n, f)
    groups : intp (f,)
    y : float64 (n,)
        Of variance 1, roughly.
    prior : Prior
    start : Hyperparameters, optional
        To begin with. Default: the priors' centres, with short length scales: from there it takes
        half the steps that it takes from the centres themselves.
    max_steps : int, default 60
    """
    n_groups = int(groups.max()) + 1
    if start is None:
        begin, _ = prior.moments(n_groups)
        begin[:-2] += math.log(_SHORT)
    else:
        begin = np.log([*start.lengths, start.signal, start.noise])
    bounds = np.array([_LENGTHS] * n_groups + [_SIGNALS, _NOISES])

    def function(thetas: FloatArray) -> tuple[FloatArray, FloatArray]:
        loss, gradient = negative_log_posterior(thetas[0], features, groups, y, prior)
        return np.array([loss]), gradient[None]

    lower, upper = bounds.T
    (theta,) = descend(function, begin[None], lower, upper, steps=max_steps, ftol=_FTOL, gtol=_GTOL)
    return Hyperparameters(np.exp(theta[:-2]), math.exp(theta[-2]), math.exp(theta[-1]))
