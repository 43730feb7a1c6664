"""The checks of a journal find what they look for."""

from __future__ import annotations

import random

import pytest
from invariants import Acknowledged, check_replay, violations

from bandmaster import RandomOptimizer
from bandmaster.core import events as ev
from bandmaster.core.outcome import Outcome, Status
from bandmaster.core.plan import Plan
from bandmaster.multifidelity import FlatIterGenerator
from bandmaster.storage import MemoryJournal
from bandmaster.study import Study


def issued(job: int, attempt: int = 0, trial: int | None = None) -> ev.JobIssued:
    trial = job if trial is None else trial
    return ev.JobIssued(0.0, job, attempt, "w", trial, 1.0, None, {}, 0, 0, None, False)


def ended(job: int, attempt: int = 0, time: float = 1.0) -> ev.JobFinished:
    return ev.JobFinished(time, job, attempt, Outcome(Status.OK, 0.5))


def lost(job: int, attempt: int = 0) -> ev.JobRequeued:
    return ev.JobRequeued(0.0, job, attempt, "", True)


PLAN = ev.PlanSet(0.0, Plan(n_trials=2).to_data())


def test_a_good_journal() -> None:
    """Lost, issued again, ended late, still open: nothing is wrong with that."""
    events = [PLAN, issued(0), issued(1), lost(0), issued(0, 1), ended(0, 0), lost(1), ended(1, 0)]
    assert [] == violations(events, [Acknowledged(0, 0, 1.0)])
    assert [] == violations([PLAN, issued(0), lost(0)])


@pytest.mark.parametrize(
    ("said", "events"),
    [
        ("out of turn", [issued(1)]),
        ("out of turn", [issued(0, 1)]),
        ("while it is out", [issued(0), issued(0, 1)]),
        ("while it is out or ended", [issued(0), ended(0), issued(0, 1)]),
        ("attempt 2 follows 0", [issued(0), lost(0), issued(0, 2)]),
        ("0.0 is not out", [issued(0), lost(0), lost(0)]),
        ("ends twice", [issued(0), ended(0), ended(0)]),
        ("has no attempt 1", [issued(0), ended(0, 1)]),
        ("3 trials, planned were 2", [PLAN, issued(0), issued(1), issued(2)]),
    ],
)
def test_each_violation_is_found(said: str, events: list[ev.Event]) -> None:
    """One wrong event, one line that says which."""
    [line] = violations(events)
    assert said in line


@pytest.mark.parametrize("heard", [Acknowledged(0, 0, 0.5), Acknowledged(1, 0, 2.0)])
def test_what_was_acknowledged_and_is_not_there_is_found(heard: Acknowledged) -> None:
    """Neither later than the worker heard of it nor not at all."""
    [line] = violations([issued(0), issued(1), ended(0)], [heard])
    assert "is not in the journal" in line


def test_another_proposal_is_found() -> None:
    """The replay notices that a journal was made with another seed."""

    def make(journal: MemoryJournal, seed: int = 0) -> Study:
        space = {"x": {"_type": "uniform", "_value": [0, 1]}}
        generator = FlatIterGenerator()
        optimizer = RandomOptimizer()
        return Study(space, optimizer=optimizer, generator=generator, journal=journal, seed=seed)

    journal = MemoryJournal()
    study = make(journal)
    study.set_plan(Plan(n_trials=5))
    while (job := study.ask()) is not None:
        study.tell(job, 0.5)
    events = list(journal.read())
    check_replay(events, make, random.Random(0), 3)
    changed = [
        ev.JobIssued(
            e.time, e.job, e.attempt, e.worker, e.trial, e.budget, {"x": 0.123}, e.config_info,
            e.bracket, e.rung, e.checkpoint, e.enqueued,
        )
        if isinstance(e, ev.JobIssued) else e
        for e in events
    ]  # fmt: skip
    with pytest.raises(AssertionError):
        check_replay(changed, make, random.Random(0), 3)
