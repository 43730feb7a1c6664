"""By what the members of a population are compared."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from bandmaster.core.objectives import Metric, Objectives, Rank
from bandmaster.core.outcome import Outcome
from bandmaster.errors import ConfigurationError
from bandmaster.multifidelity.options import as_name

__all__ = ["Measure"]


class Measure:
    """A metric and which way is better; the study's objective where neither is given.

    Parameters
    ----------
    metric : str, optional
    mode : {"min", "max"}, optional
        Without a metric it must agree with the study's.

    Raises
    ------
    ConfigurationError
        When there is a metric without a mode, or a mode that is neither.
    """

    def __init__(self, metric: str | None, mode: str | None) -> None:
        metric = as_name(metric, "metric")
        if mode is not None and (not isinstance(mode, str) or mode not in ("min", "max")):
            raise ConfigurationError(f"mode is 'min' or 'max', got {mode!r}")
        if (metric is None) != (mode is None):
            raise ConfigurationError(
                f"metric={metric!r} and mode={mode!r}: give both, or none to take the study's "
                "objective"
            )
        self.metric = metric
        self.sign = -1.0 if mode == "max" else 1.0

    def __str__(self) -> str:
        """Return what an argument list says of it."""
        mode = "max" if self.sign < 0 else "min"
        return "" if self.metric is None else f", metric={self.metric!r}, mode={mode!r}"

    def metric_of_study(self) -> Metric | None:
        """Return what a study optimises that is given no metric; None if none is given here."""
        if self.metric is None:
            return None
        return Metric(self.metric, objective="maximize" if self.sign < 0 else "minimize")

    def missing(self, metrics: Mapping[str, Any]) -> str | None:
        """Return the name of what a report lacks."""
        return self.metric if self.metric is not None and self.metric not in metrics else None

    def rank(self, outcome: Outcome, objectives: Objectives) -> Rank | None:
        """Return what an outcome is ranked by, the lowest best; None if it has nothing."""
        if self.metric is None or not outcome.ok:
            return objectives.rank(outcome)
        value = outcome.metrics.get(self.metric)
        if value is None and self.metric == "loss":
            value = outcome.loss
        if value is None or not math.isfinite(value):
            return None
        return 0, self.sign * value
