"""Several predictions of one function, weighted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["Ensemble", "Predictor"]

FloatArray = npt.NDArray[np.float64]


class Predictor(Protocol):
    """Predicts a function as a normal distribution at each point."""

    def predict(self, features: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return mean and standard deviation, each of shape (m,)."""

    def predict_with_gradient(
        self, features: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Return mean, standard deviation and their gradients by the features, (m, f) each."""


class Ensemble:
    """A generalised product of experts: precisions are added, each times its weight.

    Where a member knows nothing its share is small by itself (Cao and Fleet 2014, eq. 6).

    Parameters
    ----------
    members : sequence of Predictor
    weights : float64 (k,)
        Positive, of sum 1.
    """

    def __init__(self, members: Sequence[Predictor], weights: FloatArray) -> None:
        self._members = list(members)
        self._weights = weights

    def predict(self, features: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return mean and standard deviation, each of shape (m,)."""
        means, deviations = zip(*(m.predict(features) for m in self._members), strict=True)
        parts = self._weights[:, None] / np.square(deviations)
        total = parts.sum(axis=0)
        return (parts * means).sum(axis=0) / total, total**-0.5

    def predict_with_gradient(
        self, features: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Return mean, standard deviation and their gradients by the features, (m, f) each."""
        each = [m.predict_with_gradient(features) for m in self._members]
        means, deviations, by_mean, by_deviation = (
            np.array(part) for part in zip(*each, strict=True)
        )
        parts = self._weights[:, None] / deviations**2
        total = parts.sum(axis=0)
        mean = (parts * means).sum(axis=0) / total
        change = -2 * (parts / deviations)[..., None] * by_deviation
        slope = (parts[..., None] * by_mean + (means - mean)[..., None] * change).sum(axis=0)
        by_total = change.sum(axis=0)
        deviation = total**-0.5
        return (
            mean,
            deviation,
            slope / total[:, None],
            -0.5 * (deviation / total)[:, None] * by_total,
        )
