"""Random, grid and Sobol."""

from __future__ import annotations

import numpy as np
import pytest

from bandmaster.core.randomness import Key
from bandmaster.errors import ConfigurationError, SpaceExhaustedError
from bandmaster.optimizers import GridOptimizer, RandomOptimizer, SobolOptimizer
from bandmaster.space import Categorical, Condition, Equals, Float, Integer, Space
from bandmaster.testing.driver import Driver

PLANE = Space([Float("x", 0, 1), Float("y", 1e-3, 1e3, log=True)])


def test_random_is_a_function_of_the_trial_number() -> None:
    """Trial 300 has the same configuration whether trials before it were asked for or not."""
    ordered, jumping = RandomOptimizer(), RandomOptimizer()
    for optimizer in (ordered, jumping):
        optimizer.initialize(PLANE)
    row = [ordered.ask(1, (), Key(7, number)).config for number in range(301)]
    assert row[300] == jumping.ask(1, (), Key(7, 300)).config
    assert row[3] == jumping.ask(1, (), Key(7, 3)).config


def test_random_hands_out_its_own_dict() -> None:
    """Who changes the configuration of a proposal does not change the next one."""
    driver = Driver(RandomOptimizer(), PLANE)
    dict_config = driver.ask().config
    assert isinstance(dict_config, dict)
    dict_config["x"] = "changed"
    assert "changed" != driver.ask().config["x"]


def test_random_uses_up_finite_branches_of_infinite_spaces() -> None:
    """The branch of a single configuration is proposed once, the continuous one goes on."""
    space = Space(
        [Categorical("a", ("none", "some")), Float("x", 0, 1)],
        conditions=[Condition("x", Equals("a", "some"))],
    )
    driver = Driver(RandomOptimizer(), space)
    configs = [driver.start().config for _ in range(40)]
    assert 1 == sum(config["a"] == "none" for config in configs)


def test_grid_order() -> None:
    """Without shuffling the last parameter changes fastest, and bounds are included."""
    driver = Driver(GridOptimizer(n_points=3), PLANE)
    values = [tuple(driver.start().config.values()) for _ in range(9)]
    assert [x for x in (0.0, 0.5, 1.0) for _ in range(3)] == [x for x, _ in values]
    assert [1e-3, 1.0, 1e3] * 3 == pytest.approx([y for _, y in values])
    with pytest.raises(SpaceExhaustedError):
        driver.ask()


def test_grid_takes_all_of_a_finite_space() -> None:
    """In a finite space `n_points` is no limit: each of the 20 integers is proposed."""
    driver = Driver(GridOptimizer(n_points=3), Space([Integer("n", 1, 20)]))
    assert list(range(1, 21)) == [driver.start().config["n"] for _ in range(20)]


def test_grid_leaves_out_what_was_issued() -> None:
    """A configuration that the user enqueued is not proposed again."""
    driver = Driver(GridOptimizer(), Space([Integer("n", 1, 4)]))
    driver.enqueue({"n": 2})
    assert [1, 3, 4] == [driver.start().config["n"] for _ in range(3)]


def test_shuffled_grid() -> None:
    """A shuffled grid is the same set in another order, which the seed decides."""
    runs = []
    for seed in (0, 0, 1):
        driver = Driver(GridOptimizer(shuffle=True), Space([Integer("n", 0, 49)]), seed=seed)
        runs.append([driver.start().config["n"] for _ in range(50)])
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]
    assert list(range(50)) == sorted(runs[0]) != runs[0]


def test_grid_refuses() -> None:
    """A grid needs a point, and a shuffled one has to fit into memory."""
    with pytest.raises(ConfigurationError, match="n_points must be at least 1"):
        GridOptimizer(n_points=0)
    driver = Driver(GridOptimizer(shuffle=True), Space([Integer("n", 0, 10**7)]))
    with pytest.raises(ConfigurationError, match="more than 1000000 points"):
        driver.ask()


def test_sobol_is_balanced() -> None:
    """Of the first 2^k points exactly one lies in each of 2^k strata of every parameter."""
    driver = Driver(SobolOptimizer(), PLANE, seed=3)
    for _ in range(32):
        driver.start()
    vectors = np.array([job.vector for job in driver.pending])
    for column in vectors.T:
        assert list(range(32)) == sorted((column * 32).astype(int))


def test_sobol_goes_on_when_the_sequence_misses_something() -> None:
    """A configuration of tiny probability is drawn in the end, then the space is exhausted."""
    space = Space([Categorical("a", (0, 1, 2), weights=(1, 1e-9, 1))])
    driver = Driver(SobolOptimizer(), space)
    assert {0, 1, 2} == {driver.start().config["a"] for _ in range(3)}
    with pytest.raises(SpaceExhaustedError):
        driver.ask()
