"""What a Gaussian process optimizer maximises."""

from __future__ import annotations

import numpy as np
import pytest

from bandmaster.models.gp import Factor, GaussianProcess
from bandmaster.models.gp_likelihood import Hyperparameters
from bandmaster.optimizers.gp_acquisition import Exploration, Improvement, Term

PARAMETERS = Hyperparameters(np.array([0.3, 0.4]), 1.0, 1e-4)
GROUPS = np.arange(2)
KNOWN = np.random.default_rng(0).random((12, 2))
PROCESS = GaussianProcess(
    Factor.of(PARAMETERS, GROUPS, KNOWN), 4 * np.square(KNOWN - 0.5).sum(axis=1)
)


@pytest.mark.parametrize("term", [Improvement(PROCESS, 0.1), Exploration(PROCESS, KNOWN)])
def test_gradients(term: Term) -> None:
    """Derivatives by the features are those of finite differences."""
    new = np.random.default_rng(1).random((40, 2))
    value, slope = term.gradient(new)
    assert term.value(new) == pytest.approx(value, rel=1e-12)
    for k in range(2):
        step = 1e-6 * (np.arange(2) == k)
        difference = (term.value(new + step) - term.value(new - step)) / 2e-6
        assert difference == pytest.approx(slope[:, k], rel=1e-4, abs=1e-4)


def test_exploration_goes_where_the_lowest_may_be() -> None:
    """It takes the most uncertain of the points whose lower bound is promising, of no others."""
    new = np.random.default_rng(2).random((500, 2))
    mean, deviation = PROCESS.predict(new)
    known_mean, known_deviation = PROCESS.predict(KNOWN)
    promising = mean - deviation / 2 <= (known_mean + known_deviation / 2).min()
    assert 0 < promising.sum() < 500
    value = Exploration(PROCESS, KNOWN).value(new)
    assert np.log(deviation[promising]) == pytest.approx(value[promising])
    assert (value[~promising] < np.log(deviation[~promising])).all()
