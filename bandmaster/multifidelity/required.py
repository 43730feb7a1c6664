"""What the reports and outcomes of a population's members must have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bandmaster.core.outcome import Outcome
from bandmaster.multifidelity.measure import Measure
from bandmaster.multifidelity.schedule import Schedule

__all__ = ["wrong_outcome", "wrong_report"]


def wrong_report(metrics: Mapping[str, Any], measure: Measure, schedule: Schedule) -> str | None:
    """Return what is wrong with a report that lacks its time, or the metric; else None."""
    untimed = schedule.time_of(metrics, 0) is None
    name = schedule.time_attr if untimed else measure.missing(metrics)
    return None if name is None else _missing("reported", metrics, name)


def wrong_outcome(outcome: Outcome, measure: Measure) -> str:
    """Return what is wrong with an outcome that has no rank."""
    name = str(measure.metric)
    if name in outcome.metrics:
        return f"{name} is {outcome.metrics[name]!r}; it must be finite"
    return _missing("returned", outcome.metrics or {"loss": outcome.loss}, name)


def _missing(verb: str, metrics: Mapping[str, Any], name: str) -> str:
    return (
        f"the evaluation {verb} {sorted(metrics)} without {name!r}, which this population goes by: "
        "report it, and return it at the end, or set require_attrs=False"
    )
