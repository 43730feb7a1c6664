"""Drawn problems of choosing an algorithm and its parameters, with known optima."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from bandmaster.testing.configs import without_paths
from bandmaster.testing.problems import Problem

__all__ = ["algorithms"]

_KINDS = ("uniform", "log", "integer", "choice")
_SPACES: Mapping[str, dict[str, Any]] = {
    "uniform": {"_type": "uniform", "_value": [0.0, 1.0]},
    "log": {"_type": "loguniform", "_value": [1e-5, 1.0]},
    "integer": {"_type": "int_uniform", "_value": [1, 20]},
    "choice": {"_type": "choice", "_value": ["a", "b", "c", "d"]},
}
_PLACES: Mapping[str, Callable[[Any], float]] = {
    "uniform": float,
    "log": lambda value: math.log10(value) / 5 + 1,
    "integer": lambda value: (value - 1) / 19,
    "choice": "abcd".index,
}


def algorithms(seed: int) -> Problem:
    """Three to ten algorithms with one to five parameters of their own, by `seed`.

    The loss of an algorithm is a smooth hole in a plateau; how low, how wide and where, and how
    high the plateau is, has nothing to do with the other algorithms. So a few evaluations in the
    best one mostly look worse than the best of another.
    """
    rng = np.random.default_rng([20, seed])
    space, holes = {}, {}
    for name in (f"a{i}" for i in range(rng.integers(3, 11))):
        kinds = rng.choice(_KINDS, size=rng.integers(1, 6), p=[0.35, 0.35, 0.15, 0.15])
        parameters = {f"{name}_{j}": kind for j, kind in enumerate(kinds.tolist())}
        space[name] = {parameter: _SPACES[kind] for parameter, kind in parameters.items()}
        holes[name] = _hole(parameters, rng)
    lowest = min(low for _, low in holes.values())

    def function(config: Mapping[str, Any], budget: float) -> float:
        chosen = next(value for key, value in config.items() if str(key).startswith("algorithm"))
        return holes[chosen][0](without_paths(config))

    return Problem(f"algorithms{seed}", {"algorithm(choice)": space}, function, lowest)


def _hole(
    parameters: Mapping[str, str], rng: np.random.Generator
) -> tuple[Callable[[Mapping[str, Any]], float], float]:
    """Return a function of some parameters, and its lowest value."""
    low, depth = rng.uniform(0.02, 0.3), rng.uniform(0.1, 0.6)
    centres = rng.uniform(0.05, 0.95, len(parameters))
    widths = rng.uniform(0.15, 0.7, len(parameters))
    steps = rng.permuted(np.tile([0.0, 0.25, 0.5, 0.75], (len(parameters), 1)), axis=1)

    def function(config: Mapping[str, Any]) -> float:
        away = 0.0
        for j, (name, kind) in enumerate(parameters.items()):
            place = _PLACES[kind](config[name])
            off = steps[j, int(place)] if kind == "choice" else (place - centres[j]) / widths[j]
            away += float(off) ** 2
        return float(low - depth * math.expm1(-away))

    nearest = np.round(19 * centres) / 19  # integers cannot come closer
    off = np.where([kind == "integer" for kind in parameters.values()], nearest - centres, 0.0)
    return function, float(low - depth * math.expm1(-((off / widths) ** 2).sum()))
