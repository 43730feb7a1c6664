"""The study: ask, tell, report, requeue, stop."""

import math

import numpy as np
import pytest
from unit.study.making import SMALL, SPACE, make

from bandmaster.core import events as ev
from bandmaster.core.decisions import Decision
from bandmaster.core.objectives import Metric
from bandmaster.core.outcome import Outcome, Status
from bandmaster.errors import (
    CodecError,
    ConfigurationError,
    IllegalConfigurationError,
    StorageError,
    StudyError,
    StudyPoisonedError,
    UnknownJobError,
)
from bandmaster.multifidelity import (
    BOHBIterGenerator,
    HyperBandIterGenerator,
)
from bandmaster.optimizers import Optimizer, RandomOptimizer, Suggestion
from bandmaster.storage import MemoryJournal


def test_asking_and_telling_fills_the_history():
    """A job that was told is a row, with the study's and the worker's times."""
    study = make()
    job = study.ask(worker="w1")
    assert study.tell(job, Outcome(Status.OK, 0.5, started=1.0, finished=2.0, worker="w1"))
    (row,) = study.history
    assert (0, 0, dict(job.config), 0.5) == (row.job, row.trial, row.config, row.loss)
    assert (row.submitted, row.started, row.finished, row.worker) == (100.0, 1.0, 2.0, "w1")


@pytest.mark.parametrize("returned", [0.5, {"loss": 0.5}, {"loss": 0.5, "info": "x"}])
def test_tell_takes_what_an_objective_may_return(returned):
    """By hand nobody needs to build an Outcome."""
    study = make()
    study.tell(study.ask(), returned)
    assert study.history.best().loss == 0.5


def test_a_nan_told_by_hand_is_a_failure_with_a_reason():
    """Failure is data, also by hand."""
    study = make()
    study.tell(study.ask(), math.nan)
    assert (study.history[0].status, study.history[0].loss) == (Status.FAILED, None)
    assert "nan" in study.history[0].error


def test_the_first_result_of_a_job_counts():
    """Telling twice changes nothing, and says so."""
    study = make()
    job = study.ask()
    assert study.tell(job, 0.5)
    assert not study.tell(job, 0.1)
    assert not study.tell(job.number, 0.1)
    assert study.history.losses.tolist() == [0.5]


def test_a_job_that_was_never_issued_is_an_error():
    """The message says how many there are."""
    study = make()
    study.ask()
    with pytest.raises(UnknownJobError, match="has issued 1 jobs"):
        study.tell(1, 0.5)
    with pytest.raises(StudyError, match="no attempt 5"):
        study.tell(0, 0.5, attempt=5)


def test_enqueued_configurations_come_first_and_exactly_as_given():
    """The user's points are the first trials, whatever the optimizer would propose."""
    study = make()
    points = [{"x": 0.1}, {"x": 1 / 3}]
    for point in points:
        study.enqueue(point)
    jobs = [study.ask() for _ in range(3)]
    assert points == [dict(job.config) for job in jobs[:2]]
    assert dict(jobs[2].config) not in points
    with pytest.raises(IllegalConfigurationError, match="x"):
        study.enqueue({"x": 7.0})


def test_metrics_decide_what_is_minimised():
    """A maximised metric is turned; a missing one fails the evaluation."""
    study = make(objectives=[Metric("accuracy", objective="maximize")])
    study.tell(study.ask(), {"accuracy": 0.75})
    study.tell(study.ask(), {"loss": 0.1})
    assert study.history[0].loss == -0.75
    assert "accuracy" in study.history[1].error


def test_a_failed_append_poisons_the_study():
    """Memory and journal differ then, so nothing goes on until it is loaded again."""

    class Full(MemoryJournal):
        full = False

        def append(self, events):
            if self.full:
                raise StorageError("no space left on device")
            return super().append(events)

    journal = Full()
    study = make(journal=journal)
    job = study.ask()
    journal.full = True
    with pytest.raises(StorageError, match="no space"):
        study.tell(job, 0.5)
    with pytest.raises(StudyPoisonedError, match="no space"):
        study.ask()
    assert study.wait_finished(timeout=0)
    reloaded = make(journal=MemoryJournal(list(journal.read())))
    assert [entry.job.number for entry in reloaded.open_jobs] == [0]


def test_a_proposal_of_an_optimizer_that_does_not_fit_is_refused():
    """A user's optimizer gets a clear error; nothing was issued."""

    class Wrong(Optimizer):
        def ask(self, budget, pending, key):
            return Suggestion({"x": 2.0})

        def tell(self, evaluation):
            """Learn nothing."""

    study = make(optimizer=Wrong())
    with pytest.raises(IllegalConfigurationError, match="x"):
        study.ask()
    assert study.n_jobs == 0


def test_parts_that_do_not_fit_together_are_refused():
    """The message says what to pass."""
    optimizer = RandomOptimizer()
    optimizer.initialize(SMALL)
    with pytest.raises(ConfigurationError, match="another search space"):
        make(SPACE, optimizer=optimizer)
    optimizer = RandomOptimizer()
    optimizer.initialize(SPACE, budgets=(1, 2))
    with pytest.raises(ConfigurationError, match="get_budgets"):
        make(optimizer=optimizer, generator=HyperBandIterGenerator(1, 9, 3))
    optimizer = RandomOptimizer()
    used = make(optimizer=optimizer)
    used.tell(used.ask(), 1.0)
    with pytest.raises(ConfigurationError, match="of its own"):
        make(optimizer=optimizer)


def test_a_journal_of_other_metrics_is_refused():
    """The sign of a loss would be another one; who gives none takes those of the journal."""
    journal = MemoryJournal()
    make(journal=journal, objectives=[Metric("acc", objective="maximize")])
    for metrics in (["acc"], [Metric("acc", objective="maximize"), "b"], []):
        with pytest.raises(StudyError, match=r"'acc'.*give the same or none"):
            make(journal=journal, objectives=metrics)
    for metrics in (None, [Metric("acc", objective="maximize")]):
        assert "maximize" == make(journal=journal, objectives=metrics).objectives.primary.objective


def test_a_journal_of_another_space_is_refused():
    """Its configurations would mean something else."""
    journal = MemoryJournal()
    make(journal=journal, name="old").ask()
    with pytest.raises(StudyError, match="another search space"):
        make(SMALL, journal=journal)


def test_a_journal_of_a_newer_schema_is_refused():
    """Better an error than a wrong reading."""
    journal = MemoryJournal()
    make(journal=journal)
    (created,) = journal.read()
    fields = ev.to_data(created)
    fields[2] = ev.SCHEMA_VERSION + 1
    with pytest.raises(StudyError, match="upgrade"):
        make(journal=MemoryJournal([ev.from_data(fields)]))


def test_open_jobs_tells_who_has_what():
    """What one needs to pick up the pieces after a crash."""
    study = make()
    first, _ = study.ask(worker="a"), study.ask(worker="b")
    study.requeue(first, "died")
    assert [(entry.job.number, entry.worker, entry.waiting) for entry in study.open_jobs] == [
        (0, "", True),
        (1, "b", False),
    ]


def test_reports_are_made_native_and_a_loss_that_is_no_number_is_none():
    """Nothing that a function reports may hurt the study; what is no data is refused."""
    journal = MemoryJournal()
    study = make(journal=journal)
    job = study.ask()
    for told in (3.0, {"loss": np.float32(0.5)}, {"loss": math.nan}, {"loss": "x"}, {"f1": 1.0}):
        assert Decision.CONTINUE is study.report(job, told)
    with pytest.raises(CodecError):
        study.report(job, {"loss": object()})
    reports = [event for event in journal.read() if isinstance(event, ev.JobReported)]
    assert [3.0, 0.5, None, None, None] == [event.loss for event in reports]
    assert float is type(reports[1].metrics["loss"])


def test_a_job_may_be_named_by_any_integer_and_by_nothing_else():
    """A number out of a data frame is as good as a Job."""
    study = make()
    study.ask()
    with pytest.raises(TypeError, match="what `ask` returned, or by its number, got '0'"):
        study.tell("0", 1.0)
    with pytest.raises(TypeError, match="None while nothing may start"):
        study.tell(None, 1.0)
    assert study.tell(np.int64(0), 1.0)


def test_the_repr_says_how_far_it_is():
    """Counts, and why it was stopped."""
    study = make(name="lr")
    study.tell(study.ask(), 1.0)
    study.ask()
    assert "<Study 'lr': 2 trials, 1 evaluations, 1 open>" == repr(study)
    study.stop("enough")
    assert "<Study 'lr': 2 trials, 1 evaluations, 1 open, stopped: enough>" == repr(study)


def test_an_optimizer_sees_the_jobs_that_are_out():
    """Those that are asked and not told, by number; what has ended is gone."""
    seen = []

    class Watching(RandomOptimizer):
        def ask(self, budget, pending, key):
            seen.append(([job.number for job in pending], len(pending)))
            return super().ask(budget, pending, key)

    study = make(optimizer=Watching())
    jobs = [study.ask() for _ in range(3)]
    study.tell(jobs[0], 1.0)
    study.ask()
    assert [([], 0), ([0], 1), ([0, 1], 2), ([1, 2], 2)] == seen


def test_a_job_can_be_cancelled_wherever_it_is():
    """At a worker or waiting: it ends STOPPED, once; what its worker says later is ignored."""
    study = make(retry_failed=3)
    out, waiting = study.ask(worker="w"), study.ask()
    study.requeue(waiting, "died")
    assert [True, True] == [study.cancel(out, "not needed"), study.cancel(waiting.number)]
    assert [False, False] == [study.cancel(out), study.tell(out, 1.0)]
    assert [(Status.STOPPED, "not needed", "w"), (Status.STOPPED, "cancelled", "")] == [
        (e.status, e.error, e.worker) for e in study.history
    ]
    assert [] == study.open_jobs
    with pytest.raises(UnknownJobError, match="job 7"):
        study.cancel(7)


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"optimizer": "ETPE"}, "get_optimizer"),
        ({"generator": "hyperband"}, "HyperBandIterGenerator"),
        ({"generator": HyperBandIterGenerator}, "an instance such as"),
    ],
)
def test_parts_are_instances(parts, says):
    """A name or a class where an instance belongs is refused with what to write."""
    with pytest.raises(ConfigurationError, match=says):
        make(**parts)


def test_a_generator_learns_the_seed_of_its_study():
    """It is beside a seed of its own: BOHB's random share is drawn by the latter alone."""
    generator = BOHBIterGenerator(1, 9, seed=5)
    make(generator=generator, seed=7)
    assert (5, 7) == (generator.seed, generator.study_seed)
