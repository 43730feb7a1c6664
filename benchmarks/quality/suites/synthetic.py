"""The functions of `bandmaster.testing.problems`, and drawn choices of algorithms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bandmaster.testing.algorithm_problems import algorithms
from bandmaster.testing.problems import PROBLEMS
from benchmarks.quality.bench import Bench

FOUR = ("branin", "hartmann6", "rosenbrock4", "ackley10mixed")
ALGORITHMS = tuple(f"algorithms{seed}" for seed in range(16))
FIDELITY = ("mf-counting_ones",)
# The cost grows by a hundred over the first float's range, or shrinks: the optimum of Hartmann's
# function is cheap or dear, Ackley's costs about ten times the least.
COSTLY = tuple(
    f"mf-{name}-{where}" for name in ("hartmann6", "ackley10mixed") for where in ("cheap", "dear")
)


def missing() -> str:
    """Nothing is needed."""
    return ""


def names(part: str) -> list[str]:
    """Return the four of the literature, those with budgets, costs or drawn, or the others."""
    if part == "four":
        return list(FOUR)
    if part == "fidelity":
        return list(FIDELITY)
    if part == "costly":
        return list(COSTLY)
    if part == "algorithms":
        return list(ALGORITHMS)
    return [name for name in PROBLEMS if f"mf-{name}" not in FIDELITY]


def load(name: str) -> Bench:
    """Return a problem."""
    if name in COSTLY:
        return _costly(name)
    if name in ALGORITHMS:
        return Bench(algorithms(int(name.removeprefix("algorithms"))))
    problem = PROBLEMS[name.removeprefix("mf-")]()
    true_loss = None if problem.noiseless is None else problem.true_loss
    # A rung is paid in full: a trial that goes on starts again.
    return Bench(problem, true_loss=true_loss, eta=3 if name in FIDELITY else None)


def _costly(name: str) -> Bench:
    _, of, where = name.split("-")
    problem = PROBLEMS[of]()
    low, high = problem.space["x0"]["_value"]

    def cost(config: Mapping[str, Any], budget: float) -> float:
        share = (config["x0"] - low) / (high - low)
        return float(100.0 ** (share if where == "cheap" else 1.0 - share))

    return Bench(problem, cost=cost, eta=3, find_full_seconds=lambda: 10.0)
