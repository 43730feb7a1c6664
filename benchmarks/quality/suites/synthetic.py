"""The functions of `bandmaster.testing.problems`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bandmaster.testing.problems import PROBLEMS
from benchmarks.quality.bench import Bench

FOUR = ("branin", "hartmann6", "rosenbrock4", "ackley10mixed")
FIDELITY = ("mf-counting_ones",)


def missing() -> str:
    """Nothing is needed."""
    return ""


def names(part: str) -> list[str]:
    """Return the four of the literature, those with several budgets, or all of one budget."""
    if part == "four":
        return list(FOUR)
    if part == "fidelity":
        return list(FIDELITY)
    return [name for name in PROBLEMS if f"mf-{name}" not in FIDELITY]


def load(name: str) -> Bench:
    """Return a problem."""
    problem = PROBLEMS[name.removeprefix("mf-")]()
    if name in FIDELITY:
        # The coins are what an optimizer sees; what counts is their probability. A rung is paid in
        # full: a trial that goes on starts again.
        return Bench(problem, true_loss=lambda config: -sum(_numbers(config)), eta=3)
    return Bench(problem)


def _numbers(config: Mapping[str, Any]) -> list[float]:
    return [float(value) for value in config.values()]
