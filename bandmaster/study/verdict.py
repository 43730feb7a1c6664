"""Whether an evaluation that ended well did so for its study, too."""

from __future__ import annotations

from msgspec.structs import replace

from bandmaster.core.outcome import Outcome, Status
from bandmaster.core.trial import OpenJob
from bandmaster.study.state import StudyState

__all__ = ["failed_at", "judged"]


def judged(state: StudyState, outcome: Outcome) -> Outcome:
    """Return an outcome with its loss, or as a failure.

    That is one which lacks what the objectives or the iteration generator go by; the error names
    it. Wherever an evaluation ran, its outcome comes by here.
    """
    own, outcome = outcome, state.objectives.judge(outcome)
    if not outcome.ok:
        hint = state.generator.evaluation_hint() if own.ok else None
        return outcome if hint is None else replace(outcome, error=f"{outcome.error}; {hint}")
    wrong = state.generator.wrong_outcome(outcome)
    if wrong is None:
        return outcome
    return replace(outcome, status=Status.FAILED, loss=None, error=wrong)


def failed_at(entry: OpenJob, error: str, time: float) -> Outcome:
    """Return the outcome of a job that failed by what it reported."""
    return Outcome.failed(error).timed(entry.job.issued, time, entry.worker)
