"""What follows from an event by itself: further events, which the journal keeps too."""

from __future__ import annotations

from collections.abc import Iterable

from bandmaster.core import events as ev
from bandmaster.core.clock import Clock
from bandmaster.core.evaluation import Evaluation
from bandmaster.core.outcome import Outcome, Status
from bandmaster.study.proposing import finished
from bandmaster.study.state import StudyState

__all__ = ["consequences"]


def consequences(state: StudyState, event: ev.Event, clock: Clock) -> list[ev.Event]:
    """Return the events that `event`, applied to `state` just now, brings about.

    They are made in a live study only. A loaded one finds them in its journal.
    """
    kind = type(event)
    if kind is ev.JobFinished:
        if state.plan.target_loss is not None:
            reached = _target_reached(state, state.plan.target_loss, state.history[-1:], clock)
            if reached:
                return reached
        return _all_done(state, clock)
    if kind is ev.IntakeClosed:
        return _all_done(state, clock)
    if kind is ev.JobIssued:
        return _intake_full(state, clock)
    if kind is ev.PlanSet:
        reached = []
        if state.plan.target_loss is not None:  # a study that has got there need not go on
            reached = _target_reached(state, state.plan.target_loss, state.history, clock)
        return reached or _intake_full(state, clock)
    if (kind is ev.Stopped or kind is ev.JobRequeued) and state.stopped is not None:
        return _waiting_ended(state, state.stopped, clock)
    return []


def _all_done(state: StudyState, clock: Clock) -> list[ev.Event]:
    # Who only reads the journal has no generator that would say so.
    if state.interrupted is None or not finished(state):
        return []
    return [ev.Interrupted(clock(), "")]


def _intake_full(state: StudyState, clock: Clock) -> list[ev.Event]:
    limit = state.plan.n_trials
    if limit is None or state.n_trials < limit or state.intake_closed is not None:
        return []
    return [ev.IntakeClosed(clock(), f"n_trials={limit} configurations issued")]


def _waiting_ended(state: StudyState, reason: str, clock: Clock) -> list[ev.Event]:
    ended: list[ev.Event] = []
    for number in state.waiting:
        entry = state.open[number]
        error = f"never ran again: the study was stopped ({reason}); before: {entry.reason}"
        outcome = Outcome.failed(error, status=Status.STOPPED)
        ended.append(ev.JobFinished(clock(), number, entry.job.attempt, outcome))
    return ended


def _target_reached(
    state: StudyState, target: float, evaluations: Iterable[Evaluation], clock: Clock
) -> list[ev.Event]:
    if state.stopped is not None:
        return []
    metric, full = state.objectives.primary, state.generator.get_budgets()[-1]
    for e in evaluations:
        good = e.loss is not None and e.loss <= metric.sign * target
        # Imported ones, with negative numbers, count for no limit.
        if good and e.budget >= full and e.job >= 0 and state.objectives.counts(e):
            assert e.loss is not None
            reached = f"target {metric.name} {target} reached: {state.objectives.value(e.loss)}"
            return [ev.Stopped(clock(), reached, "target_loss")]
    return []
