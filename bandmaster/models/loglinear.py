"""Positive numbers as products of what each feature contributes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["LogLinear"]

FloatArray = npt.NDArray[np.float64]

_PENALTIES = 10.0 ** np.arange(-2.0, 3.5, 0.5)


class LogLinear:
    """Ridge regression of logarithms on features and their squares.

    What takes time is mostly a product of powers (epochs, layers, trees, samples), whose logarithm
    is a sum. A sum of parabolas learns that from few observations, and goes on smoothly where
    nothing was seen. The penalty is the one with the least error in generalised cross-validation.

    Parameters
    ----------
    features : float64 (n, f)
        About in [0, 1].
    y : float64 (n,)
        Logarithms; n at least 1.

    References
    ----------
    Golub, Heath, Wahba: Generalized Cross-Validation as a Method for Choosing a Good Ridge
    Parameter, 1979.
    """

    def __init__(self, features: FloatArray, y: FloatArray) -> None:
        design = _expanded(features)
        self._centre, self._mean = design.mean(axis=0), float(y.mean())
        u, s, vt = np.linalg.svd(design - self._centre, full_matrices=False)
        part, n = u.T @ (y - self._mean), len(y)
        shrink = s * s / (s * s + _PENALTIES[:, None])
        left = np.square(y - self._mean).sum() - (part * part * (1 - (1 - shrink) ** 2)).sum(axis=1)
        error = np.maximum(left, 0.0) / np.maximum(n - 1 - shrink.sum(axis=1), 0.1) ** 2
        best = len(error) - 1 - int(error[::-1].argmin())  # of equals the simplest
        self._slopes = vt.T @ (part * s / (s * s + _PENALTIES[best]))

    def predict(self, features: FloatArray) -> FloatArray:
        """Return the predicted logarithms, shape (m,)."""
        result: FloatArray = self._mean + (_expanded(features) - self._centre) @ self._slopes
        return result

    def gradient(self, features: FloatArray) -> FloatArray:
        """Return derivatives by the features, shape (m, f)."""
        f = features.shape[1]
        result: FloatArray = self._slopes[:f] + 2 * (features - 0.5) * self._slopes[f:]
        return result


def _expanded(features: FloatArray) -> FloatArray:
    # Squares of the distance from the middle, so that both parts say different things.
    return np.concatenate([features, np.square(features - 0.5)], axis=1)
