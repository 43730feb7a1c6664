"""Problems of several objectives whose best fronts are known. Plain numpy, microseconds each."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from bandmaster.core.objectives import Metric, Objectives
from bandmaster.optimizers.pareto import hypervolume
from bandmaster.testing.configs import array_of
from bandmaster.testing.metric_problems import MetricProblem

__all__ = ["MULTI_PROBLEMS", "NETWORK", "network"]

Config = Mapping[str, Any]

_UNIT = {"_type": "uniform", "_value": [0.0, 1.0]}


def _names(n: int) -> list[str]:
    return [f"x{i}" for i in range(n)]


def _minimised(*names: str) -> Objectives:
    return Objectives([Metric(name) for name in names])


def _covered(first: np.ndarray, second: np.ndarray, corner: tuple[float, float]) -> float:
    """Return the area between a curve, its first coordinate ascending, and the corner."""
    height = np.maximum(corner[1] - np.minimum.accumulate(second), 0.0)
    below = float((np.diff(first) * (height[1:] + height[:-1]) / 2).sum())
    return below + (corner[0] - float(first[-1])) * float(height[-1])


def _zdt(name: str, dim: int, corner: tuple[float, float]) -> MetricProblem:
    """Floats in [0, 1]: the first says where on the front, the others' mean how far off it.

    Zitzler, Deb and Thiele (2000): the front of ZDT1 is convex, of ZDT2 not, of ZDT3 in pieces.
    """
    names = _names(dim)
    shapes: dict[str, Callable[[Any, Any], Any]] = {
        "zdt1": lambda f, g: g * (1 - np.sqrt(f / g)),
        "zdt2": lambda f, g: g * (1 - (f / g) ** 2),
        "zdt3": lambda f, g: g * (1 - np.sqrt(f / g) - f / g * np.sin(10 * np.pi * f)),
    }
    shape = shapes[name]

    def function(config: Config) -> dict[str, float]:
        x = array_of(config, names)
        return {"first": x[0], "second": shape(x[0], 1 + 9 * x[1:].mean())}

    first = np.linspace(0, 1, 200_001)
    best = _covered(first, shape(first, 1.0), corner)
    space, goals = dict.fromkeys(names, _UNIT), _minimised("first", "second")
    return MetricProblem(name, space, function, goals, -best, corner)


def dtlz2(dim: int = 6) -> MetricProblem:
    """Three objectives, the front an eighth of a sphere (Deb et al. 2002)."""
    names = _names(dim)

    def function(config: Config) -> dict[str, float]:
        x = array_of(config, names)
        radius = 1 + ((x[2:] - 0.5) ** 2).sum()
        a, b = x[:2] * np.pi / 2
        return {
            "a": radius * np.cos(a) * np.cos(b),
            "b": radius * np.cos(a) * np.sin(b),
            "c": radius * np.sin(a),
        }

    corner = (1.5, 1.5, 1.5)
    space, goals = dict.fromkeys(names, _UNIT), _minimised("a", "b", "c")
    return MetricProblem("dtlz2", space, function, goals, -(1.5**3 - np.pi / 6), corner)


def branin_currin() -> MetricProblem:
    """Two floats, two objectives of different ranges (Belakaria et al. 2019, and BoTorch)."""

    def function(config: Config) -> dict[str, float]:
        u, v = config["x0"], config["x1"]
        x, y = 15 * u - 5, 15 * v
        bowl = y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6
        factor = 1 - math.exp(-1 / (2 * v)) if v > 0 else 1.0
        above = 2300 * u**3 + 1900 * u**2 + 2092 * u + 60
        return {
            "branin": bowl**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10,
            "currin": factor * above / (100 * u**3 + 500 * u**2 + 4 * u + 20),
        }

    space, goals = dict.fromkeys(_names(2), _UNIT), _minimised("branin", "currin")
    return MetricProblem("branin_currin", space, function, goals, -59.36011874867746, (18.0, 6.0))


def vehicle() -> MetricProblem:
    """Five plates of a car's front: mass, acceleration and intrusion in a crash.

    Polynomials fitted to simulations (Liao et al. 2008; Tanabe and Ishibuchi 2020, RE3-5-4).
    """
    names = _names(5)
    linear = np.array([2.3573285, 2.3220035, 4.5688768, 7.7213633, 4.4559504])

    def function(config: Config) -> dict[str, float]:
        x = array_of(config, names)
        a, b, c, d, e = x
        return {
            "mass": 1640.2823 + linear @ x,
            "acceleration": 6.5856 + 1.15 * a - 1.0427 * b + 0.9738 * c + 0.8364 * d
            - 0.3695 * a * d + 0.0861 * a * e + 0.3628 * b * d - 0.1106 * a**2
            - 0.3437 * c**2 + 0.1764 * d**2,
            "intrusion": -0.0551 + 0.0181 * a + 0.1024 * b + 0.0421 * c - 0.0073 * a * b
            + 0.024 * b * c - 0.0118 * b * d - 0.0204 * c * d - 0.008 * c * e
            - 0.0241 * b**2 + 0.0109 * d**2,
        }  # fmt: skip

    plate = {"_type": "uniform", "_value": [1.0, 3.0]}
    space = dict.fromkeys(names, plate)
    goals = _minimised("mass", "acceleration", "intrusion")
    # The corner and the front's volume are BoTorch's.
    corner = (1864.72022, 11.81993945, 0.2903999384)
    return MetricProblem("vehicle", space, function, goals, -246.81607081187002, corner)


def decades() -> MetricProblem:
    """Two distances in four dimensions, one small, one an exponent over five decades.

    What is covered is that of the second's logarithm: each decade counts the same.
    """
    names = _names(4)
    here, there = np.array([0.2, 0.3, 0.6, 0.4]), np.array([0.7, 0.8, 0.4, 0.9])
    apart = float(np.linalg.norm(here - there))

    def function(config: Config) -> dict[str, float]:
        x = array_of(config, names)
        return {
            "small": 1e-3 * float(np.linalg.norm(x - here)),
            "large": 1e4 * 10.0 ** (4 * float(np.linalg.norm(x - there))),
        }

    corner = (1e-3, math.log(1e4) + 4 * math.log(10))
    first = np.linspace(0, apart, 20_001)
    second = math.log(1e4) + 4 * math.log(10) * (apart - first)
    best = _covered(1e-3 * first, second, corner)
    space, goals = dict.fromkeys(names, _UNIT), _minimised("small", "large")
    return MetricProblem("decades", space, function, goals, -best, corner, (False, True))


def cut_front() -> MetricProblem:
    """Two floats, two objectives, two constraints that cut off part of the front (Deb 2001)."""

    def function(config: Config) -> dict[str, float]:
        x, y = config["x0"], config["x1"]
        return {"first": x, "second": (1 + y) / x, "sum": 9 * x + y, "gap": 9 * x - y}

    goals = Objectives([
        Metric("first"), Metric("second"),
        *(Metric(name, "constraint", "maximize", threshold)
          for name, threshold in (("sum", 6.0), ("gap", 1.0))),
    ])  # fmt: skip
    first = np.linspace(7 / 18, 1, 200_001)
    second = (1 + np.maximum(6 - 9 * first, 0.0)) / first
    corner = (1.1, 10.0)
    space = {
        "x0": {"_type": "uniform", "_value": [0.1, 1.0]},
        "x1": {"_type": "uniform", "_value": [0.0, 5.0]},
    }
    best = _covered(first, second, corner)
    return MetricProblem("cut_front", space, function, goals, -best, corner)


NETWORK: Mapping[str, Any] = {
    "layers": {"_type": "int_uniform", "_value": [1, 8]},
    "width": {"_type": "int_loguniform", "_value": [8, 512]},
    "rate": {"_type": "loguniform", "_value": [1e-5, 1.0]},
    "dropout": {"_type": "uniform", "_value": [0.0, 0.8]},
    "activation": {"_type": "choice", "_value": ["relu", "tanh", "swish"]},
    "cell": {"_type": "choice", "_value": ["plain", "residual", "separable", "attention"]},
}
"""The space of `network`."""

_CELLS = {  # what its weights are worth, what they cost, how many layers suit
    "plain": (1.0, 1.0, 2), "residual": (1.3, 1.1, 6), "separable": (0.7, 0.3, 5),
    "attention": (1.6, 2.5, 4),
}  # fmt: skip


def network(config: Config) -> dict[str, float]:
    """Return the error and the size, in millions, of a made-up network: larger ones err less."""
    worth, price, deep = _CELLS[config["cell"]]
    layers, width = config["layers"], config["width"]
    size = price * layers * width**2 / 1e6 * (1.2 if config["activation"] == "swish" else 1.0)
    error = 0.03 + 0.3 / (1 + 40 * worth * layers * width**2 / 1e6) ** 0.4
    error += 0.004 * (layers - deep) ** 2 / deep
    error += {"relu": 0.01, "tanh": 0.03, "swish": 0.0}[config["activation"]]
    best_rate = -2.0 - 0.1 * layers
    error += 0.02 * (math.log10(config["rate"]) - best_rate) ** 2
    error += 0.3 * (config["dropout"] - 0.1 - 0.05 * math.log10(width)) ** 2
    return {"error": error, "size": size}


def network_front() -> np.ndarray:
    """Return error and size of all that could be on the front, float64 (n, 2)."""
    rows = []
    for layers, width, activation, cell in itertools.product(
        range(1, 9), range(8, 513), ["relu", "tanh", "swish"], _CELLS
    ):
        best = {"rate": 10 ** (-2.0 - 0.1 * layers), "dropout": 0.1 + 0.05 * math.log10(width)}
        found = network(
            {**best, "layers": layers, "width": width, "activation": activation, "cell": cell}
        )
        rows.append((found["error"], found["size"]))
    return np.array(rows)


def mixed() -> MetricProblem:
    """`network`'s error against its size over five decades, two integers and two choices."""
    corner = (0.4, math.log(2.0))
    front = network_front()
    front[:, 1] = np.log(front[:, 1])
    best = hypervolume(front, corner)
    goals = _minimised("error", "size")
    return MetricProblem("mixed", NETWORK, network, goals, -best, corner, (False, True))


MULTI_PROBLEMS: Mapping[str, Callable[[], MetricProblem]] = {
    "zdt1": lambda: _zdt("zdt1", 6, (1.1, 4.0)),
    "zdt2": lambda: _zdt("zdt2", 8, (1.1, 6.0)),
    "zdt3": lambda: _zdt("zdt3", 5, (1.1, 4.0)),
    "dtlz2": dtlz2,
    "branin_currin": branin_currin,
    "vehicle": vehicle,
    "cut_front": cut_front,
    "decades": decades,
    "mixed": mixed,
}
