"""Where a job starts again: checkpoints in a study's events."""

from __future__ import annotations

import pytest

from bandmaster.core.checkpoints import checkpoint_name
from bandmaster.core.clock import ManualClock
from bandmaster.core.decisions import Decision, Exploit
from bandmaster.core.outcome import Outcome, Status
from bandmaster.errors import IllegalConfigurationError
from bandmaster.multifidelity import FlatIterGenerator
from bandmaster.optimizers import RandomOptimizer
from bandmaster.storage import MemoryJournal
from bandmaster.study import Study

SPACE = {"x": {"_type": "uniform", "_value": [0.0, 1.0]}}
FOURTH, SIXTH = (checkpoint_name(step, "0123456789abcdef") for step in (4, 6))


def make(journal=None, **options):
    return Study(
        SPACE,
        optimizer=RandomOptimizer(),
        generator=options.pop("generator", None) or FlatIterGenerator(),
        clock=ManualClock(100.0),
        journal=journal,
        **options,
    )


def test_an_attempt_that_follows_a_lost_one_starts_from_its_newest_checkpoint():
    """Also in a study that is loaded again; without a checkpoint it starts where the first did."""
    journal = MemoryJournal()
    study = make(journal)
    job = study.ask()
    study.requeue(job, "its worker died")
    assert study.ask().checkpoint is None
    study.report(job.number, 0.5, checkpoint=FOURTH)
    study.report(job.number, 0.4)
    study.requeue(job.number, "its worker died")
    again = study.ask()
    assert (2, FOURTH) == (again.attempt, again.checkpoint)
    (loaded,) = make(journal).open_jobs
    assert (again, FOURTH) == (loaded.job, loaded.checkpoint)


def test_reports_count_on_from_the_checkpoint():
    """Who gives no step counts on from where the attempt started."""
    study = make()
    job = study.ask()
    study.report(job, 0.5, checkpoint=FOURTH, step=4)
    study.requeue(job, "its worker died")
    study.report(study.ask(), 0.4)
    assert [4, 5] == [event.step for event in study._journal.read(0) if event.kind == "reported"]


def test_a_failure_that_is_tried_again_starts_from_the_newest_checkpoint():
    """As an attempt that was lost does."""
    study = make(retry_failed=1)
    job = study.ask()
    study.report(job, 0.5, checkpoint=FOURTH)
    study.tell(job, Outcome.failed("it broke"))
    assert FOURTH == study.ask().checkpoint


@pytest.mark.parametrize(
    ("outcome", "kept"),
    [
        (Outcome(Status.OK, 0.5), FOURTH),
        (Outcome(Status.OK, 0.5, checkpoint=SIXTH), SIXTH),
        (Outcome.failed("it broke"), FOURTH),
        (Outcome.failed("too long", status=Status.TIMEOUT), FOURTH),
    ],
)
def test_the_end_of_a_job_names_its_newest_checkpoint(outcome, kept):
    """So that whoever decides what comes next need not have listened to reports."""
    study = make()
    job = study.ask()
    study.report(job, 0.5, checkpoint=FOURTH)
    study.tell(job, outcome)
    (event,) = [event for event in study._journal.read(0) if event.kind == "finished"]
    assert kept == event.outcome.checkpoint


class Pausing(FlatIterGenerator):
    """Lets an evaluation pause at its third report."""

    def decide(self, job, metrics, loss, step):
        return Decision.PAUSE if step == 3 else Decision.CONTINUE


def test_who_is_lost_after_it_was_told_to_pause_has_done_its_part():
    """Its job ends with what it reported last: run again it would train a step too far."""
    journal = MemoryJournal()
    study = make(journal, generator=Pausing())
    job = study.ask(worker="w1")
    study.report(job, {"loss": 0.5}, checkpoint=FOURTH)
    study.report(job, {"loss": 0.4})
    assert Decision.PAUSE is study.report(job, {"loss": 0.3, "accuracy": 0.9}, checkpoint=SIXTH)
    loaded = make(journal, generator=Pausing())
    assert 1 == loaded.requeue_orphans("the master was killed")
    (row,) = loaded.history
    assert (0.3, {"accuracy": 0.9}, "w1") == (row.loss, row.metrics, row.worker)
    (event,) = [event for event in journal.read(0) if event.kind == "finished"]
    assert SIXTH == event.outcome.checkpoint
    assert 1 == loaded.ask().number


def test_who_is_lost_before_it_pauses_runs_again():
    """Also if an earlier attempt was told to pause, failed after it, and is tried again."""
    study = make(generator=Pausing(), retry_failed=1)
    job = study.ask()
    for _ in range(3):
        study.report(job, 0.5)
    study.tell(job, Outcome.failed("it broke while it saved"))
    again = study.ask()
    study.requeue(again, "its worker died")
    assert 2 == study.ask().attempt


def test_an_exploit_outside_the_space_is_refused_before_it_is_an_event():
    """The study goes on: nothing of it was applied or stored."""

    class Exploiting(FlatIterGenerator):
        def next(self):
            return Exploit(0, 0, {"x": 2.0}, 1)

    study = make(generator=Exploiting())
    with pytest.raises(IllegalConfigurationError):
        study.ask()
    assert (0, False) == (study.n_jobs, study.poisoned)
