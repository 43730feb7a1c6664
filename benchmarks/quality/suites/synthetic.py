"""The functions of `bandmaster.testing.problems`."""

from __future__ import annotations

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
    true_loss = None if problem.noiseless is None else problem.true_loss
    # A rung is paid in full: a trial that goes on starts again.
    return Bench(problem, true_loss=true_loss, eta=3 if name in FIDELITY else None)
