"""Which observations are modelled, and when hyper-parameters are fitted."""

from __future__ import annotations

import numpy as np
import pytest

from bandmaster.models.gp import GaussianProcess
from bandmaster.models.gp_ensemble import Ensemble
from bandmaster.models.gp_inputs import Inputs
from bandmaster.optimizers import RandomOptimizer
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


def test_fits_are_a_function_of_the_history() -> None:
    """Asked at each count or only at the last, the prediction is the same to the last bit."""
    driver = _driver(5)
    looking = _surrogates(driver)
    for n in range(6, 24):
        _play(driver, 1)
        assert _prediction(_surrogates(driver)) == _prediction(looking), n


def test_hyper_parameters_stay_between_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are fitted at 5, 7, 10, 15, 22, ... observations, on exactly so many."""
    counts = []

    def counting(features: np.ndarray, *args: object, **options: object) -> object:
        counts.append(len(features))
        return fit(features, *args, **options)  # type: ignore[arg-type]  # handed on

    from bandmaster.optimizers import gp_surrogates

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
