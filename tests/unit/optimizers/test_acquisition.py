"""Log expected improvement, near and far."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandmaster.optimizers.acquisition import (
    log_expected_improvement,
    log_expected_improvement_of_max,
    log_h,
    log_probability_below,
)


def _reference(z: float) -> float:
    """Return log h at a negative z by the continued fraction of Mills' ratio, exactly.

    With t = -z, ``Φ(z)/φ(z) = 1/(t + 1/(t + 2/(t + 3/...)))``, so ``h/φ = 1 - t Φ/φ``.
    """
    t = Fraction(-z)
    ratio = t
    for k in range(400, 0, -1):
        ratio = t + k / ratio
        ratio = ratio.limit_denominator(10**40)
    h = 1 - t / ratio
    log = math.log(h.numerator) - math.log(h.denominator)
    return log - float(t * t) / 2 - 0.5 * math.log(2 * math.pi)


@pytest.mark.parametrize("z", [-2.0, -5.5, -20.0, -300.0, -9_999.0, -10_001.0, -1e6])
def test_log_h_in_the_tail(z: float) -> None:
    """Far below the incumbent the logarithm is that of exact arithmetic."""
    assert _reference(z) == pytest.approx(log_h(np.array([z]))[0][0], rel=1e-9)


def test_log_h_near() -> None:
    """Where nothing cancels it is the logarithm of the definition."""
    z = np.linspace(-3, 5, 33)
    phi = np.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    below = np.array([0.5 * math.erfc(-x / math.sqrt(2)) for x in z])
    assert np.log(phi + z * below) == pytest.approx(log_h(z)[0], rel=1e-9)


def test_slope_of_log_h() -> None:
    """The derivative is that of finite differences, on both sides of every change of formula."""
    z = np.array([-2e4, -1.1e4, -9e3, -50.0, -3.0, -1.01, -0.99, 0.0, 2.0, 30.0])
    step = 1e-6 * np.maximum(np.abs(z), 1)
    slope = (log_h(z + step)[0] - log_h(z - step)[0]) / (2 * step)
    assert slope == pytest.approx(log_h(z)[1], rel=1e-5)


@given(st.lists(st.floats(-1e12, 1e3), min_size=2, max_size=30))
def test_log_h_grows(z: list[float]) -> None:
    """The higher the bar is above the mean, the more improvement is expected; always finite."""
    values = log_h(np.sort(np.array(z)))[0]
    assert np.isfinite(values).all()
    assert (np.diff(values) >= -1e-9 * np.abs(values[1:])).all()


def test_improvement_and_its_derivatives() -> None:
    """It falls with the mean, grows with the deviation, and the derivatives say by how much."""
    mean, deviation = np.array([-1.0, 0.3, 2.0, 40.0]), np.array([0.2, 0.5, 1.0, 0.7])
    value, by_mean, by_deviation = log_expected_improvement(mean, deviation, 0.1)
    assert (by_mean < 0).all()
    assert (by_deviation > 0).all()
    step = 1e-6
    up = log_expected_improvement(mean + step, deviation, 0.1)[0]
    assert (up - value) / step == pytest.approx(by_mean, rel=1e-3)
    up = log_expected_improvement(mean, deviation + step, 0.1)[0]
    assert (up - value) / step == pytest.approx(by_deviation, rel=1e-3, abs=1e-8)


def test_probability_below() -> None:
    """The log of the normal distribution function, finite in the tail, with its derivatives."""
    mean, deviation = np.array([-3.0, 0.0, 1.0, 500.0]), np.array([1.0, 2.0, 0.5, 0.3])
    value, by_mean, by_deviation = log_probability_below(mean, deviation)
    expected = [math.log(0.5 * math.erfc(m / s / 2**0.5)) for m, s in ((-3, 1), (0, 2), (1, 0.5))]
    assert expected == pytest.approx(value[:3].tolist())
    assert np.isfinite(value).all()
    step = 1e-6
    up = log_probability_below(mean + step, deviation)[0]
    assert (up - value) / step == pytest.approx(by_mean, rel=1e-3)
    up = log_probability_below(mean, deviation + step)[0]
    assert (up - value) / step == pytest.approx(by_deviation, rel=1e-3, abs=1e-6)


def test_improvement_of_the_largest_of_one() -> None:
    """For one variable the integral is the closed form, from sure improvement to the far tail."""
    mean, deviation = np.array([-1.0, -0.5, 0.3, 4.0, 25.0]), np.array([0.5, 0.5, 1.0, 0.7, 1.0])
    expected = log_expected_improvement(mean, deviation, 0.1)
    got = log_expected_improvement_of_max(mean[None], deviation[None], 0.1)
    assert expected[0] == pytest.approx(got[0], abs=0.02)
    assert expected[1] == pytest.approx(got[1][0], rel=0.02)
    assert expected[2] == pytest.approx(got[2][0], rel=0.05)


def test_improvement_of_the_largest_of_two() -> None:
    """For two variables the integral is the mean over draws."""
    draws = np.random.default_rng(0).standard_normal((400_000, 2)) * (0.5, 1.0) + (0.2, -0.4)
    expected = np.maximum(0.3 - draws.max(axis=1), 0).mean()
    mean, deviation = np.array([[0.2], [-0.4]]), np.array([[0.5], [1.0]])
    got = log_expected_improvement_of_max(mean, deviation, 0.3)[0][0]
    assert math.log(expected) == pytest.approx(got, abs=0.02)
