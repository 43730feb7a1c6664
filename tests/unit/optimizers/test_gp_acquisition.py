"""What a Gaussian process optimizer maximises."""

from __future__ import annotations

import numpy as np
import pytest

from bandmaster.models.gp import Factor, GaussianProcess
from bandmaster.models.gp_likelihood import Hyperparameters
from bandmaster.optimizers.gp_acquisition import Apart, Improvement, Term

PARAMETERS = Hyperparameters(np.array([0.3, 0.4]), 1.0, 1e-4)
GROUPS = np.arange(2)
KNOWN = np.random.default_rng(0).random((12, 2))
PROCESS = GaussianProcess(
    Factor.of(PARAMETERS, GROUPS, KNOWN), 4 * np.square(KNOWN - 0.5).sum(axis=1)
)


OUT = np.array([[0.1, 0.9], [0.55, 0.45]])
SCALES = np.array([2.0, 0.5])


@pytest.mark.parametrize("term", [Improvement(PROCESS, 0.1), Apart(SCALES, KNOWN, OUT, 0.8)])
def test_gradients(term: Term) -> None:
    """Derivatives by the features are those of finite differences."""
    new = np.random.default_rng(1).random((40, 2))
    value, slope = term.gradient(new)
    assert np.ptp(value) > 0
    assert term.value(new) == pytest.approx(value, rel=1e-12)
    for k in range(2):
        step = 1e-6 * (np.arange(2) == k)
        difference = (term.value(new + step) - term.value(new - step)) / 2e-6
        assert difference == pytest.approx(slope[:, k], rel=1e-4, abs=1e-4)


def test_apart_from_what_is_not_known_yet() -> None:
    """It is negative within a share of a pending point's scaled distance from what is known."""
    new = np.random.default_rng(2).random((500, 2))

    def distances(points: np.ndarray) -> np.ndarray:
        return np.sqrt((np.square(OUT[:, None] - points) * SCALES**2).sum(axis=2))

    radii = 0.4 * distances(KNOWN).min(axis=1)
    inside = (distances(new) < radii[:, None]).any(axis=0)
    assert 0 < inside.sum() < 500
    value = Apart(SCALES, KNOWN, OUT, 0.4).value(new)
    assert inside.tolist() == (value < 0).tolist()
    assert (value <= 0).all()
    assert (Apart(SCALES, KNOWN, OUT, 0.4).value(OUT) < value.min()).all()


def test_a_repeated_point_has_no_surroundings() -> None:
    """Who is evaluated again keeps nobody else away."""
    near = KNOWN + 1e-4
    assert (Apart(SCALES, KNOWN, KNOWN[:3], 1.0).value(near) == 0).all()
    _, slope = Apart(SCALES, KNOWN, KNOWN[:3], 1.0).gradient(KNOWN)
    assert np.isfinite(slope).all()
