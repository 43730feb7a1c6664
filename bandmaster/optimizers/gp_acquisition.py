"""What a Gaussian process optimizer maximises: terms of features, added up."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from bandmaster.models.gp_ensemble import Predictor
from bandmaster.models.gp_inputs import Inputs
from bandmaster.models.gp_kernel import squared_distances
from bandmaster.optimizers.acquisition import (
    log_expected_improvement,
    log_expected_improvement_of_max,
    log_probability_below,
)

__all__ = ["Apart", "Feasibility", "Improvement", "ImprovementOfMax", "Sum", "Term"]

FloatArray = npt.NDArray[np.float64]

_CLOSE = 30.0  # off the acquisition at a pending point; less, linearly, up to its radius


class Term(Protocol):
    """A function of features."""

    def value(self, features: FloatArray) -> FloatArray:
        """Return the value at each row of features, shape (m,)."""

    def gradient(self, features: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return values (m,) and derivatives by the features (m, f)."""


class Improvement:
    """The log of the expected improvement of a prediction below a value."""

    def __init__(self, predictor: Predictor, best: float) -> None:
        self._predictor, self._best = predictor, best

    def value(self, features: FloatArray) -> FloatArray:
        """Return the value at each row of features."""
        return log_expected_improvement(*self._predictor.predict(features), self._best)[0]

    def gradient(self, features: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return values and derivatives by the features."""
        mean, deviation, by_mean, by_deviation = self._predictor.predict_with_gradient(features)
        value, m, s = log_expected_improvement(mean, deviation, self._best)
        return value, m[:, None] * by_mean + s[:, None] * by_deviation


class Apart:
    """Less than 0 near points whose values are not known yet.

    What is predicted far from all that is known is often wrong, and wrong for the neighbours of a
    point as well. So around each pending one is a ball, the wider the farther it is from what is
    known, in which others would find out no more.

    Parameters
    ----------
    scales : float64 (f,)
        Features are multiplied by these before distances count.
    known, out : float64 (r, f), (p, f)
        Features of points with a result and of pending ones; one of each at least.
    share : float
        The balls' radii, as shares of the distances from what is known.
    """

    def __init__(
        self, scales: FloatArray, known: FloatArray, out: FloatArray, share: float
    ) -> None:
        self._scales, self._out = scales, out * scales
        nearest = squared_distances(self._out, known * scales).min(axis=1)
        self._radii = np.maximum(share * np.sqrt(nearest), 1e-6)

    def value(self, features: FloatArray) -> FloatArray:
        """Return the value at each row of features."""
        return self._nearest(features * self._scales)[0]

    def gradient(self, features: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return values and derivatives by the features."""
        scaled = features * self._scales
        value, ball, distance = self._nearest(scaled)
        slope = (scaled - self._out[ball]) * self._scales
        slope *= (_CLOSE / (np.maximum(distance, 1e-9) * self._radii[ball]))[:, None]
        slope[value == 0.0] = 0.0
        return value, slope

    def _nearest(self, scaled: FloatArray) -> tuple[FloatArray, npt.NDArray[np.intp], FloatArray]:
        """Return the value, in which ball it is deepest, and how far from the centre."""
        distance = np.sqrt(squared_distances(scaled, self._out))
        ball = (distance / self._radii).argmin(axis=1)
        distance = distance[np.arange(len(scaled)), ball]
        return np.minimum(_CLOSE * (distance / self._radii[ball] - 1.0), 0.0), ball, distance


class ImprovementOfMax:
    """The log of the expected improvement of the largest of several scaled predictions.

    Parameters
    ----------
    predictors : sequence of Predictor
        Taken for independent.
    offsets, scales : float64 (k,)
        Prediction k counts as ``scales[k] * (f_k - offsets[k])``; scales are positive.
    best : float
    """

    def __init__(
        self, predictors: Sequence[Predictor], offsets: FloatArray, scales: FloatArray, best: float
    ) -> None:
        self._predictors = list(predictors)
        self._offsets, self._scales, self._best = offsets[:, None], scales[:, None], best

    def value(self, features: FloatArray) -> FloatArray:
        """Return the value at each row of features."""
        pairs = [predictor.predict(features) for predictor in self._predictors]
        mean, deviation = (np.array(part) for part in zip(*pairs, strict=True))
        return self._improvement(mean, deviation)[0]

    def gradient(self, features: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return values and derivatives by the features."""
        each = [predictor.predict_with_gradient(features) for predictor in self._predictors]
        mean, deviation, by_mean, by_deviation = (
            np.array(part) for part in zip(*each, strict=True)
        )
        value, m, s = self._improvement(mean, deviation)
        m, s = m * self._scales, s * self._scales
        return value, (m[..., None] * by_mean + s[..., None] * by_deviation).sum(axis=0)

    def _improvement(
        self, mean: FloatArray, deviation: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        return log_expected_improvement_of_max(
            (mean - self._offsets) * self._scales, deviation * self._scales, self._best
        )


class Feasibility:
    """The log of the probability that a prediction is below 0."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor

    def value(self, features: FloatArray) -> FloatArray:
        """Return the value at each row of features."""
        return log_probability_below(*self._predictor.predict(features))[0]

    def gradient(self, features: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return values and derivatives by the features."""
        mean, deviation, by_mean, by_deviation = self._predictor.predict_with_gradient(features)
        value, m, s = log_probability_below(mean, deviation)
        return value, m[:, None] * by_mean + s[:, None] * by_deviation


class Sum:
    """An `Acquisition`: terms of features and a function of rows, added up.

    Parameters
    ----------
    inputs : Inputs
    terms : sequence of Term
    extra : callable
        Of encoded rows; a float or an array (m,). Its slope is taken for 0.
    """

    def __init__(
        self,
        inputs: Inputs,
        terms: Sequence[Term],
        extra: Callable[[FloatArray], FloatArray | float],
    ) -> None:
        self._inputs, self._terms, self._extra = inputs, list(terms), extra

    def value(self, rows: FloatArray) -> FloatArray:
        """Return the sum at each encoded row."""
        features = self._inputs.features(rows)
        result = np.zeros(len(rows))
        for term in self._terms:
            result += term.value(features)
        return result + self._extra(rows)

    def gradient(self, rows: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return values (m,) and derivatives by the columns (m, dim)."""
        features = self._inputs.features(rows)
        value, by_features = np.zeros(len(rows)), np.zeros(features.shape)
        for term in self._terms:
            part, slope = term.gradient(features)
            value += part
            by_features += slope
        result = np.zeros(rows.shape)
        result[:, self._inputs.numbers] = self._inputs.by_numbers(by_features)
        return value + self._extra(rows), result
