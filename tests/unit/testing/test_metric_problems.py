"""Problems of several metrics have the best values they say."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bandmaster.core.objectives import Metric, Objectives
from bandmaster.core.outcome import Outcome
from bandmaster.space import compile_space
from bandmaster.testing.constrained_problems import CONSTRAINED_PROBLEMS
from bandmaster.testing.metric_problems import MetricProblem
from bandmaster.testing.multi_problems import MULTI_PROBLEMS, NETWORK, network
from tests.unit.testing.test_problems import BEST

Config = dict[str, Any]

HARTMANN = BEST["hartmann6"]
OPTIMA: dict[str, Config] = {
    "gardner": {"x0": 4.62264094, "x1": 5.84933459},
    "islands": {"x0": 4.71238898, "x1": 1.2532359},
    "branin_disk": BEST["branin"],
    "two_curves": {"x0": 0.195122692, "x1": 0.40466536},
    "hartmann6_ball": HARTMANN,
    "g04": {"x0": 78.0, "x1": 33.0, "x2": 29.995256025682, "x3": 45.0, "x4": 36.775812905789},
    "vessel": {"shell": 13, "head": 7, "radius": 42.0984455958549, "length": 176.636595842439},
    "failing_hartmann6": HARTMANN,
    "failing_mixed": BEST["ackley10mixed"],
}
# Where the best fronts lie, for t and u from 0 to 1.
FRONTS: dict[str, Callable[[float, float], Config]] = {
    "zdt1": lambda t, u: {"x0": t} | {f"x{i}": 0.0 for i in range(1, 6)},
    "zdt2": lambda t, u: {"x0": t} | {f"x{i}": 0.0 for i in range(1, 8)},
    "zdt3": lambda t, u: {"x0": t} | {f"x{i}": 0.0 for i in range(1, 5)},
    "dtlz2": lambda t, u: {"x0": t, "x1": u} | {f"x{i}": 0.5 for i in range(2, 6)},
    "cut_front": lambda t, u: {
        "x0": (x := 7 / 18 * (1 - t) + t),
        "x1": min(max(6 - 9 * x, 0.0) + 1e-9, 9 * x - 1),
    },
    "decades": lambda t, u: {
        f"x{i}": (1 - t) * a + t * b
        for i, (a, b) in enumerate([(0.2, 0.7), (0.3, 0.8), (0.6, 0.4), (0.4, 0.9)])
    },
}


def outcomes(problem: MetricProblem, n: int = 300) -> list[Outcome]:
    """Return what random configurations come to."""
    configs = compile_space(problem.space).sample_configs(n, np.random.default_rng(0))
    return [problem(config) for config in configs]


@pytest.mark.parametrize("name", sorted(OPTIMA))
def test_the_lowest_loss_is_where_it_is(name: str) -> None:
    """A legal configuration meets the constraints, all but rounding, with the optimum's loss."""
    problem = CONSTRAINED_PROBLEMS[name]()
    compile_space(problem.space).validate(OPTIMA[name])
    outcome = problem(OPTIMA[name])
    assert outcome.loss == pytest.approx(problem.optimum, rel=1e-6, abs=2e-5)
    for metric in problem.objectives.constraints:
        assert outcome.metrics[metric.name] <= 1e-3 * (1296 if metric.name == "volume" else 1)


@pytest.mark.parametrize("name", sorted(FRONTS))
def test_the_front_covers_what_it_says(name: str) -> None:
    """Many points of the front cover its hypervolume but for little."""
    problem = MULTI_PROBLEMS[name]()
    steps = np.linspace(0, 1, 20 if name == "dtlz2" else 400)
    second = steps if name == "dtlz2" else [0.0]
    found = [problem(FRONTS[name](float(t), float(u))) for t in steps for u in second]
    reached = problem.score(found)
    assert problem.optimum <= reached
    assert (0.95 if name == "dtlz2" else 0.99) * problem.optimum >= reached


@pytest.mark.parametrize("name", sorted({**MULTI_PROBLEMS, **CONSTRAINED_PROBLEMS}))
def test_nothing_random_is_better(name: str) -> None:
    """Random configurations stay above the optimum; with more of them the score gets no worse."""
    problem = {**MULTI_PROBLEMS, **CONSTRAINED_PROBLEMS}[name]()
    found = outcomes(problem)
    scores = [problem.score(found[:n]) for n in (3, 30, 300)]
    assert scores == sorted(scores, reverse=True)
    assert problem.optimum < scores[-1] < math.inf


def test_networks_that_are_larger_err_less() -> None:
    """The best small network is on the boundary: a little more size allows a lower error."""
    problem = CONSTRAINED_PROBLEMS["small_network"]()
    space = compile_space(NETWORK)
    best = min(
        (network(c) for c in space.sample_configs(3000, np.random.default_rng(1))),
        key=lambda found: found["error"],
    )
    assert best["error"] < problem.optimum
    assert best["size"] > 0.05


def test_what_fails_counts_for_nothing() -> None:
    """What raises an arithmetic error, and what is no number, are failures without a score."""

    def function(config: Config) -> dict[str, float]:
        return {"loss": 1 / config["x"] if config["x"] < 0.5 else math.nan}

    problem = MetricProblem("fails", {}, function, Objectives(), 0.0)
    found = [problem({"x": 0.0}), problem({"x": 0.9}), problem({"x": 0.25})]
    assert [False, False, True] == [outcome.ok for outcome in found]
    assert math.inf == problem.score(found[:2])
    assert 4.0 == problem.score(found)


def test_hypervolumes_of_logarithms() -> None:
    """A maximised metric counts turned round; of a log metric each decade counts the same."""
    goals = Objectives([Metric("gain", objective="maximize"), Metric("seconds")])
    problem = MetricProblem(
        "logs", {}, lambda c: {"gain": c["g"], "seconds": c["s"]}, goals, -1.0,
        corner=(0.0, math.log(1e3)), logs=(False, True),
    )  # fmt: skip
    two = [problem({"g": 2.0, "s": 10.0}), problem({"g": 1.0, "s": 1.0})]
    assert problem.score(two) == pytest.approx(-(2.0 * math.log(100) + math.log(10)))
