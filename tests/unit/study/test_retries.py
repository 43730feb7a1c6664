"""Attempts that are lost, late or tried again."""

import math

import pytest
from unit.study.making import make

from bandmaster.core import events as ev
from bandmaster.core.decisions import Decision
from bandmaster.core.outcome import Outcome, Status
from bandmaster.core.plan import Plan
from bandmaster.storage import MemoryJournal


def test_a_lost_job_is_issued_again_first_and_keeps_its_reservation():
    """The plan neither grows nor shrinks by a death."""
    study = make(plan=Plan(n_evaluations=2))
    first, second = study.ask(worker="a"), study.ask(worker="b")
    assert study.ask() is None
    assert study.requeue(first, "worker a died")
    again = study.ask(worker="c")
    assert (0, 1, first.config) == (again.number, again.attempt, again.config)
    assert study.ask() is None
    study.tell(second, 1.0)
    study.tell(again, 2.0)
    assert study.finished
    assert [e.attempt for e in study.history][::-1] == [1, 0]


def test_a_job_crashes_when_its_retries_are_used_up():
    """max_retries=2 is three attempts; the search goes on."""
    study = make(plan=Plan(n_evaluations=2), max_retries=2)
    for attempt in range(3):
        job = study.ask(worker=f"w{attempt}")
        assert (0, attempt) == (job.number, job.attempt)
        assert study.requeue(job, "killed")
    assert Status.CRASHED is study.history[0].status
    assert "3 times" in study.history[0].error
    assert study.ask().number == 1


def test_a_job_that_never_reached_its_worker_costs_no_retry():
    """counted=False."""
    study = make(max_retries=0)
    for _ in range(5):
        assert study.requeue(study.ask(), "never delivered", counted=False)
    assert study.ask().attempt == 5
    assert len(study.history) == 0


def test_requeueing_twice_or_late_does_nothing():
    """Only the current attempt can be lost."""
    study = make()
    job = study.ask()
    assert study.requeue(job, "died")
    assert not study.requeue(job, "died")
    again = study.ask()
    assert not study.requeue(job, "a late disconnect")
    study.tell(again, 1.0)
    assert not study.requeue(again, "too late")


def test_a_good_result_of_a_lost_attempt_counts_if_it_comes_first():
    """The worker that was thought dead has done the work; the other attempt's result is ignored."""
    study = make()
    job = study.ask(worker="a")
    study.requeue(job, "partition")
    again = study.ask(worker="b")
    assert study.tell(job, 0.25)
    assert not study.tell(again, 0.75)
    assert (study.history[0].attempt, study.history[0].loss) == (0, 0.25)


def test_a_bad_result_of_a_lost_attempt_does_not_count():
    """It says nothing about the attempt that is running now."""
    study = make()
    job = study.ask()
    study.requeue(job, "partition")
    assert not study.tell(job, math.nan)
    again = study.ask()
    assert study.tell(again, 1.0)


def test_a_report_of_an_attempt_that_is_no_longer_current_is_told_to_stop():
    """Its work would be for nothing."""
    study = make()
    job = study.ask()
    assert Decision.CONTINUE is study.report(job, {"loss": 1.0})
    study.requeue(job, "lost")
    assert Decision.STOP is study.report(job, {"loss": 1.0})
    study.ask()
    assert Decision.STOP is study.report(job, {"loss": 1.0})


def test_a_failure_is_tried_again_as_often_as_was_asked_for(caplog):
    """The same job, the next attempt; lost workers are counted apart; the last failure counts."""
    journal = MemoryJournal()
    study = make(journal=journal, retry_failed=2, max_retries=1)
    job = study.ask()
    for attempt in range(2):
        assert (0, attempt) == (job.number, job.attempt)
        assert study.tell(job, Outcome.failed("Traceback\nboom"))
        assert not study.tell(job, Outcome.failed("told twice"))
        job = study.ask()
    assert study.requeue(job, "died")
    job = study.ask()
    assert (2, 1) == (study.open_jobs[0].failed, study.open_jobs[0].lost)
    study.tell(job, Outcome.failed("the last"))
    assert [(3, "the last")] == [(e.attempt, e.error) for e in study.history]
    assert "is tried again (2 of 2): boom" in caplog.text
    requeued = [event for event in journal.read() if isinstance(event, ev.JobRequeued)]
    assert [True, True, False] == [event.failed for event in requeued]
    assert "Traceback\nboom" == requeued[0].reason


@pytest.mark.parametrize(
    ("outcome", "again"),
    [
        (math.nan, True),
        ({"accuracy": 1.0}, True),  # the study's metric is missing
        (Outcome.failed("segfault", status=Status.CRASHED), True),
        (Outcome.failed("too long", status=Status.TIMEOUT), False),
        (Outcome.failed("cancelled", status=Status.STOPPED), False),
        (1.0, False),
    ],
)
def test_what_is_tried_again_is_what_failed_by_itself(outcome, again):
    """Not what ran too long or was stopped, and nothing after the study was stopped."""
    study = make(retry_failed=1)
    study.tell(study.ask(), outcome)
    assert (0 if again else 1) == len(study.history)
    stopped = make(retry_failed=1)
    job = stopped.ask()
    stopped.stop("enough")
    stopped.tell(job, outcome)
    assert stopped.finished
    assert 1 == len(stopped.history)


def test_a_late_attempt_counts_only_if_the_study_finds_it_good():
    """A result that lacks the metric is a failure, so another attempt goes on."""
    study = make()
    lost = study.ask()
    study.requeue(lost, "died")
    study.ask()
    assert not study.tell(lost, {"accuracy": 1.0})
    assert [False] == [entry.waiting for entry in study.open_jobs]


def test_a_stop_ends_what_waits_and_says_why_it_waited():
    """The reason of the last attempt is not lost."""
    study = make(retry_failed=1)
    study.tell(study.ask(), Outcome.failed("boom"))
    study.stop("enough")
    assert "never ran again: the study was stopped (enough); before: boom" == study.history[0].error
