"""What a user knows reaches the engines: beliefs, and evaluations of another study."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from bandmaster.optimizers import AutoOptimizer, ETPEOptimizer, ForestOptimizer, GPOptimizer, Prior
from bandmaster.optimizers.base import Optimizer
from bandmaster.space import Float, Space
from bandmaster.testing.driver import Driver

PLANE = Space([Float("x", 0, 1), Float("y", 0, 1)])
Maker = Callable[[Prior | None], Optimizer]
ENGINES: dict[str, Maker] = {
    "ETPE": lambda prior: ETPEOptimizer(prior=prior),
    "Forest": lambda prior: ForestOptimizer(prior=prior),
    "GP": lambda prior: GPOptimizer(n_candidates=96, prior=prior),
    "auto": lambda prior: AutoOptimizer(prior=prior),
}
RIGHT = Prior({"x": ("normal", 0.8, 0.1), "y": ("normal", 0.3, 0.1)})
WRONG = Prior({"x": ("normal", 0.1, 0.05), "y": ("normal", 0.9, 0.05)})


def loss(config: Mapping[str, Any]) -> float:
    return float((config["x"] - 0.8) ** 2 + (config["y"] - 0.3) ** 2)


def best_of(
    make: Callable[[], Optimizer],
    n: int,
    other: Callable[[Mapping[str, Any]], float] | None = None,
) -> float:
    """Return the mean over five seeds of the lowest loss of `n` evaluations of its own."""
    lowest = []
    for seed in range(5):
        driver = Driver(make(), PLANE, seed=seed)
        if other is not None:
            for row in PLANE.sample(40, np.random.default_rng(seed + 50)):
                config = PLANE.decode_one(row)
                driver.borrow(config, other(config))
        losses = []
        for _ in range(n):
            job = driver.start()
            losses.append(loss(job.config))
            driver.finish(job, losses[-1])
        lowest.append(min(losses))
    return float(np.mean(lowest))


@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_startup_points_are_drawn_from_beliefs(engine: str) -> None:
    """Many of the first points lie where the user expects good ones."""
    driver = Driver(ENGINES[engine](RIGHT), PLANE)
    configs = [driver.start().config for _ in range(10)]
    assert 4 <= sum(0.6 <= c["x"] and c["y"] <= 0.5 for c in configs)


@pytest.mark.parametrize("engine", sorted(ENGINES))
def test_right_beliefs_save_evaluations(engine: str) -> None:
    """Ten evaluations with a right belief find more than ten without."""
    believing, unknowing = (
        best_of(lambda prior=prior: ENGINES[engine](prior), 10)  # type: ignore[misc]  # bound now
        for prior in (RIGHT, None)
    )
    assert believing < unknowing / 2


@pytest.mark.parametrize(("engine", "n"), [("ETPE", 45), ("GP", 25)])
def test_wrong_beliefs_are_forgotten(engine: str, n: int) -> None:
    """A belief in the wrong corner costs evaluations, and does no lasting harm."""
    assert best_of(lambda: ENGINES[engine](WRONG), 10) > best_of(lambda: ENGINES[engine](None), 10)
    assert best_of(lambda: ENGINES[engine](WRONG), n) < 0.01


@pytest.mark.parametrize("engine", ["ETPE", "GP"])
def test_a_study_that_agrees_helps(engine: str) -> None:
    """Five evaluations after one whose losses rank alike find more than five without."""
    helped = best_of(lambda: ENGINES[engine](None), 5, lambda config: 500 + 9 * loss(config))
    assert helped < best_of(lambda: ENGINES[engine](None), 5) / 3


@pytest.mark.parametrize(("engine", "n"), [("ETPE", 45), ("GP", 35)])
def test_a_study_that_misleads_does_no_lasting_harm(engine: str, n: int) -> None:
    """What ranks the other way round costs evaluations, not the search."""
    assert best_of(lambda: ENGINES[engine](None), n, lambda config: -loss(config)) < 0.01
