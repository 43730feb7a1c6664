"""Problems with constraints, and some that fail, whose best values are known. Plain numpy."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from bandmaster.core.objectives import Metric, Objectives
from bandmaster.testing.configs import array_of
from bandmaster.testing.metric_problems import MetricProblem
from bandmaster.testing.multi_problems import NETWORK, network, network_front
from bandmaster.testing.problems import ackley_mixed, branin, hartmann6

__all__ = ["CONSTRAINED_PROBLEMS"]

Config = Mapping[str, Any]

_LARGEST_NETWORK = 0.05  # millions of weights


def _goals(*constraints: str) -> Objectives:
    """Return a loss and constraints that hold up to 0."""
    return Objectives([
        Metric("loss"),
        *(Metric(name, strategy="constraint", threshold=0.0) for name in constraints),
    ])  # fmt: skip


def _floats(*bounds: tuple[float, float]) -> dict[str, Any]:
    return {f"x{i}": {"_type": "uniform", "_value": list(pair)} for i, pair in enumerate(bounds)}


def gardner() -> MetricProblem:
    """Two waves; a third is feasible, the optimum on the edge of it (Gardner et al. 2014)."""

    def function(config: Config) -> dict[str, float]:
        x, y = config["x0"], config["x1"]
        return {
            "loss": math.cos(2 * x) * math.cos(y) + math.sin(x),
            "c": math.cos(x) * math.cos(y) - math.sin(x) * math.sin(y) + 0.5,
        }

    space = _floats((0, 6), (0, 6))
    return MetricProblem("gardner", space, function, _goals("c"), -1.88875136145066)


def islands() -> MetricProblem:
    """Two islands of two percent of the square are feasible (Gardner et al. 2014, the second)."""

    def function(config: Config) -> dict[str, float]:
        x, y = config["x0"], config["x1"]
        return {"loss": math.sin(x) + y, "c": math.sin(x) * math.sin(y) + 0.95}

    space = _floats((0, 6), (0, 6))
    return MetricProblem("islands", space, function, _goals("c"), 0.25323589637719)


def branin_disk() -> MetricProblem:
    """Branin's function in a disk around one of its three minima (Gelbart et al. 2014)."""
    plain = branin()

    def function(config: Config) -> dict[str, float]:
        away = (config["x"] - 2.5) ** 2 + (config["y"] - 7.5) ** 2
        return {"loss": plain(config), "c": away - 50.0}

    return MetricProblem("branin_disk", plain.space, function, _goals("c"), plain.optimum)


def two_curves() -> MetricProblem:
    """A plane between a wave and a circle; the optimum where it meets the wave (Gramacy 2016)."""

    def function(config: Config) -> dict[str, float]:
        x, y = config["x0"], config["x1"]
        wave = 1.5 - x - 2 * y - 0.5 * math.sin(2 * math.pi * (x**2 - 2 * y))
        return {"loss": x + y, "wave": wave, "circle": x**2 + y**2 - 1.5}

    space, goals = _floats((0, 1), (0, 1)), _goals("wave", "circle")
    return MetricProblem("two_curves", space, function, goals, 0.59978805200778)


def hartmann6_ball() -> MetricProblem:
    """Hartmann-6 in a ball around a corner, 8 % of the cube; the optimum is close to its edge."""
    plain = hartmann6()

    def function(config: Config) -> dict[str, float]:
        x = array_of(config, [f"x{i}" for i in range(6)])
        return {"loss": plain(config), "c": float((x**2).sum()) - 1.0}

    return MetricProblem("hartmann6_ball", plain.space, function, _goals("c"), plain.optimum)


def g04() -> MetricProblem:
    """Five floats, six constraints, two of them active at the optimum (Himmelblau 1972)."""
    names = [f"x{i}" for i in range(5)]

    def function(config: Config) -> dict[str, float]:
        a, b, c, d, e = array_of(config, names)
        u = 85.334407 + 0.0056858 * b * e + 0.0006262 * a * d - 0.0022053 * c * e
        v = 80.51249 + 0.0071317 * b * e + 0.0029955 * a * b + 0.0021813 * c**2
        w = 9.300961 + 0.0047026 * c * e + 0.0012547 * a * c + 0.0019085 * c * d
        loss = 5.3578547 * c**2 + 0.8356891 * a * e + 37.293239 * a - 40792.141
        return {"loss": loss, "u": u - 92, "ul": -u, "v": v - 110, "vl": 90 - v,
                "w": w - 25, "wl": 20 - w}  # fmt: skip

    space = _floats((78, 102), (33, 45), (27, 45), (27, 45), (27, 45))
    goals = _goals("u", "ul", "v", "vl", "w", "wl")
    return MetricProblem("g04", space, function, goals, -30665.538671783)


def vessel() -> MetricProblem:
    """The cost of a pressure vessel: two thicknesses in sixteenths of an inch, radius, length.

    Sandgren (1990); the optimum lies on three of its four constraints or bounds.
    """
    space = {
        "shell": {"_type": "int_uniform", "_value": [1, 99]},
        "head": {"_type": "int_uniform", "_value": [1, 99]},
        "radius": {"_type": "uniform", "_value": [10.0, 200.0]},
        "length": {"_type": "uniform", "_value": [10.0, 200.0]},
    }

    def function(config: Config) -> dict[str, float]:
        s, h, r, x = config["shell"] / 16, config["head"] / 16, config["radius"], config["length"]
        cost = 0.6224 * s * r * x + 1.7781 * h * r**2 + 3.1661 * s**2 * x + 19.84 * s**2 * r
        volume = math.pi * r**2 * x + 4 / 3 * math.pi * r**3
        return {"loss": cost, "s": 0.0193 * r - s, "h": 0.00954 * r - h,
                "volume": 1_296_000 - volume}  # fmt: skip

    return MetricProblem("vessel", space, function, _goals("s", "h", "volume"), 6059.714335048436)


def small_network() -> MetricProblem:
    """The least error of `multi_problems.network` among small ones: integers and choices."""
    front = network_front()
    goals = Objectives([
        Metric("error"), Metric("size", strategy="constraint", threshold=_LARGEST_NETWORK),
    ])  # fmt: skip
    best = float(front[front[:, 1] <= _LARGEST_NETWORK, 0].min())
    return MetricProblem("small_network", NETWORK, network, goals, best)


def failing_hartmann6() -> MetricProblem:
    """Hartmann-6, which raises in half of the cube; the optimum is near to where it does."""
    plain = hartmann6()

    def function(config: Config) -> dict[str, float]:
        if config["x0"] + config["x5"] > 0.95:
            raise FloatingPointError("diverged")
        return {"loss": plain(config)}

    return MetricProblem("failing_hartmann6", plain.space, function, _goals(), plain.optimum)


def failing_mixed() -> MetricProblem:
    """Ackley's function of ten mixed parameters; NaN for some choices with some integers."""
    plain = ackley_mixed()

    def function(config: Config) -> dict[str, float]:
        steep = config["c0"] == "black" or (config["i0"] < 0 and config["c1"])
        return {"loss": math.nan if steep or config["x2"] < -4 else plain(config)}

    return MetricProblem("failing_mixed", plain.space, function, _goals(), plain.optimum)


CONSTRAINED_PROBLEMS: Mapping[str, Callable[[], MetricProblem]] = {
    "gardner": gardner,
    "islands": islands,
    "branin_disk": branin_disk,
    "two_curves": two_curves,
    "hartmann6_ball": hartmann6_ball,
    "g04": g04,
    "vessel": vessel,
    "small_network": small_network,
    "failing_hartmann6": failing_hartmann6,
    "failing_mixed": failing_mixed,
}
