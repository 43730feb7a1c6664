"""Reports that travel together: when they are told, and that none is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandmaster.asynccomm.reporting import Reports, tell_outcome, tell_reports
from bandmaster.core.clock import ManualClock
from bandmaster.core.decisions import Decision
from bandmaster.core.events import JobReported
from bandmaster.core.outcome import Outcome, Status
from bandmaster.multifidelity import ASHAStoppingIterGenerator, FlatIterGenerator
from bandmaster.optimizers import RandomOptimizer
from bandmaster.storage import MemoryJournal
from bandmaster.study import Study

SPACE = {"x": {"_type": "uniform", "_value": [0.0, 1.0]}}


def row(step, checkpoint=None):
    return {"loss": 1.0 / step}, step, checkpoint


def reports(*, each):
    clock = ManualClock()
    found = Reports(clock)
    found.each = each
    return found, clock


def test_where_the_study_decides_each_is_told_at_once():
    """Its answer is what the evaluation waits for."""
    found, _ = reports(each=True)
    for step in (1, 2, 3):
        assert found.add(row(step))
        found.told(1)


def test_otherwise_those_of_a_tenth_of_a_second_travel_together():
    """The first at once; then what came since, when a tenth of a second is over."""
    found, clock = reports(each=False)
    assert found.add(row(1))
    found.told(1)
    assert [False, False] == [found.add(row(2)), found.add(row(3))]
    clock.now += 0.1
    assert found.add(row(4))
    assert [row(2), row(3), row(4)] == found.next()


def test_a_checkpoint_is_told_at_once():
    """Whoever goes on from there need not wait."""
    found, _ = reports(each=False)
    found.add(row(1))
    found.told(1)
    assert not found.add(row(2))
    assert found.add(row(3, "3-0123456789abcdef"))


@given(st.lists(st.integers(0, 300), max_size=12))
def test_what_did_not_arrive_is_told_again_in_order(arriving):
    """Each report is told, once, however often and wherever telling breaks off."""
    found, _ = reports(each=False)
    step, arrived = 0, []
    for n in arriving:
        for _ in range(n):
            step += 1
            found.add(row(step))
        rows = found.next()
        if n % 2:  # it does arrive
            arrived += rows
            found.told(len(rows))
    while rows := found.next():
        assert len(rows) <= 100
        arrived += rows
        found.told(len(rows))
    assert [row(n + 1) for n in range(step)] == arrived


def test_a_new_evaluation_begins_with_none():
    """What another one reported is not told for it."""
    found, _ = reports(each=False)
    found.add(row(1))
    found.clear()
    assert [] == found.next()
    assert found.add(row(1))


@pytest.mark.parametrize(
    ("generator", "last", "decision"),
    [
        (FlatIterGenerator(), 4, Decision.CONTINUE),
        (ASHAStoppingIterGenerator(1, 3), 1, Decision.STOP),
    ],
)
def test_a_study_hears_them_until_it_decides(generator, last, decision):
    """What follows the report at which an evaluation is to stop does not count."""
    journal = MemoryJournal()
    study = Study(SPACE, optimizer=RandomOptimizer(), generator=generator, journal=journal)
    for loss in (0.1, 0.2, 0.3):
        study.report(study.ask(), loss, step=1)
    job = study.ask()
    rows = [({"loss": 9.0}, step, None) for step in (1, 2, 3, 4)]
    assert decision is tell_reports(study, job.number, job.attempt, rows)
    heard = [e for e in journal.read(0) if isinstance(e, JobReported) and e.job == job.number]
    assert last == len(heard)


@pytest.mark.parametrize(
    ("outcome", "failing", "ended"),
    [
        (Outcome(Status.STOPPED, 0.5), True, 0),
        (Outcome(Status.STOPPED, 0.5), False, 1),
        (Outcome(Status.OK, 0.5), True, 1),
        (Outcome.failed("it broke"), True, 1),
    ],
)
def test_what_is_stopped_because_the_run_fails_is_left_to_the_next(outcome, failing, ended):
    """The job waits to run again, without a retry less; what came to its end has ended."""
    study = Study(SPACE, optimizer=RandomOptimizer(), generator=FlatIterGenerator())
    job = study.ask()
    assert tell_outcome(study, job.number, job.attempt, outcome, failing=failing)
    assert ended == len(study.history)
    assert [(True, 0)] * (1 - ended) == [(entry.waiting, entry.lost) for entry in study.open_jobs]
