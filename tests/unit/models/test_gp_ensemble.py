"""Several predictions in one."""

from __future__ import annotations

import numpy as np
import pytest

from bandmaster.models.gp import Factor, GaussianProcess
from bandmaster.models.gp_ensemble import Calibrated, Ensemble
from bandmaster.models.gp_likelihood import Hyperparameters

GROUPS = np.arange(2)


def _process(seed: int, n: int = 12) -> GaussianProcess:
    rng = np.random.default_rng(seed)
    features = rng.random((n, 2))
    parameters = Hyperparameters(np.array([0.5, 1.5]), 1.0, 1e-2)
    return GaussianProcess(Factor.of(parameters, GROUPS, features), rng.standard_normal(n))


def test_one_member_is_itself() -> None:
    """An ensemble of equals predicts what each does."""
    process, new = _process(0), np.random.default_rng(9).random((5, 2))
    twice = Ensemble([process, process], np.array([0.3, 0.7]))
    for expected, got in zip(
        process.predict_with_gradient(new), twice.predict_with_gradient(new), strict=True
    ):
        assert expected == pytest.approx(got, rel=1e-9)


def test_the_surer_member_counts_more() -> None:
    """The prediction lies between those of the members, nearer to the one that knows more."""
    near, far = _process(1), _process(2)
    both = Ensemble([near, far], np.array([0.5, 0.5]))
    new = np.random.default_rng(3).random((30, 2))
    (m1, s1), (m2, s2), (m, s) = near.predict(new), far.predict(new), both.predict(new)
    share = (m - m2) / (m1 - m2)
    assert s2**2 / (s1**2 + s2**2) == pytest.approx(share)
    assert ((s >= np.minimum(s1, s2)) & (s <= np.maximum(s1, s2))).all()


def test_gradients() -> None:
    """Derivatives by the features are those of finite differences."""
    both = Ensemble([_process(1), _process(2)], np.array([0.2, 0.8]))
    new = np.random.default_rng(4).random((6, 2))
    mean, deviation, by_mean, by_deviation = both.predict_with_gradient(new)
    assert both.predict(new)[0] == pytest.approx(mean)
    assert both.predict(new)[1] == pytest.approx(deviation)
    for k in range(2):
        step = 1e-6 * (np.arange(2) == k)
        up, down = both.predict(new + step), both.predict(new - step)
        assert (up[0] - down[0]) / 2e-6 == pytest.approx(by_mean[:, k], abs=1e-5)
        assert (up[1] - down[1]) / 2e-6 == pytest.approx(by_deviation[:, k], abs=1e-5)


def test_distances_are_those_of_the_last_member() -> None:
    """Scales are the inverse length scales of who is predicted, calibrated or not."""
    process, new = _process(1), _process(2)
    calibrated = Calibrated(process, process.y, process.y)
    assert [2.0, 1 / 1.5] == calibrated.scales.tolist()
    assert new.scales is Ensemble([calibrated, new], np.array([0.5, 0.5])).scales


def test_calibration() -> None:
    """A member that is off by a line predicts as well as one that is not; what is left is doubt."""
    process, new = _process(1), np.random.default_rng(5).random((8, 2))
    predicted = process.predict(new)[0]
    exact = Calibrated(process, predicted, 3 * predicted - 2)
    mean, deviation, by_mean, by_deviation = exact.predict_with_gradient(new)
    assert 3 * predicted - 2 == pytest.approx(mean, abs=1e-3)
    assert 3 * process.predict(new)[1] == pytest.approx(deviation, rel=1e-3)
    useless = Calibrated(process, predicted, -predicted)
    assert (useless.predict(new)[1] > predicted.std()).all()
    for k in range(2):
        step = 1e-6 * (np.arange(2) == k)
        up, down = exact.predict(new + step), exact.predict(new - step)
        assert (up[0] - down[0]) / 2e-6 == pytest.approx(by_mean[:, k], abs=1e-4)
        assert (up[1] - down[1]) / 2e-6 == pytest.approx(by_deviation[:, k], abs=1e-4)
