"""Problems of several objectives, and with constraints: made-up ones and YAHPO's surrogates.

Several objectives are compared by the hypervolume that is missing from the best known front; the
median that regrets are divided by is what ten random configurations leave missing. With
constraints what counts is the lowest loss that meets them all, and the median is that of random
configurations that do.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from bandmaster.core.objectives import Metric, Objectives
from bandmaster.core.outcome import Outcome
from bandmaster.testing.constrained_problems import CONSTRAINED_PROBLEMS
from bandmaster.testing.metric_problems import MetricProblem
from bandmaster.testing.multi_problems import MULTI_PROBLEMS
from bandmaster.testing.problems import Problem
from benchmarks.quality.bench import Bench, Reference
from benchmarks.quality.suites import yahpo

_GROUP = 10  # random configurations whose hypervolume is the median of several objectives
_DRAWN, _MOST_DRAWN, _ENOUGH = 2_000, 20_000, 50

_LEAST_SECONDS = 0.5  # the surrogates say of some trainings that they end before they begin

# Scenario and instance -> the corner, both third quartiles of 2,000 random configurations (1 -
# accuracy, and the logarithm of seconds), and the hypervolume of the front that 40 generations
# of 2,000 mutations of the best 150 have found; NaN where runs have found more.
_FRONTS = {
    "lcbench-167184": ((0.4304844, 4.828621), 0.594903),
    "lcbench-189862": ((0.3061690, 4.998367), 0.447095),
    "rbv2_xgboost-40981": ((0.4621145, 1.528161), math.nan),  # 0.847 by these, more in some runs
}
# Scenario and instance -> the first quartile of seconds of random configurations, and the lowest
# error that 25 generations have found below it.
_LIMITS = {
    "lcbench-167184": (63.638198, 0.1180087),
    "lcbench-189862": (59.086295, 0.0881836),
    "rbv2_xgboost-40981": (1.8738848, 0.0842036),
}


def missing() -> str:
    """Nothing is needed; what lacks its data is left out of the names."""
    return ""


def names(part: str) -> list[str]:
    """Return the problems with several objectives, or those with constraints."""
    made, real = (MULTI_PROBLEMS, _FRONTS) if part == "multi" else (CONSTRAINED_PROBLEMS, _LIMITS)
    return [f"{part}-{name}" for name in [*made, *([] if yahpo.missing() else real)]]


def load(name: str) -> Bench:
    """Return a problem."""
    part, _, of = name.partition("-")
    made = MULTI_PROBLEMS if part == "multi" else CONSTRAINED_PROBLEMS
    problem = made[of]() if of in made else _surrogate(of, several=part == "multi")

    def loss(config: Mapping[str, Any], budget: float) -> float:
        outcome = problem(config)
        return math.nan if outcome.loss is None else outcome.loss

    return Bench(
        Problem(name, problem.space, loss, problem.optimum),
        metrics=problem,
        find_reference=lambda: _reference(problem),
    )


def _reference(problem: MetricProblem) -> Reference:
    """Return the best score, and what random configurations reach."""
    bench = Bench(Problem("", problem.space, lambda config, budget: 0.0, 0.0))
    space, rng = bench.space(), np.random.default_rng(0)
    outcomes, found = list[Outcome](), list[float]()
    while len(outcomes) < _MOST_DRAWN and len(found) < _ENOUGH:
        outcomes += [problem(config) for config in space.sample_configs(_DRAWN, rng)]
        size = _GROUP if problem.corner else 1
        scores = [problem.score(outcomes[i : i + size]) for i in range(0, len(outcomes), size)]
        found = [score for score in scores if math.isfinite(score)]
    return Reference(problem.optimum, float(np.median(found)))


def _surrogate(name: str, *, several: bool) -> MetricProblem:
    """Return 1 - accuracy and seconds of training, both to be low or the second limited."""
    scenario, _, instance = name.rpartition("-")
    model, top = yahpo.model(scenario), yahpo.SCENARIOS[scenario].budgets[-1]

    def function(config: Mapping[str, Any]) -> dict[str, float]:
        (error,), (seconds,) = model.loss_and_seconds([config], instance, top)
        return {"error": error, "seconds": max(seconds, _LEAST_SECONDS)}

    if several:
        corner, volume = _FRONTS[name]
        goals = Objectives([Metric("error"), Metric("seconds")])
        return MetricProblem(name, model.space, function, goals, -volume, corner, (False, True))
    limit, best = _LIMITS[name]
    goals = Objectives([Metric("error"), Metric("seconds", strategy="constraint", threshold=limit)])
    return MetricProblem(name, model.space, function, goals, best)
