"""The answer to a report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bandmaster.core.decisions import Decision
from bandmaster.core.events import JobReported
from bandmaster.core.trial import OpenJob
from bandmaster.study.state import StudyState

__all__ = ["answered"]


def answered(
    state: StudyState,
    entry: OpenJob,
    metrics: Mapping[str, Any],
    step: int,
    *,
    checkpoint: str | None,
    time: float,
) -> JobReported:
    """Return the event of a report with what is answered: STOP once the study was stopped."""
    job, loss = entry.job, state.objectives.loss(metrics)
    decision = (
        state.generator.decide(job, metrics, loss, step) if state.stopped is None else Decision.STOP
    )
    return JobReported(
        time, job.number, job.attempt, step, metrics, loss, decision.value, checkpoint
    )
