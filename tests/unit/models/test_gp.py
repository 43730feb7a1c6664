"""The Gaussian process against finite differences and dense references."""

from __future__ import annotations

import numpy as np
import pytest

from bandmaster.models.gp import Factor, GaussianProcess
from bandmaster.models.gp_kernel import matern52, matern52_with_slope, squared_distances
from bandmaster.models.gp_likelihood import Hyperparameters, Prior, fit, negative_log_posterior

N, D = 25, 4
GROUPS = np.array([0, 1, 2, 2])  # the last two features share a length scale
PARAMETERS = Hyperparameters(np.array([0.4, 1.0, 2.5]), 1.7, 1e-3)


def _data(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    features = rng.random((N, D))
    y = np.sin(5 * features[:, 0]) + features[:, 1] ** 2 + 0.03 * rng.standard_normal(N)
    return features, (y - y.mean()) / y.std()


def _kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    lengths = PARAMETERS.lengths[GROUPS]
    r = np.sqrt((((a[:, None] - b[None]) / lengths) ** 2).sum(axis=2))
    return PARAMETERS.signal * (1 + 5**0.5 * r + 5 / 3 * r**2) * np.exp(-(5**0.5) * r)


def test_kernel_is_the_textbooks() -> None:
    """The kernel of scaled distances is Matérn's with ν = 5/2, its slope the derivative by r²."""
    features, _ = _data()
    lengths = PARAMETERS.lengths[GROUPS]
    squared = squared_distances(features / lengths, features[:7] / lengths)
    value, slope = matern52_with_slope(squared)
    assert value.tolist() == matern52(squared).tolist()
    assert _kernel(features, features[:7]) == pytest.approx(PARAMETERS.signal * value, abs=1e-12)
    step = 1e-5
    upper, lower = matern52(squared + step), matern52(np.maximum(squared - step, 0))
    apart = squared > step
    assert ((upper - lower) / (2 * step))[apart] == pytest.approx(slope[apart], abs=1e-6)
    assert -5 / 6 == matern52_with_slope(np.zeros(1))[1][0]


def test_gradient_of_the_posterior_density() -> None:
    """The analytic gradient is the one of finite differences, in every hyper-parameter."""
    features, y = _data()
    rng = np.random.default_rng(1)
    prior = Prior.scaled(3)
    for _ in range(3):
        theta = np.append(rng.normal(0, 0.7, 3), [rng.normal(0, 0.3), rng.normal(-4, 1)])
        _, gradient = negative_log_posterior(theta, features, GROUPS, y, prior)
        for k in range(len(theta)):
            step = np.zeros(len(theta))
            step[k] = 1e-5
            up, _ = negative_log_posterior(theta + step, features, GROUPS, y, prior)
            down, _ = negative_log_posterior(theta - step, features, GROUPS, y, prior)
            assert (up - down) / 2e-5 == pytest.approx(gradient[k], rel=1e-5, abs=1e-5)


def test_density_is_the_dense_one() -> None:
    """The density is that of a normal distribution whose mean has a normal prior of its own."""
    features, y = _data()
    theta = np.log([*PARAMETERS.lengths, PARAMETERS.signal, PARAMETERS.noise])
    prior = Prior.scaled(3)
    loss, _ = negative_log_posterior(theta, features, GROUPS, y, prior)
    covariance = _kernel(features, features) + PARAMETERS.noise * np.eye(N)
    marginal = covariance + 1.0  # the mean's prior variance
    # Maximised over the mean instead of integrated: the exponent is the same, the volume is not.
    at, spread = prior.moments(3)
    expected = 0.5 * y @ np.linalg.solve(marginal, y) + 0.5 * np.linalg.slogdet(covariance)[1]
    expected += 0.5 * (((theta - at) / spread) ** 2).sum()
    assert expected == pytest.approx(loss, rel=1e-9)


def test_prediction_is_the_dense_one() -> None:
    """Mean and deviation are those of the textbook's formulas."""
    features, y = _data()
    new = np.random.default_rng(2).random((9, D))
    process = GaussianProcess(Factor.of(PARAMETERS, GROUPS, features), y)
    inverse = np.linalg.inv(_kernel(features, features) + PARAMETERS.noise * np.eye(N))
    cross = _kernel(new, features)
    mean = inverse.sum(axis=0) @ y / (inverse.sum() + 1.0)
    got_mean, got_deviation = process.predict(new)
    assert mean + cross @ inverse @ (y - mean) == pytest.approx(got_mean, rel=1e-8)
    variance = PARAMETERS.signal - np.einsum("ij,jk,ik->i", cross, inverse, cross)
    assert np.sqrt(variance) == pytest.approx(got_deviation, rel=1e-8)


def test_gradients_of_the_prediction() -> None:
    """Derivatives by the features are those of finite differences."""
    features, y = _data()
    process = GaussianProcess(Factor.of(PARAMETERS, GROUPS, features), y)
    new = np.random.default_rng(3).random((6, D))
    mean, deviation, by_mean, by_deviation = process.predict_with_gradient(new)
    assert process.predict(new)[0] == pytest.approx(mean, rel=1e-12)
    assert process.predict(new)[1] == pytest.approx(deviation, rel=1e-12)
    for k in range(D):
        step = 1e-5 * (np.arange(D) == k)
        up, down = process.predict(new + step), process.predict(new - step)
        assert (up[0] - down[0]) / 2e-5 == pytest.approx(by_mean[:, k], abs=1e-6)
        assert (up[1] - down[1]) / 2e-5 == pytest.approx(by_deviation[:, k], abs=1e-5)


@pytest.mark.parametrize("n_first", [1, 10, N - 1])
def test_extending_equals_factorising_anew(n_first: int) -> None:
    """A factor that got its points in two parts is the factor of all."""
    features, _ = _data()
    whole = Factor.of(PARAMETERS, GROUPS, features)
    parts = Factor.of(PARAMETERS, GROUPS, features[:n_first]).extended(features[n_first:])
    assert whole.inverse == pytest.approx(parts.inverse, abs=1e-7)
    assert whole.points.tolist() == parts.points.tolist()
    covariance = _kernel(features, features) + PARAMETERS.noise * np.eye(N)
    assert np.eye(N) == pytest.approx(whole.inverse @ covariance @ whole.inverse.T, abs=1e-8)


def test_points_that_coincide() -> None:
    """A point many times over is no error, however little noise there is."""
    parameters = Hyperparameters(np.ones(3), 1.0, 1e-20)
    features = np.tile(np.full(D, 0.3), (8, 1))
    process = GaussianProcess(Factor.of(parameters, GROUPS, features), np.arange(8.0))
    mean, deviation = process.predict(features[:1])
    assert 0 <= mean[0] <= 7
    assert 0 < deviation[0] < 0.01


def test_more_noise_until_there_is_a_factor() -> None:
    """The noise that keeps points apart grows as far as the signal, then it is an error."""
    features = np.full((6, len(GROUPS)), 0.25)
    parameters = Hyperparameters(PARAMETERS.lengths, 1.0, -1e-3)
    factor = Factor.of(parameters, GROUPS, features)
    assert np.isfinite(factor.inverse).all()
    assert np.abs(np.tril(factor.inverse)).max() < 1e2
    with pytest.raises(np.linalg.LinAlgError, match="6 points"):
        Factor.of(Hyperparameters(PARAMETERS.lengths, 1.0, -5.0), GROUPS, features)


def test_believing_keeps_the_mean_and_shrinks_the_deviation() -> None:
    """Believing its own means, a process predicts the same, and is sure at these points."""
    features, y = _data()
    process = GaussianProcess(Factor.of(PARAMETERS, GROUPS, features), y)
    out = np.random.default_rng(4).random((3, D))
    believer = process.believing(out)
    everywhere = np.random.default_rng(5).random((20, D))
    before, after = process.predict(everywhere), believer.predict(everywhere)
    assert before[0] == pytest.approx(after[0], abs=1e-3)
    assert (after[1] <= before[1] + 1e-9).all()
    assert (believer.predict(out)[1] < 0.5 * process.predict(out)[1]).all()
    assert process is process.believing(out[:0])


def test_doubting_takes_nothing_to_be_better_than_the_best_known() -> None:
    """Believed means that are lower than all of its points' are raised to these; others stay."""
    features, y = _data()
    process = GaussianProcess(Factor.of(PARAMETERS, GROUPS, features), y)
    out = np.random.default_rng(4).random((200, D))
    believed, doubted = process.believing(out).y[N:], process.believing(out, doubting=True).y[N:]
    lowest = process.predict(features)[0].min()
    assert 0 < (believed < lowest).sum() < 200
    assert np.maximum(believed, lowest) == pytest.approx(doubted)


def test_left_out() -> None:
    """What the others predict for a point is what a process without it predicts."""
    features, y = _data()
    got = GaussianProcess(Factor.of(PARAMETERS, GROUPS, features), y).left_out()
    inverse = np.linalg.inv(_kernel(features, features) + PARAMETERS.noise * np.eye(N))
    mean = inverse.sum(axis=0) @ y / (inverse.sum() + 1.0)  # the constant mean stays that of all
    for k in (0, 7, N - 1):
        rest = np.arange(N) != k
        covariance = _kernel(features[rest], features[rest]) + PARAMETERS.noise * np.eye(N - 1)
        cross = _kernel(features[[k]], features[rest])[0]
        assert mean + cross @ np.linalg.solve(covariance, y[rest] - mean) == pytest.approx(got[k])


def test_fit_finds_what_matters() -> None:
    """A feature that plays no part gets a longer length scale than those that do."""
    features, y = _data()
    found = fit(features, GROUPS, y, Prior.scaled(3))
    assert found.lengths[2] > 2 * max(found.lengths[:2])
    assert found.noise < 0.02
