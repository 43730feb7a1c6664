"""Several predictions of one function, weighted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["Calibrated", "Ensemble", "Predictor"]

FloatArray = npt.NDArray[np.float64]


class Predictor(Protocol):
    """Predicts a function as a normal distribution at each point."""

    @property
    def scales(self) -> FloatArray:
        """What features are multiplied by before distances count, shape (f,)."""

    def predict(self, features: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return mean and standard deviation, each of shape (m,)."""

    def predict_with_gradient(
        self, features: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Return mean, standard deviation and their gradients by the features, (m, f) each."""


class Calibrated:
    """A prediction of one function as a prediction of another that is roughly linear in it.

    Parameters
    ----------
    member : Predictor
    predicted, targets : float64 (n,)
        What the member says of n points, and what the other function is there. The line through
        them is fitted by least squares, its slope not negative; what is left counts as uncertainty.
    """

    def __init__(self, member: Predictor, predicted: FloatArray, targets: FloatArray) -> None:
        self._member = member
        away = predicted - predicted.mean()
        slope = float(away @ targets) / (float(away @ away) + 1e-6 * len(targets))
        self._slope = max(slope, 1e-3)
        self._offset = float(targets.mean() - self._slope * predicted.mean())
        rest = targets - self._offset - self._slope * predicted
        self._variance = float(rest @ rest) / max(len(rest) - 2, 1)

    @property
    def scales(self) -> FloatArray:
        """What features are multiplied by before distances count, shape (f,)."""
        return self._member.scales

    def predict(self, features: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return mean and standard deviation, each of shape (m,)."""
        mean, deviation = self._member.predict(features)
        total = (self._slope * deviation) ** 2 + self._variance
        return self._offset + self._slope * mean, np.sqrt(total)

    def predict_with_gradient(
        self, features: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Return mean, standard deviation and their gradients by the features, (m, f) each."""
        mean, deviation, by_mean, by_deviation = self._member.predict_with_gradient(features)
        total = np.sqrt((self._slope * deviation) ** 2 + self._variance)
        return (
            self._offset + self._slope * mean,
            total,
            self._slope * by_mean,
            (self._slope**2 * deviation / total)[:, None] * by_deviation,
        )


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

    @property
    def scales(self) -> FloatArray:
        """What the last member multiplies features by before distances count, shape (f,)."""
        return self._members[-1].scales

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
