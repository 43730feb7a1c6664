"""Exact budgets: what a number stands for, the rungs between two budgets, and how to print one."""

from __future__ import annotations

import math
import numbers
from decimal import Decimal
from fractions import Fraction
from typing import Any

from bandmaster.core.formatting import format_budget
from bandmaster.errors import ConfigurationError

__all__ = [
    "as_budgets",
    "as_count",
    "as_share",
    "exact",
    "exact_eta",
    "exact_range",
    "rung_budgets",
]

_MAX_RUNGS = 100
_SMALL = 1_000_000


def exact(value: Any, name: str) -> Fraction:
    """Return the positive number that the user meant by `value`.

    A float stands for a number with a short notation, not for its 53 bits: 0.1 is 1/10 and
    ``1/3`` (0.3333333333333333) is 1/3. Tried in turn: the decimal as printed, if its denominator
    is at most 10⁶; the nearest fraction with such a denominator, if it rounds to this very float;
    the decimal as printed.

    Parameters
    ----------
    value : int, float, Fraction, Decimal or numpy number
        Positive and finite.
    name : str
        What to call it in an error.

    Raises
    ------
    ConfigurationError
        When it is no number, not finite, or not positive.
    """
    if isinstance(value, bool) or not isinstance(value, (numbers.Real, Decimal)):
        raise ConfigurationError(f"{name} must be a number, got {value!r}")
    try:
        finite = math.isfinite(value)
    except OverflowError:
        raise ConfigurationError(f"{name} is too large: no float is that large") from None
    if not finite:
        raise ConfigurationError(f"{name} must be finite, got {value!r}")
    if value <= 0:
        raise ConfigurationError(f"{name} must be greater than 0, got {value!r}")
    if isinstance(value, numbers.Rational):
        return Fraction(int(value.numerator), int(value.denominator))
    decimal = Fraction(str(value))
    if decimal.denominator > _SMALL and isinstance(value, float):
        simple = Fraction(value).limit_denominator(_SMALL)
        if float(simple) == value:
            return simple
    return decimal


def as_count(value: Any, name: str, *, least: int) -> int:
    """Return `value` as an int.

    Raises
    ------
    ConfigurationError
        When it is no integer, or less than `least`.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Integral) or int(value) < least:
        raise ConfigurationError(f"{name} must be an integer from {least} up, got {value!r}")
    return int(value)


def as_share(value: Any, name: str, most: float | Fraction) -> Fraction:
    """Return `value`, from 0 to `most`, exactly.

    Raises
    ------
    ConfigurationError
        When it is out of that range, or no number.
    """
    number = isinstance(value, (int, float, Fraction)) and not isinstance(value, bool)
    if not number or not 0 <= value <= most:
        raise ConfigurationError(f"{name} must be from 0 to {float(most):g}, got {value!r}")
    return exact(value, name) if value else Fraction(0)


def exact_eta(eta: Any) -> Fraction:
    """Return `eta`, the factor between rungs, exactly.

    Raises
    ------
    ConfigurationError
        When it is not greater than 1.
    """
    value = exact(eta, "eta")
    if value <= 1:
        raise ConfigurationError(
            f"eta must be greater than 1, got {eta!r}: it is the factor between the budgets of two "
            "rungs; 2, 3 and 4 are usual"
        )
    return value


def exact_range(min_budget: Any, max_budget: Any) -> tuple[Fraction, Fraction]:
    """Return both budgets exactly.

    Raises
    ------
    ConfigurationError
        When they are not positive numbers in ascending order.
    """
    low, high = exact(min_budget, "min_budget"), exact(max_budget, "max_budget")
    if low > high:
        raise ConfigurationError(
            f"min_budget {min_budget!r} is greater than max_budget {max_budget!r}: swap them"
        )
    return low, high


def rung_budgets(low: Fraction, high: Fraction, eta: Fraction) -> list[Fraction]:
    """Return ``high · eta^-k`` for all k ≥ 0 that leave it at `low` or above, ascending.

    The count is ⌊log_eta(high/low)⌋ + 1, found by comparing fractions, so it is never one short.

    Raises
    ------
    ConfigurationError
        When there are more than 100, which means that eta is too near 1.
    """
    budgets = [high]
    while (budget := budgets[-1] / eta) >= low:
        budgets.append(budget)
        if len(budgets) > _MAX_RUNGS:
            raise ConfigurationError(
                f"between {format_budget(low)} and {format_budget(high)} there are more than "
                f"{_MAX_RUNGS} rungs with eta {format_budget(eta)}: choose a larger eta"
            )
    return budgets[::-1]


def as_budgets(budgets: list[Fraction], *given: object) -> list[float]:
    """Return the budgets as jobs carry them.

    Plain ints if the `given` numbers, from which they come, are integers and so are all of them,
    else floats.
    """
    integers = all(isinstance(value, numbers.Integral) for value in given)
    if integers and all(budget.denominator == 1 for budget in budgets):
        return [int(budget) for budget in budgets]
    return [float(budget) for budget in budgets]
