"""What ends a study: its plan, a target, a stop, a space that runs out."""

import pytest
from unit.study.making import SMALL, make

from bandmaster.core.decisions import Decision
from bandmaster.core.objectives import Metric
from bandmaster.core.outcome import Status
from bandmaster.core.plan import Plan
from bandmaster.multifidelity import (
    HyperBandIterGenerator,
)


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
