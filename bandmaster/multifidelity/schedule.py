"""When the members of a population pause, and when they have ended."""

from __future__ import annotations

import bisect
import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from bandmaster.errors import ConfigurationError
from bandmaster.multifidelity.budgets import as_budgets, exact
from bandmaster.multifidelity.options import as_number

__all__ = ["ITERATION", "Schedule"]

ITERATION = "training_iteration"
"""The time that needs no metric: it counts the reports of a training."""

_MOST = 100_000  # boundaries


class Schedule:
    """The boundaries of a training: multiples of an interval, and the end.

    Parameters
    ----------
    interval : int, float or Fraction
        Above 0.
    time_attr : str
        What is measured: ``"training_iteration"`` or a reported metric.
    stop : Mapping of str to number, or number
        A training has ended when one of these reported values is reached; `time_attr` is among
        them. A number is that of `time_attr`.
    burn_in : float
        There is no boundary before it.

    Attributes
    ----------
    budgets : tuple of int or of float
        The boundaries, ascending; the last is the end.

    Raises
    ------
    ConfigurationError
        When the arguments give no end, or more than 100,000 boundaries.
    """

    def __init__(
        self, interval: Any, *, time_attr: str, stop: Mapping[str, Any] | float, burn_in: float
    ) -> None:
        if not isinstance(time_attr, str) or not time_attr:
            raise ConfigurationError(f"time_attr must be the name of a metric, got {time_attr!r}")
        if not isinstance(stop, Mapping):
            stop = {time_attr: stop}
        if time_attr not in stop:
            raise ConfigurationError(
                f"stop={dict(stop)!r} does not say when {time_attr!r} is to end, so the population "
                f"might train for ever: add a bound, such as stop={{..., {time_attr!r}: 100}}"
            )
        self.time_attr = time_attr
        self.stop = {name: _number(value, f"stop[{name!r}]") for name, value in stop.items()}
        step, end = exact(interval, "perturbation_interval"), exact(stop[time_attr], "stop")
        first = max(Fraction(1), Fraction(math.ceil(_burn_in(burn_in) / step)))
        n = math.ceil(end / step) - first
        if n > _MOST:
            raise ConfigurationError(
                f"from {interval!r} to {stop[time_attr]!r} there are more than {_MOST} intervals: "
                "choose a longer perturbation_interval"
            )
        inner = [step * (first + k) for k in range(math.ceil(n))] if n > 0 else []
        self.budgets = tuple(as_budgets([*inner, end], interval, stop[time_attr]))
        self.interval = step
        self._others = {k: v for k, v in self.stop.items() if k not in (time_attr, ITERATION)}

    def after(self, time: float) -> float | None:
        """Return the first boundary above `time`; None at the end."""
        i = bisect.bisect_right(self.budgets, time)
        return self.budgets[i] if i < len(self.budgets) else None

    def rung(self, budget: float) -> int:
        """Return the number of a boundary, from 0."""
        return bisect.bisect_left(self.budgets, budget)

    def time_of(self, metrics: Mapping[str, Any], step: int) -> float | None:
        """Return the time of a report; None when it does not say."""
        if self.time_attr == ITERATION:
            return step
        value = metrics.get(self.time_attr)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or math.isnan(value):
            return None
        return value

    def ended(self, metrics: Mapping[str, Any], step: int, time: float | None) -> bool:
        """Whether a report meets one of the criteria to stop."""
        if time is not None and time >= self.stop[self.time_attr]:
            return True
        if step >= self.stop.get(ITERATION, math.inf):
            return True
        return any(_reached(metrics.get(name), value) for name, value in self._others.items())


def _reached(value: Any, bound: float) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= bound


def _number(value: Any, name: str) -> float:
    number = as_number(value, name)
    if math.isnan(number):
        raise ConfigurationError(f"{name} must be a number, got {value!r}")
    return number


def _burn_in(value: Any) -> Fraction:
    number = _number(value, "burn_in_period")
    if not 0 <= number < math.inf:
        raise ConfigurationError(f"burn_in_period must be a number ≥ 0, got {value!r}")
    return exact(value, "burn_in_period") if number else Fraction(0)
