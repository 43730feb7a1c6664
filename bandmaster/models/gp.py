"""What a Gaussian process with known hyper-parameters predicts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bandmaster.models.gp_kernel import matern52, matern52_with_slope, squared_distances
from bandmaster.models.gp_likelihood import MEAN_VARIANCE, Hyperparameters

__all__ = ["Factor", "GaussianProcess"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Factor:
    """Points with the inverse Cholesky factor of their covariance.

    Parameters
    ----------
    parameters : Hyperparameters
    scales : float64 (f,)
        Features are multiplied by these.
    points : float64 (n, f)
        Scaled features.
    inverse : float64 (n, n)
        ``inverse @ K @ inverse.T`` is the identity; lower triangular.
    """

    parameters: Hyperparameters
    scales: FloatArray
    points: FloatArray
    inverse: FloatArray

    @classmethod
    def of(cls, parameters: Hyperparameters, groups: IntArray, features: FloatArray) -> Factor:
        """Factorise the covariance of observations at `features`."""
        scales = 1 / parameters.lengths[groups]
        empty = cls(parameters, scales, np.empty((0, features.shape[1])), np.empty((0, 0)))
        return empty.extended(features)

    def extended(self, features: FloatArray) -> Factor:
        """Return the factor with more points: O(n² k) for k of them, instead of O(n³).

        The lower rows of a Cholesky factor come from the upper ones: with ``B = K21 L11^-T`` and
        ``C C^T = K22 - B B^T`` the inverse gets the rows ``[-C^-1 B L11^-1, C^-1]``.
        """
        from scipy.linalg.lapack import dpotrf, dtrtri

        n, k = len(self.points), len(features)
        if not k:
            return self
        new = features * self.scales
        cross = self.covariance(new) @ self.inverse.T
        rest = self.parameters.signal * matern52(squared_distances(new, new))
        rest.flat[:: k + 1] += self.parameters.noise
        rest -= cross @ cross.T
        lower, info = dpotrf(rest, lower=1, clean=1)
        more = 1e-6 * self.parameters.signal
        while info:  # points that coincide: a little more noise keeps them apart
            if not more <= self.parameters.signal:
                raise np.linalg.LinAlgError(f"the covariance of {n + k} points has no factor")
            rest.flat[:: k + 1] += more
            more *= 10
            lower, info = dpotrf(rest, lower=1, clean=1)
        corner, _ = dtrtri(lower, lower=1)
        inverse = np.zeros((n + k, n + k))
        inverse[:n, :n] = self.inverse
        inverse[n:, :n] = -corner @ (cross @ self.inverse)
        inverse[n:, n:] = corner
        points = np.concatenate([self.points, new])
        return Factor(self.parameters, self.scales, points, inverse)

    def covariance(self, scaled: FloatArray) -> FloatArray:
        """Return the function's covariance between other scaled features and the points."""
        return self.parameters.signal * matern52(squared_distances(scaled, self.points))


class GaussianProcess:
    """Predicts a function from values at the points of a factor.

    Parameters
    ----------
    factor : Factor
    y : float64 (n,)

    Attributes
    ----------
    y : float64 (n,)
        The values.
    """

    def __init__(self, factor: Factor, y: FloatArray) -> None:
        self._factor = factor
        self.y = y
        half = factor.inverse @ np.stack([np.ones(len(y)), y], axis=1)
        weight = float(half[:, 0] @ half[:, 0]) + 1 / MEAN_VARIANCE
        self._mean = float(half[:, 0] @ half[:, 1]) / weight
        self._alpha = factor.inverse.T @ (half[:, 1] - self._mean * half[:, 0])

    @property
    def scales(self) -> FloatArray:
        """What features are multiplied by before distances count, shape (f,)."""
        return self._factor.scales

    def left_out(self) -> FloatArray:
        """Return what the others predict for each point, shape (n,).

        Without fitting n times (Rasmussen and Williams 2006, eq. 5.12).
        """
        precision = np.square(self._factor.inverse).sum(axis=0)
        result: FloatArray = self.y - self._alpha / precision
        return result

    def predict(self, features: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return mean and standard deviation of the function, each of shape (m,)."""
        factor = self._factor
        covariance = factor.covariance(features * factor.scales)
        return self._mean + covariance @ self._alpha, self._deviation(covariance)[0]

    def predict_with_gradient(
        self, features: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Return mean, standard deviation and their gradients by the features, (m, f) each."""
        factor, signal = self._factor, self._factor.parameters.signal
        scaled = features * factor.scales
        value, slope = matern52_with_slope(squared_distances(scaled, factor.points))
        value *= signal
        slope *= 2 * signal
        deviation, half = self._deviation(value)
        by_mean = slope * self._alpha
        by_deviation = slope * (half @ factor.inverse)
        by_deviation /= -deviation[:, None]
        gradients = [
            (part.sum(axis=1)[:, None] * scaled - part @ factor.points) * factor.scales
            for part in (by_mean, by_deviation)
        ]
        return self._mean + value @ self._alpha, deviation, gradients[0], gradients[1]

    def believing(self, features: FloatArray, *, doubting: bool = False) -> GaussianProcess:
        """Return the process as if its own means had been observed at `features`.

        The mean stays what it is and the variance shrinks there (the kriging believer of
        Ginsbourger, Le Riche and Carraro 2010). Doubting, what is lower than all means of the
        process's points counts as the lowest of these.
        """
        if not len(features):
            return self
        means = self.predict(features)[0]
        if doubting:
            means = np.maximum(means, (self.y - self._factor.parameters.noise * self._alpha).min())
        y = np.concatenate([self.y, means])
        return GaussianProcess(self._factor.extended(features), y)

    def _deviation(self, covariance: FloatArray) -> tuple[FloatArray, FloatArray]:
        half = covariance @ self._factor.inverse.T
        signal = self._factor.parameters.signal
        variance = signal - np.einsum("ij,ij->i", half, half)
        return np.sqrt(np.maximum(variance, 1e-12 * signal)), half
