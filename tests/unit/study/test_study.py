"""The study: ask, tell, report, requeue, stop."""

import math

import numpy as np
import pytest

from bandmaster.core import events as ev
from bandmaster.core.clock import ManualClock
from bandmaster.core.decisions import Decision
from bandmaster.core.objectives import Metric
from bandmaster.core.outcome import Outcome, Status
from bandmaster.core.plan import Plan
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
    FlatIterGenerator,
    HyperBandIterGenerator,
)
from bandmaster.optimizers import Optimizer, RandomOptimizer, Suggestion
from bandmaster.storage import MemoryJournal
from bandmaster.study import Study

SPACE = {"x": {"_type": "uniform", "_value": [0.0, 1.0]}}
SMALL = {"n": {"_type": "choice", "_value": [1, 2, 3]}}


def make(space=SPACE, *, generator=None, plan=None, **options):
    """Return a study of random search on a clock that stands still."""
    study = Study(
        space,
        optimizer=options.pop("optimizer", None) or RandomOptimizer(),
        generator=generator or FlatIterGenerator(),
        clock=ManualClock(100.0),
        **options,
    )
    if plan is not None:
        study.set_plan(plan)
    return study


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


@pytest.mark.parametrize(
    ("plan", "evaluations"),
    [
        (Plan(n_trials=5), 5),
        (Plan(n_evaluations=4), 4),
        (Plan(n_iterations=3), 3),
        (Plan(n_trials=9, n_evaluations=2), 2),
        (Plan(n_trials=0), 0),
    ],
)
def test_the_plan_is_reserved_at_ask(plan, evaluations):
    """However many ask at once, no more is issued than planned, and then the study is finished."""
    study = make(plan=plan)
    jobs = [study.ask() for _ in range(20)]
    issued = [job for job in jobs if job is not None]
    assert evaluations == len(issued)
    assert study.finished == (evaluations == 0)
    for job in issued:
        study.tell(job, 1.0)
    assert study.ask() is None
    assert study.finished


def test_n_trials_counts_configurations_and_n_evaluations_jobs():
    """With Hyperband a configuration makes several jobs."""

    def drive(plan):
        study = make(generator=HyperBandIterGenerator(1, 9, 3), plan=plan)
        while (job := study.ask()) is not None:
            study.tell(job, job.config["x"])
        assert study.finished
        return study.n_trials, study.n_jobs

    assert drive(Plan(n_trials=9)) == (9, 13)
    assert drive(Plan(n_evaluations=11)) == (9, 11)
    trials, jobs = drive(Plan(n_iterations=3))
    assert HyperBandIterGenerator(1, 9, 3).num_all_configs(3) == jobs
    assert trials < jobs


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


def test_a_stopped_study_issues_nothing_and_takes_what_is_running():
    """Stopping is an event with a reason; lost jobs end instead of waiting for ever."""
    study = make(plan=Plan(n_trials=100))
    running, lost, waiting = study.ask(), study.ask(), study.ask()
    study.requeue(waiting, "died before")
    study.stop("enough")
    study.stop("again")
    assert (study.stopped, study.ask()) == ("enough", None)
    assert Decision.STOP is study.report(running, {"loss": 1.0})
    assert study.tell(running, 1.0)
    assert study.requeue(lost, "died after")
    assert study.finished
    statuses = [e.status for e in study.history]
    assert statuses == [Status.STOPPED, Status.OK, Status.STOPPED]


def test_a_new_plan_lets_a_stopped_or_finished_study_go_on():
    """n_trials is raised, and the reasons for stopping are gone."""
    study = make(plan=Plan(n_trials=1))
    study.tell(study.ask(), 1.0)
    assert study.finished
    study.set_plan(Plan(n_trials=3))
    study.tell(study.ask(), 1.0)
    study.stop("pause")
    study.set_plan(Plan(n_trials=3))
    assert study.ask().trial == 2
    assert study.ask() is None


@pytest.mark.parametrize(("loss", "stops"), [(0.5, True), (0.1, True), (0.51, False)])
def test_a_target_loss_at_the_largest_budget_stops_the_study(loss, stops):
    """Losses of smaller budgets do not count."""
    study = make(generator=HyperBandIterGenerator(1, 3, 3), plan=Plan(target_loss=0.5))
    jobs = [study.ask() for _ in range(3)]
    for job in jobs:
        study.tell(job, 0.0)
    assert study.stopped is None
    promoted = study.ask()
    assert promoted.budget == 3
    study.tell(promoted, loss)
    assert stops == (study.stopped is not None)


def test_a_target_is_given_in_the_metrics_own_values_and_within_the_constraints():
    """Of a maximised metric it is what must be reached from below."""
    metrics = [Metric("acc", objective="maximize"), Metric("s", "constraint", threshold=2.0)]
    study = make(objectives=metrics, plan=Plan(target_loss=0.9))
    for told in ({"acc": 0.8, "s": 1.0}, {"acc": 0.95, "s": 3.0}):
        study.tell(study.ask(), told)
        assert study.stopped is None
    study.tell(study.ask(), {"acc": 0.9, "s": 1.0})
    assert "target acc 0.9 reached: 0.9" == study.stopped


def test_a_target_that_was_reached_before_stops_at_once():
    """The same plan set again, or a higher target, issues nothing; a lower one goes on."""
    study = make(plan=Plan(target_loss=0.5))
    for loss in (0.9, 0.4):
        study.tell(study.ask(), loss)
    for target, stops in ((0.5, True), (0.8, True), (0.3, False)):
        study.set_plan(Plan(n_trials=9, target_loss=target))
        assert stops == (study.stopped is not None)
        assert stops == (study.ask() is None)
    study.set_plan(Plan(n_trials=9, target_loss=0.5))
    assert "target loss 0.5 reached: 0.4" == study.stopped


def test_imported_evaluations_reach_no_target():
    """They count for no limit."""
    study = make()
    other = make(plan=Plan(n_trials=1))
    other.tell(other.ask(), 0.1)
    assert 1 == study.learn_from(other.history)
    study.set_plan(Plan(target_loss=0.5))
    assert study.stopped is None


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


def test_a_finite_space_runs_out_and_the_study_finishes(caplog):
    """Each configuration once, then nothing, and it says why, once."""
    study = make(SMALL)
    jobs = [study.ask() for _ in range(5)]
    assert sorted(job.config["n"] for job in jobs if job is not None) == [1, 2, 3]
    for job in jobs[:3]:
        study.tell(job, 1.0)
    assert study.ask() is None
    assert study.finished
    (record,) = caplog.records
    assert "all 3 configurations" in record.getMessage()


def test_learning_from_another_study_counts_for_no_limit():
    """What fits is told to the optimizer and stands in the history; what does not is left out."""
    source = make()
    for _ in range(3):
        source.tell(source.ask(), 0.5)
    other = make(SMALL)
    other.tell(other.ask(), 0.5)
    study = make(plan=Plan(n_trials=2))
    assert study.learn_from([*source.history, *other.history]) == 3
    assert study.history.column("trial").tolist() == [-1, -2, -3]
    jobs = [study.ask() for _ in range(4)]
    assert [job.trial for job in jobs if job is not None] == [0, 1]


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
