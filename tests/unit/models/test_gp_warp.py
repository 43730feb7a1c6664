"""Targets for the Gaussian process."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandmaster.models.gp_warp import decades, signed, warped

LOSSES = st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=40)


@given(LOSSES)
def test_any_losses_give_targets(losses: list[float]) -> None:
    """Whatever the losses, targets have mean 0 and variance 1 or 0, and are in their order."""
    array = np.array(losses)
    targets = warped(array)
    assert np.isfinite(targets).all()
    assert 0 == pytest.approx(targets.mean(), abs=1e-9)
    assert targets.std() == pytest.approx(1.0) or not targets.any()
    order = np.argsort(array)
    assert (np.diff(targets[order]) >= -1e-9).all()


def test_outliers_do_not_flatten_the_rest() -> None:
    """One huge loss changes the targets of the good ones but little."""
    losses = np.arange(20.0)
    huge = np.append(losses[:-1], 1e300)
    assert warped(losses) == pytest.approx(warped(huge))


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=30))
def test_violations_keep_their_sign_and_order(violations: list[float]) -> None:
    """Targets of violations are finite, in their order, and 0 stays 0."""
    array = np.array(violations)
    targets = signed(array)
    assert np.isfinite(targets).all()
    assert (np.diff(targets[np.argsort(array)]) >= 0).all()
    assert not (np.sign(array) * np.sign(targets) < 0).any()
    assert not targets[array == 0].any()
    assert 1 == pytest.approx(np.square(targets).mean()) or not array.any()


def test_what_spans_decades_counts_by_its_logarithm() -> None:
    """Its first values say so, whatever follows; turned round as well; a NaN stays one."""
    seconds = np.append(10.0 ** np.linspace(-2, 3, 10), [np.nan, 0.5, 0.5])
    assert decades(seconds, 10) == pytest.approx(np.log(seconds), nan_ok=True)
    assert decades(-seconds, 10) == pytest.approx(-np.log(seconds), nan_ok=True)


@pytest.mark.parametrize(
    "values",
    [
        np.linspace(0.01, 1.0, 10),  # even as they are
        10.0 ** np.linspace(-0.4, 0.4, 10),  # of less than a decade
        np.append(10.0 ** np.linspace(-2, 3, 10), 0.0),  # not of one sign
        np.full(10, np.nan),
        np.full(10, 5.0),
    ],
)
def test_other_values_are_left_alone(values: npt.NDArray[np.float64]) -> None:
    """Values that are even, close together or of two signs stay what they are."""
    assert values is decades(values, 10)


@given(LOSSES)
def test_an_order_stays_in_decades(losses: list[float]) -> None:
    """Logarithms or not, they are finite and in the order of the values."""
    array = np.array(losses)
    found = decades(array, 10)
    assert np.isfinite(found).all()
    assert (np.diff(found[np.argsort(array)]) >= 0).all()
