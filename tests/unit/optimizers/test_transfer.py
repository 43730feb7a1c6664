"""How far another study's evaluations are trusted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from bandmaster.optimizers import RandomOptimizer
from bandmaster.optimizers.transfer import Transfer, imported
from bandmaster.space import Categorical, Condition, Equals, Float, Integer, Ordinal, Space
from bandmaster.testing.driver import Driver

SPACE = Space(
    [
        Float("x", -1, 1),
        Categorical("kind", ("a", "b")),
        Integer("n", 1, 9),
        Float("y", 0, 1),
        Ordinal("size", ("s", "m", "l")),
    ],
    conditions=[Condition("y", Equals("kind", "b"))],
)


def loss(config: Mapping[str, Any]) -> float:
    by_kind = 0.3 * config["y"] if config["kind"] == "b" else 0.5
    return float(config["x"] ** 2 + by_kind + 0.02 * config["n"])


def study(
    other: Callable[[Mapping[str, Any]], float], n_imported: int = 60, n_own: int = 20
) -> Driver:
    driver = Driver(RandomOptimizer(), SPACE, budgets=(1.0, 3.0))
    for row in SPACE.sample(n_imported, np.random.default_rng(1)):
        config = SPACE.decode_one(row)
        driver.borrow(config, other(config), budget=1.0)
    for _ in range(n_own):
        job = driver.start()
        driver.finish(job, loss(job.config))
    return driver


def weight(driver: Driver) -> float:
    history = driver.optimizer.history
    weights = Transfer(SPACE).weights(history)
    theirs = imported(history)
    assert (weights[~theirs] == 1.0).all()
    assert 1 == len(set(weights[theirs]))
    return float(weights[theirs][0])


def test_a_study_that_agrees_keeps_its_weight() -> None:
    """Losses on another scale that rank alike stay trusted, though less the more is known."""
    weights = [weight(study(lambda config: 1000 + 50 * loss(config), n_own=n)) for n in (20, 60)]
    assert weights[0] > 0.4 * 3 / 23
    assert weights[0] > weights[1] > 0.4 * 3 / 63


@pytest.mark.parametrize(
    "other", [lambda config: -loss(config), lambda config: hash(config["x"]) % 97]
)
def test_a_study_that_misleads_loses_its_weight(other: Any) -> None:
    """What ranks the other way round, or at random, soon counts (nearly) nothing."""
    assert weight(study(other)) < 0.3 * 3 / 23
    assert weight(study(other, n_own=60)) < 0.2 * 3 / 63


def test_it_is_believed_until_something_speaks_against_it() -> None:
    """Without own results at a budget that both have, imported rows count in full."""
    assert 0.75 == weight(study(lambda config: -loss(config), n_own=1))  # as it has one own one
    driver = study(loss, n_own=0)
    assert 1.0 == weight(driver)
    for _ in range(3):
        job = driver.start(3.0)
        driver.finish(job, -loss(job.config))
    assert 0.5 == weight(driver)  # three own ones count as much, wherever they are


def test_only_imported_rows_are_weighted() -> None:
    """A study that imported nothing has weights of 1, and failures are ordered like all others."""
    assert [1.0] * 20 == Transfer(SPACE).weights(study(loss, 0).optimizer.history).tolist()
    failing = study(loss)
    for _ in range(10):
        failing.finish(failing.start(), None)
    assert 0.0 <= weight(failing) <= 1.0


def test_remembering_changes_nothing() -> None:
    """Weights that are looked at on the way are those of who looks once."""
    driver, transfer = study(loss, n_own=0), Transfer(SPACE)
    for i in range(40):
        job = driver.start()
        driver.finish(job, loss(job.config))
        if i == 25:
            driver.borrow(SPACE.default_config(), 3.0, budget=1.0)
        history = driver.optimizer.history
        expected = Transfer(SPACE).weights(history)
        assert expected.tolist() == transfer.weights(history).tolist()


def test_adopted_values_are_on_the_own_scale() -> None:
    """Imported values keep their order, are among the own ones, and are trusted if they agree."""
    history = study(lambda config: 1000 + 50 * loss(config), n_own=40).optimizer.history
    theirs, rows = imported(history), np.arange(len(history))
    before = history.losses.copy()
    values, trust = Transfer(SPACE).adopted(history, rows, before)
    np.testing.assert_array_equal(before[~theirs], values[~theirs])
    assert values[~theirs].min() - 0.3 <= values[theirs].min()
    assert values[theirs].max() <= values[~theirs].max()
    order = np.argsort(before[theirs], kind="stable")
    assert (np.diff(values[theirs][order]) >= 0).all()
    assert (trust[~theirs] == 1.0).all()
    assert (trust[theirs] > 0.4 * 3 / 43).all()
    # The numbers mean the same: what it says of configurations is about what they are worth.
    truth = [loss(e.config) for e in history if e.trial < 0]
    assert np.abs(values[theirs] - truth).mean() < 0.15


def test_what_misleads_is_in_the_middle() -> None:
    """Imported rows that order nothing right are neither good nor bad."""
    history = study(lambda config: -loss(config), n_own=40).optimizer.history
    theirs, rows = imported(history), np.arange(len(history))
    values, trust = Transfer(SPACE).adopted(history, rows, history.losses.copy())
    own = np.sort(values[~theirs])
    assert (trust[theirs] < 0.05).all()
    assert own[12] < values[theirs].min()
    assert values[theirs].max() < own[28]


def test_without_two_of_its_own_values_stay() -> None:
    """As long as there is no own scale, imported values are as they are, failures the worst."""
    driver = study(loss, n_own=1)
    driver.borrow(SPACE.default_config(), None, budget=1.0)
    history = driver.optimizer.history
    before = np.where(history.column("ok"), history.losses, np.inf)
    values, trust = Transfer(SPACE).adopted(history, np.arange(len(history)), before)
    assert before.tolist() == values.tolist()
    driver.finish(driver.start(), 0.3)
    before = np.append(before, 0.3)
    values, trust = Transfer(SPACE).adopted(history, np.arange(len(history)), before)
    assert np.isinf(values[-2])
    assert len(trust) == len(history)


def test_losses_as_large_as_floats_get() -> None:
    """Adopted values stay finite numbers."""
    driver = study(lambda config: 1e308 * config["x"], n_own=0)
    for sign in (1, -1, 1, -1):
        driver.finish(driver.start(), sign * 1.7e308)
    history = driver.optimizer.history
    values, trust = Transfer(SPACE).adopted(history, np.arange(len(history)), history.losses)
    assert np.isfinite(values).all()
    assert np.isfinite(trust).all()
