"""How much a study may do before it stops."""

from __future__ import annotations

import math
import numbers
from dataclasses import astuple, dataclass
from typing import Any

from bandmaster.errors import ConfigurationError

__all__ = ["Plan"]


@dataclass(frozen=True, slots=True)
class Plan:
    """The limits of a study; each is optional, the first one reached counts.

    Parameters
    ----------
    n_trials : int, optional
        Configurations.
    n_evaluations : int, optional
        Jobs, that is evaluations at any budget.
    n_iterations : int, optional
        Brackets of the iteration generator.
    target_loss : float, optional
        Stop when the metric that is optimised is at least this good at the largest budget: a loss
        not above it, a maximised metric not below it.
    """

    n_trials: int | None = None
    n_evaluations: int | None = None
    n_iterations: int | None = None
    target_loss: float | None = None

    def __post_init__(self) -> None:
        for name in ("n_trials", "n_evaluations", "n_iterations"):
            value = getattr(self, name)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 0:
                raise ConfigurationError(f"{name} must be a whole number ≥ 0, got {value!r}")
            object.__setattr__(self, name, int(value))  # it may be numpy's
        target = self.target_loss
        if target is None:
            return
        if isinstance(target, bool) or not isinstance(target, numbers.Real) or math.isnan(target):
            raise ConfigurationError(f"target_loss must be a number, got {target!r}")
        object.__setattr__(self, "target_loss", float(target))

    @property
    def bounded(self) -> bool:
        """Whether the number of evaluations has an end."""
        return (self.n_trials, self.n_evaluations, self.n_iterations) != (None, None, None)

    def or_iterations(self, n_iterations: int | None) -> Plan:
        """Return a plan with so many iterations, unless this one has an end."""
        if self.bounded or n_iterations is None:
            return self
        return Plan(None, None, n_iterations, self.target_loss)

    def to_data(self) -> list[Any]:
        """Return plain data."""
        return list(astuple(self))
