"""Budgets are exact, whatever type the user wrote them in."""

from __future__ import annotations

import itertools
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bandmaster.core.formatting import format_budget
from bandmaster.errors import ConfigurationError
from bandmaster.multifidelity.budgets import (
    as_budgets,
    as_count,
    exact,
    exact_eta,
    exact_range,
    rung_budgets,
)


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        (3, Fraction(3)),
        (0.1, Fraction(1, 10)),
        (1e-4, Fraction(1, 10_000)),
        (12345678.9, Fraction(123456789, 10)),
        (1 / 3, Fraction(1, 3)),
        (1 / 11, Fraction(1, 11)),  # this float is greater than 1/11
        (100 / 27, Fraction(100, 27)),
        (0.1234567890123, Fraction(1234567890123, 10**13)),
        (Fraction(2, 7), Fraction(2, 7)),
        (Decimal("0.3"), Fraction(3, 10)),
        (np.float64(0.1), Fraction(1, 10)),
        (np.float32(0.1), Fraction(1, 10)),
        (np.int32(81), Fraction(81)),
    ],
)
def test_a_number_stands_for_its_short_notation(value: Any, meant: Fraction) -> None:
    """A float is the decimal or the small fraction that was typed, not its binary value."""
    assert meant == exact(value, "budget")


@pytest.mark.parametrize(
    "value", [0, -1, -0.5, float("nan"), float("inf"), "1", None, True, 1j, [1], Decimal("NaN")]
)
def test_what_is_no_budget_is_refused(value: Any) -> None:
    """A budget is a finite positive number; the error names the argument and the value."""
    with pytest.raises(ConfigurationError, match="min_budget must be") as caught:
        exact(value, "min_budget")
    assert repr(value) in str(caught.value)


@given(st.floats(min_value=1e-9, max_value=1e9))
def test_the_exact_number_rounds_to_the_float(value: float) -> None:
    """What the user gave comes back: the fraction of a float is that float again."""
    assert value == float(exact(value, "budget"))


@pytest.mark.parametrize(
    ("low", "high", "eta", "rungs"),
    [
        (1, 243, 3, 6),  # floor(log(243)/log(3)) is 4 with floats
        (0.1, 1, 10, 2),
        (0.001, 1, 10, 4),
        (1 / 4, 1, 2, 3),
        (1 / 3, 1, 3, 2),
        (1 / 11, 1, 11, 2),
        (1, 1, 3, 1),
        (1, 2, 3, 1),
        (1, 1000, 10, 4),
        (1, 999, 10, 3),
        (1, 6.25, 2.5, 3),
        (0.2, 1.8, 3, 3),
    ],
)
def test_the_number_of_rungs_is_exact(low: Any, high: Any, eta: Any, rungs: int) -> None:
    """There are as many rungs as powers of eta fit between the budgets, with no rounding."""
    assert rungs == len(rung_budgets(*exact_range(low, high), exact_eta(eta)))


@given(
    low=st.integers(1, 1000),
    factor=st.fractions(Fraction(11, 10), 10, max_denominator=20),
    power=st.integers(0, 20),
    nudge=st.sampled_from([-1, 0, 1]),
)
@example(low=1, factor=Fraction(3), power=5, nudge=0)
def test_rungs_span_the_range(low: int, factor: Fraction, power: int, nudge: int) -> None:
    """The top rung is max_budget, each is eta times the one below, and one more would not fit."""
    high = max(Fraction(low), low * factor**power + Fraction(nudge, 10**9))
    budgets = rung_budgets(Fraction(low), high, factor)
    assert high == budgets[-1]
    assert budgets[0] >= low > budgets[0] / factor
    assert all(below * factor == above for below, above in itertools.pairwise(budgets))


def test_too_many_rungs_are_refused() -> None:
    """An eta next to 1 asks for thousands of rungs: an error says to choose a larger one."""
    with pytest.raises(ConfigurationError, match="larger eta"):
        rung_budgets(Fraction(1), Fraction(1000), Fraction(1001, 1000))


@pytest.mark.parametrize("eta", [1, 1.0, 0.5, 0, -2, float("nan"), "3"])
def test_eta_must_exceed_one(eta: Any) -> None:
    """Rungs must grow."""
    with pytest.raises(ConfigurationError, match="eta must be"):
        exact_eta(eta)


def test_a_range_must_ascend() -> None:
    """min_budget above max_budget is told to swap them."""
    with pytest.raises(ConfigurationError, match="swap"):
        exact_range(9, 1)


@pytest.mark.parametrize(
    ("budgets", "given_values", "expected"),
    [
        ([Fraction(1), Fraction(3)], (1, 3), [1, 3]),
        ([Fraction(1), Fraction(3)], (1, 3.0), [1.0, 3.0]),
        ([Fraction(3, 2), Fraction(3)], (1, 3), [1.5, 3.0]),
        ([Fraction(1), Fraction(3)], (np.int64(1), np.int64(3)), [1, 3]),
        ([Fraction(1, 4), Fraction(1)], (Fraction(1, 4), 1), [0.25, 1.0]),
    ],
)
def test_jobs_get_plain_numbers(
    budgets: list[Fraction], given_values: tuple[Any, ...], expected: list[Any]
) -> None:
    """Plain ints if the user gave integers and all budgets are integral, else plain floats."""
    got = as_budgets(budgets, *given_values)
    assert expected == got
    assert [type(b) for b in expected] == [type(b) for b in got]


@pytest.mark.parametrize(
    ("budget", "text"),
    [
        (9, "9"),
        (0.25, "1/4"),
        (1 / 3, "1/3"),
        (1.0, "1"),
        (2.5, "5/2"),
        (0.0123456789, "0.0123457"),
    ],
)
def test_budgets_print_as_people_write_them(budget: float, text: str) -> None:
    """Small fractions as such, others with six digits."""
    assert text == format_budget(budget)


def test_a_count_may_be_a_numpy_integer() -> None:
    """A count comes back as a plain int."""
    assert int is type(as_count(np.int64(3), "n", least=0))


@pytest.mark.parametrize("value", [-1, 1.0, "2", None, True])
def test_what_is_no_count_is_refused(value: Any) -> None:
    """A count is an integer that is large enough."""
    with pytest.raises(ConfigurationError, match="n must be an integer from 0 up"):
        as_count(value, "n", least=0)
