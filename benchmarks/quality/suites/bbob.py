"""The 24 noiseless functions of COCO's suites bbob and bbob-mixint, first instance.

Hansen et al. (2021), Tušar, Brockhoff and Hansen (2019). Needs the package ``coco-experiment``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

from bandmaster.testing.problems import Problem
from benchmarks.quality.bench import Bench

FUNCTIONS = range(1, 25)
# The values of bbob-mixint's functions are those of bbob's times ten to the power of these.
MIXINT_POWERS = (
    0, -3, -1, -1, 0, -2, 0, -2, -2, -3, -2, -4, -1, 0, -1, 0, 1, 0, 1, -1, 0, 0, 1, -1,
)  # fmt: skip
# Part -> (suite, dimensions).
PARTS = {
    "bbob-5": ("bbob", (5,)),
    "bbob": ("bbob", (2, 5, 10, 20)),
    "mixint-5": ("bbob-mixint", (5,)),
    "mixint": ("bbob-mixint", (5, 10, 20)),
}


def missing() -> str:
    """It needs a package."""
    return "" if find_spec("cocoex") else "the package coco-experiment is not installed"


def names(part: str) -> list[str]:
    """Return ``suite-f01-d05`` for every function and dimension."""
    suite, dimensions = PARTS[part]
    return [f"{suite}-f{f:02}-d{d:02}" for d in dimensions for f in FUNCTIONS]


def load(name: str) -> Bench:
    """Return a function; what is not continuous in it becomes an integer."""
    suite, function, dimension = name.rsplit("-", 2)
    f, d = int(function[1:]), int(dimension[1:])
    evaluate = _suite(suite).get_problem_by_function_dimension_instance(f, d, 1)
    n_integers = evaluate.number_of_integer_variables
    keys = [f"x{i:02}" for i in range(d)]
    space: dict[str, Any] = {}
    for i, (low, high) in enumerate(zip(evaluate.lower_bounds, evaluate.upper_bounds, strict=True)):
        kind, number = ("int_uniform", int) if i < n_integers else ("uniform", float)
        space[keys[i]] = {"_type": kind, "_value": [number(low), number(high)]}

    def loss(config: Mapping[str, Any], budget: float) -> float:
        return float(evaluate([config[key] for key in keys]))

    best = _optimum(f, d)
    if n_integers:
        best *= 10.0 ** MIXINT_POWERS[f - 1]
    return Bench(Problem(name, space, loss, best))


@lru_cache
def _suite(name: str) -> Any:
    import cocoex

    return cocoex.Suite(name, "", "")


def _optimum(f: int, d: int) -> float:
    import cocoex

    return float(cocoex.BareProblem("bbob", f, d, 1).best_value())
