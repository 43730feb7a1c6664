"""How much a study is going to do."""

import pytest

from bandmaster.core.decisions import Exploit, Promote
from bandmaster.core.plan import Plan
from bandmaster.multifidelity import (
    FlatIterGenerator,
    HyperBandIterGenerator,
    PBTIterGenerator,
)
from bandmaster.optimizers import RandomOptimizer
from bandmaster.study import Study
from bandmaster.study.forecast import Forecast, forecast, forecast_study

SPACE = {"x": {"_type": "uniform", "_value": [0.0, 1.0]}}


@pytest.mark.parametrize(
    "make", [lambda: FlatIterGenerator(2), lambda: HyperBandIterGenerator(1, 9, 3)]
)
@pytest.mark.parametrize(
    "plan",
    [
        Plan(n_trials=7),
        Plan(n_evaluations=7),
        Plan(n_iterations=7),
        Plan(n_trials=9, n_evaluations=7),
        Plan(n_trials=20, n_iterations=2),
        Plan(n_trials=0),
    ],
)
def test_what_is_forecast_is_what_happens(make, plan):
    """From the start, and for a study that goes on."""
    study = Study(SPACE, optimizer=RandomOptimizer(), generator=make())
    for n_before in (0, 3):
        study.set_plan(Plan(n_evaluations=n_before))
        while (job := study.ask()) is not None:
            study.tell(job, 0.0)
    study.set_plan(plan)
    done = study.n_jobs
    expected = forecast(study.generator, plan, n_trials=study.n_trials, n_jobs=done)
    total = 0
    while (job := study.ask()) is not None:
        study.tell(job, 0.0)
        total += job.budget
    assert Forecast(study.n_jobs - done, total) == expected


@pytest.mark.parametrize(
    "make", [lambda: FlatIterGenerator(2), lambda: HyperBandIterGenerator(1, 9, 3)]
)
def test_what_is_out_is_planned_too(make):
    """A study that was interrupted has jobs to be issued again."""
    study = Study(SPACE, optimizer=RandomOptimizer(), generator=make())
    study.set_plan(Plan(n_trials=20))
    for _ in range(7):
        study.tell(study.ask(), 0.0)
    for _ in range(3):
        study.requeue(study.ask(), "interrupted")
    expected = forecast_study(study)
    budgets = []
    while (job := study.ask()) is not None:
        study.tell(job, 0.0)
        budgets.append(job.budget)
    assert Forecast(len(budgets), sum(budgets)) == expected


def test_a_large_flat_plan_is_counted_and_not_played_through():
    """Beyond what would be played through."""
    generator = FlatIterGenerator(2)
    assert Forecast(10**9, 2 * 10**9) == forecast(generator, Plan(n_trials=10**9))


def test_without_an_end_there_is_nothing_to_forecast():
    """Neither for a plan without limits nor for one whose end is far."""
    assert forecast(FlatIterGenerator(), Plan()) is None
    assert forecast(HyperBandIterGenerator(1, 9, 3), Plan(n_trials=10**9)) is None


def test_a_population_that_goes_by_a_metric_goes_on_in_the_forecast(caplog):
    """The evaluations that are played through have the metric; nobody is dropped for want of it."""
    population = PBTIterGenerator(
        4, metric="Q", mode="max", num_samples=2, stop={"training_iteration": 12}
    )
    study = Study(
        SPACE, optimizer=RandomOptimizer(), generator=population,
        objectives=[{"name": "Q", "objective": "maximize"}],
    )  # fmt: skip
    study.set_plan(Plan(n_iterations=1))
    job = study.ask()
    study.report(job, {"Q": 1.0}, step=4, checkpoint="4-0123456789abcdef")
    study.tell(job, {"Q": 1.0})
    left = forecast(population, study.plan, n_trials=1, n_jobs=1)
    assert left is not None
    assert 5 == left.n_evaluations
    assert [] == caplog.records


@pytest.mark.parametrize(("synch", "begins"), [(False, Promote), (True, Exploit)])
def test_nobody_exploits_in_the_forecast(synch, begins, caplog):
    """Its jobs have no configurations to explore; the study's own are changed by none of it."""
    population = PBTIterGenerator(
        4, num_samples=3, quantile_fraction=0.5, synch=synch, stop={"training_iteration": 12}
    )
    study = Study(SPACE, optimizer=RandomOptimizer(), generator=population)
    study.set_plan(Plan(n_iterations=1))
    for loss in (0.1, 0.2, 0.3):
        job = study.ask()
        study.report(job, loss, step=4, checkpoint="4-0123456789abcdef")
        study.tell(job, loss)
    before = population.next()
    left = forecast(population, study.plan, n_trials=3, n_jobs=3)
    assert (6, before) == (left.n_evaluations, population.next())
    assert isinstance(before, begins)
    assert [] == caplog.records
