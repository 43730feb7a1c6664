"""Which observations are modelled, and when hyper-parameters are fitted."""

from __future__ import annotations

import numpy as np
import pytest

from bandmaster.core.objectives import Metric, Objectives
from bandmaster.models.gp import GaussianProcess
from bandmaster.models.gp_ensemble import Ensemble
from bandmaster.models.gp_inputs import Inputs
from bandmaster.optimizers import RandomOptimizer, gp_surrogates
from bandmaster.optimizers.gp_surrogates import Surrogates
from bandmaster.space import Float, Space
from bandmaster.testing.driver import Driver

PLANE = Space([Float("x", 0, 1), Float("y", 0, 1)])
NOTHING = np.empty((0, 2))


def _driver(n: int, budget: float = 1.0) -> Driver:
    driver = Driver(RandomOptimizer(), PLANE, budgets=(1.0, 3.0))
    _play(driver, n, budget)
    return driver


def _play(driver: Driver, n: int, budget: float = 1.0) -> None:
    for _ in range(n):
        job = driver.start(budget)
        driver.finish(job, job.config["x"] + job.config["y"] ** 2)


def _surrogates(driver: Driver) -> Surrogates:
    return Surrogates(Inputs(PLANE), driver.optimizer.history, n_startup=5, growth=1.5)


def _prediction(surrogates: Surrogates) -> list[float]:
    predictor = surrogates.objective(surrogates.sources(), 0, NOTHING)
    return predictor.predict(np.array([[0.3, 0.4], [0.9, 0.1]]))[1].tolist()


def test_a_source_needs_enough() -> None:
    """A budget is a source from `n_startup` evaluations on, if one of them succeeded."""
    driver = _driver(4)
    assert [] == _surrogates(driver).sources()
    _play(driver, 1)
    sources = _surrogates(driver).sources()
    assert [(1.0, False, 5)] == [(s.budget, s.borrowed, len(s.rows)) for s in sources]
    for _ in range(6):
        driver.finish(driver.start(3.0), None)
    assert [1.0] == [s.budget for s in _surrogates(driver).sources()]
    _play(driver, 1, 3.0)
    assert [1.0, 3.0] == [s.budget for s in _surrogates(driver).sources()]


def test_what_others_found_is_a_source_of_its_own() -> None:
    """Imported evaluations are a source; beside it three own evaluations are enough."""
    driver = _driver(0)
    for config in PLANE.sample_configs(6, np.random.default_rng(0)):
        driver.borrow(config, config["x"], budget=1.0)
    _play(driver, 2)
    assert [(True, 6)] == [(s.borrowed, len(s.rows)) for s in _surrogates(driver).sources()]
    _play(driver, 1)
    sources = _surrogates(driver).sources()
    assert [(True, 6), (False, 3)] == [(s.borrowed, len(s.rows)) for s in sources]


def test_a_larger_budget_needs_little_beside_a_lower_one() -> None:
    """Six successes at a larger budget are enough beside a lower one that can be modelled."""

    def found() -> list[tuple[float, int]]:
        surrogates = Surrogates(Inputs(PLANE), driver.optimizer.history, n_startup=9, growth=1.5)
        return [(s.budget, len(s.rows)) for s in surrogates.sources()]

    driver = _driver(9)
    driver.finish(driver.start(3.0), None)
    _play(driver, 5, 3.0)
    assert [(1.0, 9)] == found()
    _play(driver, 1, 3.0)
    assert [(1.0, 9), (3.0, 7)] == found()
    driver = _driver(8)
    _play(driver, 8, 3.0)
    assert [] == found()


def test_of_many_imported_rows_some_are_modelled() -> None:
    """A source of another study has a fixed number of rows at most, a function of the history."""
    driver = _driver(0)
    for i, config in enumerate(PLANE.sample_configs(600, np.random.default_rng(0))):
        driver.borrow(config, config["x"], budget=1.0)
        if i == 249:
            assert 250 == len(_surrogates(driver).sources()[0].rows)
    assert list(range(0, 600, 3)) == _surrogates(driver).sources()[0].rows.tolist()


@pytest.mark.parametrize("good", [{51}, {1, 51, 299}, set(range(300)), set(range(0, 300, 2))])
def test_the_few_successes_of_an_import_are_not_thinned_away(good: set[int]) -> None:
    """Successes and failures are thinned apart, so that a source always has a success."""
    driver = _driver(0)
    for i, config in enumerate(PLANE.sample_configs(300, np.random.default_rng(0))):
        driver.borrow(config, config["x"] if i in good else None, budget=1.0)
    surrogates = _surrogates(driver)
    (source,) = surrogates.sources()
    kept = set(source.rows.tolist())
    assert -(-len(good) // 2) == len(kept & good)
    assert -(-(300 - len(good)) // 2) == len(kept - good)
    assert sorted(kept) == source.rows.tolist()
    assert surrogates.objective([source], 0, NOTHING) is not None


def test_a_constraint_is_told_by_the_budget_that_knows_enough() -> None:
    """While few results at the largest budget told a constraint, a lower one's are modelled."""
    objectives = Objectives(["loss", Metric("c", "constraint", threshold=0.5)])
    driver = Driver(RandomOptimizer(), PLANE, budgets=(1.0, 3.0), objectives=objectives)
    for i in range(13):
        job = driver.start(1.0 if i < 8 else 3.0)
        told = {"c": job.config["x"]} if i < 12 else {}
        driver.finish(job, 1.0, metrics=told)
        if i in {11, 12}:
            surrogates = _surrogates(driver)
            predictor = surrogates.constraint(surrogates.sources(), 0, NOTHING)
            assert 8 == len(predictor.y)
    job = driver.start(3.0)
    driver.finish(job, 1.0, metrics={"c": job.config["x"]})
    surrogates = _surrogates(driver)
    assert 5 == len(surrogates.constraint(surrogates.sources(), 0, NOTHING).y)


def test_a_failure_at_any_budget_counts() -> None:
    """Success is modelled by trials, over all budgets: a failure at a lower one is not lost."""
    driver = _driver(2)
    jobs = [driver.start(1.0) for _ in range(6)]
    for i, job in enumerate(jobs):
        driver.finish(job, 1.0 if i < 5 else None)
    for job in jobs[:5]:
        driver.finish(driver.promote(job, 3.0), 1.0)
    surrogates = _surrogates(driver)
    assert [1.0, 3.0] == [s.budget for s in surrogates.sources()]
    assert [-1.0] * 7 + [1.0] == surrogates.failure(surrogates.sources(), NOTHING).y.tolist()


def test_fits_look_at_a_bounded_number_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many rows some are fitted to, fewer with more processes; predictions stay pure."""
    counts = []

    def counting(features: np.ndarray, *args: object, **options: object) -> object:
        counts.append(len(features))
        return fit(features, *args, **options)  # type: ignore[arg-type]  # handed on

    fit = gp_surrogates.fit
    monkeypatch.setattr(gp_surrogates, "fit", counting)
    monkeypatch.setattr(gp_surrogates, "_MOST_FITTED", 8)
    driver = _driver(5)
    looking = _surrogates(driver)
    for n in range(24):
        _play(driver, 1, 1.0 if n < 14 else 3.0)
        assert _prediction(_surrogates(driver)) == _prediction(looking), n
        assert max(counts) <= (8 if n < 18 else 5)
        counts.clear()
        counts.append(0)


def test_fits_are_a_function_of_the_history() -> None:
    """Asked at each count or only at the last, the prediction is the same to the last bit."""
    driver = _driver(5)
    looking = _surrogates(driver)
    for n in range(6, 24):
        _play(driver, 1)
        assert _prediction(_surrogates(driver)) == _prediction(looking), n


def test_a_fit_starts_where_one_to_fewer_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """That costs nothing while a study goes on; asked at once it is the same to the last bit."""
    counts = []

    def counting(features: np.ndarray, *args: object, **options: object) -> object:
        counts.append((len(features), options["start"] is not None))
        return fit(features, *args, **options)  # type: ignore[arg-type]  # handed on

    fit = gp_surrogates.fit
    monkeypatch.setattr(gp_surrogates, "fit", counting)
    monkeypatch.setattr(gp_surrogates, "_ANCHOR", 8)
    driver = _driver(5)
    looking = _surrogates(driver)
    for _ in range(29):
        _prediction(looking)
        _play(driver, 1)
    expected = [(5, False), (7, False), (10, True), (15, True), (22, True), (33, True)]
    assert expected == counts
    counts.clear()
    assert _prediction(_surrogates(driver)) == _prediction(looking)
    assert [(7, False), (15, True), (22, True), (33, True)] == counts


def test_hyper_parameters_stay_between_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are fitted at 5, 7, 10, 15, 22, ... observations, on exactly so many."""
    counts = []

    def counting(features: np.ndarray, *args: object, **options: object) -> object:
        counts.append(len(features))
        return fit(features, *args, **options)  # type: ignore[arg-type]  # handed on

    fit = gp_surrogates.fit
    monkeypatch.setattr(gp_surrogates, "fit", counting)
    driver = _driver(5)
    surrogates = _surrogates(driver)
    for _ in range(20):
        _prediction(surrogates)
        _play(driver, 1)
    assert [5, 7, 10, 15, 22] == counts


def test_budgets_are_put_together() -> None:
    """One source is a process, several are an ensemble."""
    driver = _driver(8)
    one = _surrogates(driver)
    assert isinstance(one.objective(one.sources(), 0, NOTHING), GaussianProcess)
    _play(driver, 6, 3.0)
    two = _surrogates(driver)
    assert isinstance(two.objective(two.sources(), 0, NOTHING), Ensemble)
