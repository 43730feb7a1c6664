"""The forest optimizer: the rules beyond the suite's."""

from __future__ import annotations

import numpy as np
import pytest

from bandmaster.core.history import History
from bandmaster.core.objectives import Metric, Objectives
from bandmaster.core.randomness import Key
from bandmaster.errors import ConfigurationError
from bandmaster.optimizers import ForestOptimizer
from bandmaster.optimizers.forest_model import Acquisition, ForestModel, fitted_rows
from bandmaster.optimizers.forest_search import ForestSearch
from bandmaster.optimizers.population import Units
from bandmaster.space import Categorical, Condition, Equals, Float, Integer, Space
from bandmaster.testing.driver import Driver

PLANE = Space([Float("x", 0, 1), Float("y", 0, 1)])
BRANCHES = Space(
    [Categorical("kind", ("a", "b")), Float("u", 0, 1), Float("v", 0, 1), Integer("n", 1, 9)],
    conditions=[Condition("u", Equals("kind", "a")), Condition("v", Equals("kind", "b"))],
)
NOTHING = np.empty((0, 2))


def played(n: int, loss, **options) -> Driver:  # type: ignore[no-untyped-def]  # any of a config
    driver = Driver(ForestOptimizer(**options), PLANE)
    for row in PLANE.sample(n, np.random.default_rng(1)):
        config = PLANE.decode_one(row)
        driver.finish(driver.enqueue(config), loss(config))
    return driver


def model_of(history: History) -> ForestModel:
    return ForestModel(PLANE, history, 10)


def test_prefixes_that_are_fitted() -> None:
    """Each length up to 200, then those of a geometric sequence, never more than there is."""
    assert [0, 1, 200] == [fitted_rows(n) for n in (0, 1, 200)]
    lengths = [fitted_rows(n) for n in range(200, 2000)]
    assert sorted(lengths) == lengths
    assert 50 > len(set(lengths))
    assert all(0.94 * n < k <= n for n, k in enumerate(lengths, 200))


def test_says_when_a_model_proposed() -> None:
    """Proposals are model based once there are enough evaluations, but for a random share."""
    driver = Driver(ForestOptimizer(n_startup=4, random_share=0.0), PLANE)
    assert [False] * 4 + [True] * 3 == [
        driver.step(float(i)).config_info["model_based_pick"] for i in range(7)
    ]
    alone = Driver(ForestOptimizer(n_startup=4, random_share=1.0), PLANE)
    assert not any(alone.step(float(i)).config_info["model_based_pick"] for i in range(7))


def test_improvement_is_expected_where_losses_are_low() -> None:
    """The acquisition is larger near the best evaluations than near the worst."""
    history = played(60, lambda c: c["x"]).optimizer.history
    beliefs = model_of(history).beliefs(0)
    assert beliefs is not None
    value = Acquisition(beliefs, NOTHING, np.random.default_rng(0))
    rows = PLANE.sample(200, np.random.default_rng(2))
    low, high = rows[:, 0] < 0.2, rows[:, 0] > 0.5
    assert value(rows[low]).mean() > value(rows[high]).mean() + 1


def test_pending_jobs_take_the_improvement_away() -> None:
    """At a pending configuration nothing is left to gain, elsewhere the value does not grow."""
    history = played(40, lambda c: c["x"] + c["y"]).optimizer.history
    beliefs = model_of(history).beliefs(0)
    assert beliefs is not None
    rows = PLANE.sample(100, np.random.default_rng(2))
    before = Acquisition(beliefs, NOTHING, np.random.default_rng(0))(rows)
    after = Acquisition(beliefs, rows[:3], np.random.default_rng(0))(rows)
    assert (after <= before + 1e-12).all()
    assert (after[:3] < before[:3] - 10).all()


def test_the_largest_budget_is_improved_with_the_help_of_all() -> None:
    """Evaluations at lower budgets are learnt from; the incumbents are of the largest."""
    driver = Driver(ForestOptimizer(), PLANE, budgets=(1.0, 9.0))
    for i, row in enumerate(PLANE.sample(40, np.random.default_rng(1))):
        config = PLANE.decode_one(row)
        budget = 9.0 if i % 10 == 0 else 1.0
        driver.finish(driver.enqueue(config, budget=budget), config["x"] - budget)
    history = driver.optimizer.history
    beliefs = model_of(history).beliefs(0)
    assert beliefs is not None
    assert {9.0} == {history[int(i)].budget for i in beliefs.incumbents}
    mean = beliefs.objectives[0].predict(np.array([[0.1, 0.5, np.log(9)], [0.9, 0.5, np.log(9)]]))[
        0
    ]
    assert mean[0] < mean[1]
    assert [np.log(9.0)] == beliefs.extra.tolist()


def test_constraints_weigh_by_their_probability() -> None:
    """Where the constraint was violated the acquisition is lower at the same loss."""
    metrics = Objectives(["loss", Metric("size", "constraint", threshold=0.5)])
    driver = Driver(ForestOptimizer(), PLANE, objectives=metrics)
    for row in PLANE.sample(60, np.random.default_rng(1)):
        config = PLANE.decode_one(row)
        driver.finish(driver.enqueue(config), config["y"], metrics={"size": config["x"]})
    beliefs = model_of(driver.optimizer.history).beliefs(0)
    assert beliefs is not None
    assert beliefs.feasibility is not None
    share = beliefs.feasibility.predict(np.array([[0.1, 0.5], [0.9, 0.5]]))[0]
    assert share[0] > 0.8
    assert share[1] < 0.2
    assert all(driver.optimizer.history[int(i)].config["x"] <= 0.5 for i in beliefs.incumbents)


def test_several_objectives_are_weighted_at_random() -> None:
    """Each proposal improves another mixture of the objectives, so they spread along the front."""
    driver = Driver(ForestOptimizer(random_share=0.0), PLANE, objectives=Objectives(["a", "b"]))
    for row in PLANE.sample(60, np.random.default_rng(1)):
        config = PLANE.decode_one(row)
        metrics = {"a": config["x"] + config["y"], "b": 1 - config["x"] + config["y"]}
        driver.finish(driver.enqueue(config), metrics["a"], metrics=metrics)
    configs = [driver.optimizer.ask(1.0, (), Key(0, 60 + i)).config for i in range(12)]
    assert np.mean([c["y"] for c in configs]) < 0.3
    assert np.ptp([c["x"] for c in configs]) > 0.4


def test_the_search_finds_a_peak_in_a_branch() -> None:
    """Moves enter branches and come close to a peak there; the best row is first, all legal."""

    def value(rows: np.ndarray) -> np.ndarray:
        inside = np.where(np.isnan(rows[:, 2]), -1.0, -((rows[:, 2] - 0.123) ** 2))
        return np.asarray(inside - rows[:, 3])

    start = BRANCHES.encode([{"kind": "a", "u": 0.5, "n": 5}])
    rows = ForestSearch(Units(BRANCHES)).best(value, start, np.random.default_rng(0))
    assert BRANCHES.legal(rows).all()
    assert (np.diff(value(rows)) <= 0).all()
    best = BRANCHES.decode_one(rows[0])
    assert ("b", 1) == (best["kind"], best["n"])
    assert 0.123 == pytest.approx(best["v"], abs=0.02)


def test_it_finds_the_right_branch() -> None:
    """It ends up in the branch that is better where it is searched well."""
    driver = Driver(ForestOptimizer(), BRANCHES)
    for _ in range(60):
        job = driver.start()
        kind = job.config["kind"]
        bowl = abs(job.config["u"] - 0.5) + 0.4 if kind == "a" else 2 * abs(job.config["v"] - 0.2)
        driver.finish(job, bowl + 0.01 * job.config["n"])
    best = driver.optimizer.history.best()
    assert best is not None
    assert best.loss is not None
    assert "b" == best.config["kind"]
    assert best.loss < 0.1


@pytest.mark.parametrize(
    "options", [{"n_startup": 1}, {"n_trees": 1}, {"random_share": 1.5}, {"n_candidates": 2}]
)
def test_wrong_options(options: dict[str, float]) -> None:
    """Options out of their range are refused by name."""
    with pytest.raises(ConfigurationError, match=next(iter(options))):
        ForestOptimizer(**options)  # type: ignore[arg-type]  # numbers of both kinds
