"""Costs of evaluations, and proposals that care for them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from bandmaster.core.randomness import Key
from bandmaster.errors import ConfigurationError
from bandmaster.optimizers import (
    AutoOptimizer,
    Cost,
    ETPEOptimizer,
    ForestOptimizer,
    GPOptimizer,
    Optimizer,
)
from bandmaster.optimizers.cost import Costs
from bandmaster.space import Categorical, Float, Space
from bandmaster.testing.driver import Driver

ENGINES: list[Callable[..., Optimizer]] = [
    AutoOptimizer,
    ETPEOptimizer,
    ForestOptimizer,
    GPOptimizer,
]
SPACE = Space([Float("x", 0, 1), Float("y", 0, 1), Categorical("c", ("a", "b"))])
KEY = Key(0, 50)


def _play(
    optimizer: Optimizer, n: int, *, seconds: float | None = None, seed: int = 0
) -> list[float]:
    """Play a problem with equal valleys at x = 0.2 and 0.8, the second a hundred times dearer."""
    driver, seen = Driver(optimizer, SPACE, seed=seed), []
    for _ in range(n):
        job = driver.start()
        x, y = job.config["x"], job.config["y"]
        loss = (min(abs(x - 0.2), abs(x - 0.8)) + abs(y - 0.5)) + 0.01 * (job.config["c"] == "a")
        cost = 100.0**x if seconds is None else seconds
        driver.finish(job, loss, metrics={"euros": cost}, finished=cost)
        seen.append(x)
    return seen


def _costs(cost: Cost, n: int = 30, *, budgets: tuple[float, ...] = (1.0,)) -> Costs:
    """Return the costs of a study in which a tenth of the budget's seconds go by, times 100**x."""
    driver = Driver(ETPEOptimizer(), SPACE, budgets=budgets)
    rng = np.random.default_rng(0)
    for i, config in enumerate(SPACE.sample_configs(n, rng)):
        job = driver.enqueue(config, budget=budgets[i % len(budgets)])
        driver.finish(
            job, None if i % 3 == 0 else 1.0, finished=0.1 * job.budget * 100.0 ** config["x"]
        )
    return Costs(cost, SPACE, driver.optimizer.history)


@pytest.mark.parametrize("make", ENGINES)
@pytest.mark.parametrize("cost", ["duration", "euros"])
def test_of_equal_regions_the_cheap_one_is_preferred(
    make: Callable[..., Optimizer], cost: str
) -> None:
    """Of two valleys that are as deep, the one that costs less gets most evaluations.

    ETPE may find one of them by chance and stay there, hence five seeds.
    """
    cheap = [
        np.mean(np.array(_play(make(cost=Cost(cost, total=1e6)), 40, seed=seed)[12:]) < 0.5)
        for seed in range(5 if make is ETPEOptimizer else 1)
    ]
    assert np.median(cheap) > 0.8


@pytest.mark.parametrize("make", ENGINES)
@pytest.mark.parametrize("cost", ["duration", "dollars"])
def test_without_known_costs_nothing_changes(make: Callable[..., Optimizer], cost: str) -> None:
    """Where no evaluation told its cost, proposals are those without the option."""
    assert _play(make(), 16, seconds=0.0) == _play(make(cost=cost), 16, seconds=0.0)


@pytest.mark.parametrize("make", ENGINES)
def test_when_all_is_spent_nothing_changes(make: Callable[..., Optimizer]) -> None:
    """With the total spent, proposals are those without the option."""
    assert _play(make(), 16) == _play(make(cost=Cost(total=0.1)), 16)


def test_the_exponent_falls_as_the_total_is_spent() -> None:
    """With half of the total spent the log of the cost counts half."""
    rows = SPACE.sample(5, np.random.default_rng(3))
    spent = sum(0.1 * 100.0 ** c["x"] for c in SPACE.sample_configs(30, np.random.default_rng(0)))
    values = []
    for total in (2 * spent, 4 * spent):
        term = _costs(Cost(total=total)).term(1.0, KEY)
        assert term is not None
        values.append(term(rows))
    assert values[0] / 0.5 == pytest.approx(values[1] / 0.75)


def test_without_a_total_the_exponent_is_drawn_for_each_proposal() -> None:
    """It lies between 0 and 1, is the same for the same proposal and another for others."""
    rows = SPACE.sample(2, np.random.default_rng(3))
    costs = _costs(Cost())
    terms = [costs.term(1.0, Key(0, number)) for number in (50, 50, 51)]
    first, again, other = (None if term is None else term(rows).tolist() for term in terms)
    assert first == again
    assert first != other


@pytest.mark.parametrize("budgets", [(1.0,), (1.0, 3.0, 9.0)])
def test_costs_are_predicted_for_the_budget(budgets: tuple[float, ...]) -> None:
    """Where the cost is a product of powers of the parameters and the budget, it is found."""
    costs = _costs(Cost(total=1e9), 60, budgets=budgets)
    rows = SPACE.sample(20, np.random.default_rng(9))
    for budget in budgets:
        term = costs.term(budget, KEY)
        assert term is not None
        truth = np.log(0.1 * budget) + np.log(100.0) * rows[:, 0]
        assert -term(rows) == pytest.approx(truth, abs=0.2)


def test_costs_of_other_studies_and_unusable_ones_are_left_out() -> None:
    """What is not positive, not finite or of another study tells no cost."""
    driver = Driver(ETPEOptimizer(), SPACE)
    (config,) = SPACE.sample_configs(1, np.random.default_rng(0))
    for value in (0.0, -1.0, float("nan"), float("inf")) * 3:
        driver.finish(driver.start(), 1.0, metrics={"euros": value})
    driver.borrow(config, 1.0)
    for of in ("euros", "duration"):
        assert Costs(Cost(of), SPACE, driver.optimizer.history).term(1.0, KEY) is None


@pytest.mark.parametrize("make", [lambda: Cost(""), lambda: Cost(total=0.0)])
def test_what_makes_no_sense_is_refused(make: Callable[[], Cost]) -> None:
    """A cost has a name, a total is positive."""
    with pytest.raises(ConfigurationError):
        make()
