"""Products of powers, learned from logarithms."""

from __future__ import annotations

import numpy as np
import pytest

from bandmaster.models.loglinear import LogLinear


def test_learns_a_sum_of_parabolas() -> None:
    """With more observations than coefficients, a sum of parabolas is predicted everywhere."""
    rng = np.random.default_rng(0)
    x, other = rng.random((40, 4)), rng.random((100, 4))

    def truth(x: np.ndarray) -> np.ndarray:
        result: np.ndarray = 3.0 + 5.0 * x[:, 0] - 2.0 * x[:, 1] ** 2 + 0.1 * x[:, 2]
        return result

    assert LogLinear(x, truth(x)).predict(other) == pytest.approx(truth(other), abs=0.1)


@pytest.mark.parametrize("n", [1, 2, 6])
def test_few_observations_give_moderate_predictions(n: int) -> None:
    """With fewer observations than coefficients, predictions stay about where values are."""
    rng = np.random.default_rng(n)
    x, y = rng.random((n, 10)), rng.standard_normal(n)
    predicted = LogLinear(x, y).predict(rng.random((200, 10)))
    assert np.abs(predicted).max() < 3 * np.abs(y).max() + 1e-9


def test_gradient_is_the_slope_of_the_prediction() -> None:
    """The gradient is what differences of predictions say."""
    rng = np.random.default_rng(1)
    model = LogLinear(rng.random((20, 3)), rng.standard_normal(20))
    at, step = rng.random((5, 3)), 1e-6
    for j in range(3):
        change = np.eye(3)[j] * step
        slope = (model.predict(at + change) - model.predict(at - change)) / (2 * step)
        assert model.gradient(at)[:, j] == pytest.approx(slope, abs=1e-6)


def test_equal_values_are_predicted_as_they_are() -> None:
    """Where all cost the same, that is the prediction, also for equal points."""
    assert LogLinear(np.full((4, 2), 0.3), np.full(4, 7.0)).predict(np.ones((2, 2))) == (
        pytest.approx(7.0)
    )
