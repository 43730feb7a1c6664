"""Objectives with known optima, to test and compare optimizers on. Plain numpy, microseconds each.

Every problem is a `Problem`: call it with a configuration (and a budget, where it has several) and
subtract `optimum` for the simple regret.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bandmaster.testing.configs import array_of, without_paths

if TYPE_CHECKING:
    from bandmaster.space import Space

__all__ = [
    "PROBLEMS",
    "Problem",
    "ackley_mixed",
    "branin",
    "conditional_classifier",
    "counting_ones",
    "embedded_branin",
    "hartmann6",
    "levy",
    "log_valley",
    "nested_pipeline",
    "noisy_hartmann6",
    "pair_choices",
    "rosenbrock",
]


@dataclass(frozen=True, slots=True)
class Problem:
    """An objective to minimise.

    Parameters
    ----------
    name : str
    space : Mapping or Space
        The search space, as HDL or compiled.
    function : callable
        ``function(config, budget) -> loss``.
    optimum : float
        The lowest loss there is (at the largest budget, without noise).
    budgets : tuple of float, default (1.0,)
        The budgets that make a difference, ascending.
    noiseless : callable, optional
        ``noiseless(config) -> loss``: what counts where `function` adds noise; default: `function`
        at the largest budget.
    """

    name: str
    space: Mapping[str, Any] | Space
    function: Callable[[Mapping[str, Any], float], float]
    optimum: float
    budgets: tuple[float, ...] = (1.0,)
    noiseless: Callable[[Mapping[str, Any]], float] | None = None

    def __call__(self, config: Mapping[str, Any], budget: float | None = None) -> float:
        """Return the loss of `config` at `budget` (default: the largest)."""
        return self.function(config, self.budgets[-1] if budget is None else budget)

    def true_loss(self, config: Mapping[str, Any]) -> float:
        """Return the loss of `config` at the largest budget, without noise."""
        return self(config) if self.noiseless is None else self.noiseless(config)

    def regret(self, config: Mapping[str, Any]) -> float:
        """Return how far the true loss of `config` is above the optimum."""
        return self.true_loss(config) - self.optimum


def _floats(low: float, high: float) -> dict[str, Any]:
    return {"_type": "uniform", "_value": [low, high]}


def branin() -> Problem:
    """Two floats, three global minima (Dixon and Szegö 1978)."""

    def function(config: Mapping[str, Any], budget: float) -> float:
        x, y = config["x"], config["y"]
        bowl = y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6
        return float(bowl**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10)

    return Problem("branin", {"x": _floats(-5, 10), "y": _floats(0, 15)}, function, 0.397887357729)


_HARTMANN_WEIGHTS = np.array([1.0, 1.2, 3.0, 3.2])
_HARTMANN_SCALES = np.array(
    [
        [10, 3, 17, 3.5, 1.7, 8],
        [0.05, 10, 17, 0.1, 8, 14],
        [3, 3.5, 1.7, 10, 17, 8],
        [17, 8, 0.05, 10, 0.1, 14],
    ]
)
_HARTMANN_CENTRES = 1e-4 * np.array(
    [
        [1312, 1696, 5569, 124, 8283, 5886],
        [2329, 4135, 8307, 3736, 1004, 9991],
        [2348, 1451, 3522, 2883, 3047, 6650],
        [4047, 8828, 8732, 5743, 1091, 381],
    ]
)


def hartmann6() -> Problem:
    """Six floats in [0, 1], six local minima (Dixon and Szegö 1978)."""
    names = [f"x{i}" for i in range(6)]

    def function(config: Mapping[str, Any], budget: float) -> float:
        gaps = array_of(config, names) - _HARTMANN_CENTRES
        return float(-_HARTMANN_WEIGHTS @ np.exp(-(_HARTMANN_SCALES * gaps**2).sum(1)))

    return Problem("hartmann6", dict.fromkeys(names, _floats(0, 1)), function, -3.322368011415)


def rosenbrock(dim: int = 4) -> Problem:
    """`dim` floats in [-5, 10], a curved narrow valley (Rosenbrock 1960)."""
    names = [f"x{i}" for i in range(dim)]

    def function(config: Mapping[str, Any], budget: float) -> float:
        x = array_of(config, names)
        return float((100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum())

    return Problem(f"rosenbrock{dim}", dict.fromkeys(names, _floats(-5, 10)), function, 0.0)


def ackley_mixed() -> Problem:
    """Ackley's function (1987) of 5 floats, 3 integers and 2 categoricals; optimum inside.

    The floats and integers have their optimum away from the centre; each wrong choice counts as
    a step of the same size as an integer's.
    """
    floats, integers = [f"x{i}" for i in range(5)], [f"i{i}" for i in range(3)]
    space: dict[str, Any] = {name: _floats(-10, 10) for name in floats}
    space |= {name: {"_type": "int_uniform", "_value": [-5, 5]} for name in integers}
    space["c0"] = {"_type": "choice", "_value": ["red", "green", "blue", "black"]}
    space["c1"] = {"_type": "choice", "_value": [True, False]}
    shift = np.array([1.3, -2.1, 3.4, -4.2, 0.7, 1.0, -2.0, 3.0])
    distance = {"red": 2.0, "green": 0.0, "blue": 3.0, "black": 1.0}

    def function(config: Mapping[str, Any], budget: float) -> float:
        x = array_of(config, floats + integers) - shift
        x = np.append(x, [distance[config["c0"]], 0.0 if config["c1"] else 2.0])
        return float(
            20 * (1 - math.exp(-0.2 * math.sqrt((x**2).mean())))
            + math.e
            - math.exp(np.cos(2 * math.pi * x).mean())
        )

    return Problem("ackley10mixed", space, function, 0.0)


def counting_ones(n_bits: int = 8, n_floats: int = 8) -> Problem:
    """Count ones: bits, and floats that are the mean of so many coin flips (Falkner et al. 2018).

    The optimum, all ones, lies on the corner. The coins are fixed by the configuration, so an
    evaluation repeats. Budgets 9 to 729 (eta 3) are the numbers of flips.
    """
    bits, floats = [f"b{i}" for i in range(n_bits)], [f"f{i}" for i in range(n_floats)]
    space: dict[str, Any] = {name: {"_type": "choice", "_value": [0, 1]} for name in bits}
    space |= {name: _floats(0, 1) for name in floats}

    def function(config: Mapping[str, Any], budget: float) -> float:
        p = array_of(config, floats)
        rng = np.random.default_rng([zlib.crc32(p.tobytes()), int(budget)])
        heads = rng.binomial(int(budget), np.clip(p, 0, 1)) / budget
        return -float(sum(config[name] for name in bits) + heads.sum())

    def noiseless(config: Mapping[str, Any]) -> float:
        return -float(sum(config[name] for name in bits + floats))

    optimum = -float(n_bits + n_floats)
    return Problem("counting_ones", space, function, optimum, (9, 27, 81, 243, 729), noiseless)


def conditional_classifier() -> Problem:
    """The shape of a choice among four classifiers, each with hyper-parameters of its own.

    Error rates as smooth bowls over log scales; the best family is neither the one that is best
    on average nor the one with the fewest parameters.
    """
    log = {"_type": "loguniform", "_value": [1e-4, 1e4]}
    space = {
        "classifier(choice)": {
            "svm": {
                "C": log,
                "kernel(choice)": {
                    "rbf": {"gamma": {"_type": "loguniform", "_value": [1e-6, 1e2]}},
                    "poly": {"degree": {"_type": "int_uniform", "_value": [2, 6]}},
                },
            },
            "forest": {
                "n_estimators": {"_type": "int_loguniform", "_value": [2, 500]},
                "max_features": _floats(0.05, 1.0),
                "criterion": {"_type": "choice", "_value": ["gini", "entropy"]},
            },
            "knn": {
                "n_neighbors": {"_type": "int_loguniform", "_value": [1, 100]},
                "weights": {"_type": "choice", "_value": ["uniform", "distance"]},
            },
            "mlp": {
                "learning_rate": {"_type": "loguniform", "_value": [1e-5, 1.0]},
                "alpha": {"_type": "loguniform", "_value": [1e-7, 1.0]},
                "hidden": {"_type": "int_loguniform", "_value": [4, 512]},
                "activation": {"_type": "choice", "_value": ["relu", "tanh", "logistic"]},
            },
        }
    }
    return Problem("conditional_classifier", space, _classifier_error, 0.02)


def _classifier_error(config: Mapping[str, Any], budget: float) -> float:
    plain = without_paths(config)

    def bowl(name: str, best: float, width: float) -> float:
        return (math.log10(plain[name] / best) / width) ** 2

    family = next(value for name, value in config.items() if name.startswith("classifier"))
    if family == "svm":
        excess = bowl("C", 30.0, 2.0)
        if "gamma" in plain:
            excess += bowl("gamma", 2e-3, 0.7)
            best = 0.02
        else:
            excess += 0.4 * abs(plain["degree"] - 3)
            best = 0.045
    elif family == "forest":
        best = 0.05
        excess = 0.6 / math.sqrt(plain["n_estimators"]) + (plain["max_features"] - 0.2) ** 2
        excess += 0.02 * (plain["criterion"] == "gini")
    elif family == "knn":
        best = 0.06
        excess = 0.5 * bowl("n_neighbors", 4.0, 1.0) + 0.03 * (plain["weights"] == "uniform")
    else:
        best = 0.03
        excess = bowl("learning_rate", 3e-3, 0.8) + 0.2 * bowl("alpha", 1e-3, 2.0)
        excess += 0.5 * bowl("hidden", 200.0, 0.8)
        excess += {"relu": 0.0, "tanh": 0.05, "logistic": 0.2}[plain["activation"]]
    return best + (0.9 - best) * (1 - math.exp(-excess))


def noisy_hartmann6(sigma: float = 0.1) -> Problem:
    """Hartmann-6 with normal noise of deviation `sigma`, fixed by the configuration."""
    plain = hartmann6()

    def function(config: Mapping[str, Any], budget: float) -> float:
        x = array_of(config, [f"x{i}" for i in range(6)])
        return plain(config) + sigma * _rng_of(x).standard_normal()

    return Problem("noisy_hartmann6", plain.space, function, plain.optimum, noiseless=plain)


def levy(dim: int = 8) -> Problem:
    """`dim` floats in [-10, 10] with many local minima (Levy and Montalvo 1985)."""
    names = [f"x{i}" for i in range(dim)]

    def function(config: Mapping[str, Any], budget: float) -> float:
        w = 1 + (array_of(config, names) - 1) / 4
        waves = ((w[:-1] - 1) ** 2 * (1 + 10 * np.sin(np.pi * w[:-1] + 1) ** 2)).sum()
        last = (w[-1] - 1) ** 2 * (1 + np.sin(2 * np.pi * w[-1]) ** 2)
        return float(np.sin(np.pi * w[0]) ** 2 + waves + last)

    return Problem(f"levy{dim}", dict.fromkeys(names, _floats(-10, 10)), function, 0.0)


def embedded_branin(dim: int = 60) -> Problem:
    """Branin's function of two of `dim` floats in [0, 1]; the others do nothing.

    Wang, Hutter, Zoghi, Matheson and de Freitas (JAIR 55, 2016).
    """
    plain = branin()
    names = [f"x{i:02}" for i in range(dim)]
    first, second = names[dim // 3], names[2 * dim // 3]

    def function(config: Mapping[str, Any], budget: float) -> float:
        return plain({"x": 15 * config[first] - 5, "y": 15 * config[second]})

    space = dict.fromkeys(names, _floats(0, 1))
    return Problem(f"embedded_branin{dim}", space, function, plain.optimum)


def log_valley() -> Problem:
    """Four numbers over many decades whose products matter, as a learning rate and a batch size do.

    The optimum lies on a bound of two of them, one an integer, and inside for the others.
    """
    rate = {"_type": "loguniform", "_value": [1e-9, 1e1]}
    decay = {"_type": "loguniform", "_value": [1e-12, 1.0]}
    batch = {"_type": "int_loguniform", "_value": [1, 4096]}
    width = {"_type": "loguniform", "_value": [1.0, 1e6]}
    space = {"rate": rate, "decay": decay, "batch": batch, "width": width}

    def function(config: Mapping[str, Any], budget: float) -> float:
        rate, decay, batch, width = np.log10(array_of(config, list(space)))
        along = rate - 0.5 * batch + 3.5
        across = rate + decay + 8.0
        return float(np.log1p(along**2 + 0.3 * across**2 + 0.2 * (6.0 - width) + 0.1 * batch))

    # At batch 1 (logarithm 0) and the greatest width both valleys meet at rate 10^-3.5.
    return Problem("log_valley", space, function, 0.0)


def pair_choices(n: int = 10, k: int = 5) -> Problem:
    """`n` categoricals of `k` choices: each choice has a worth, and so has each pair of neighbours.

    The worths are drawn once and for all; the optimum is found by dynamic programming.
    """
    names = [f"c{i}" for i in range(n)]
    rng = np.random.default_rng(7)
    alone, pairs = rng.random((n, k)), 0.7 * rng.random((n - 1, k, k))

    def function(config: Mapping[str, Any], budget: float) -> float:
        c = [int(config[name][1:]) for name in names]
        return float(
            sum(alone[i, c[i]] for i in range(n))
            + sum(pairs[i, c[i], c[i + 1]] for i in range(n - 1))
        )

    best = alone[0]
    for i in range(1, n):
        best = (best[:, None] + pairs[i - 1]).min(0) + alone[i]
    choices = {"_type": "choice", "_value": [f"v{j}" for j in range(k)]}
    return Problem("pair_choices", dict.fromkeys(names, choices), function, float(best.min()))


def nested_pipeline() -> Problem:
    """Two steps with a choice each, and a choice below a choice: three conditions deep.

    Parameters of the steps interact: the scaling that suits depends on the model.
    """
    unit, log = _floats(0, 1), {"_type": "loguniform", "_value": [1e-4, 1e2]}
    space = {
        "scale(choice)": {"none": {}, "power": {"lambda": unit}, "bins": {"n": {
            "_type": "int_uniform", "_value": [2, 20]}}},
        "model(choice)": {
            "linear": {"penalty(choice)": {"ridge": {"alpha": log}, "net": {
                "alpha": log, "ratio(choice)": {"fixed": {}, "free": {"share": unit}}}}},
            "tree": {"depth": {"_type": "int_uniform", "_value": [1, 12]}, "share": unit},
        },
    }  # fmt: skip

    def function(config: Mapping[str, Any], budget: float) -> float:
        plain = without_paths(config)
        chosen = {value for value in config.values() if isinstance(value, str)}
        linear = "linear" in chosen
        loss = 0.1 if linear else 0.25
        if "power" in chosen:
            loss += (0.0 if linear else 0.2) + (plain["lambda"] - 0.3) ** 2
        elif "bins" in chosen:
            loss += (0.3 if linear else 0.0) + 0.02 * abs(plain["n"] - 9)
        else:
            loss += 0.15
        if linear:
            loss += 0.05 * math.log10(plain["alpha"] / 0.03) ** 2
            if "ridge" in chosen:
                loss += 0.05
            elif "free" in chosen:
                loss += (plain["share"] - 0.8) ** 2 - 0.1
        else:
            loss += 0.03 * abs(plain["depth"] - 7) + 0.3 * (plain["share"] - 0.5) ** 2
        return loss

    return Problem("nested_pipeline", space, function, 0.0)


def _rng_of(x: np.ndarray) -> np.random.Generator:
    return np.random.default_rng(zlib.crc32(x.tobytes()))


PROBLEMS: Mapping[str, Callable[[], Problem]] = {
    "branin": branin,
    "hartmann6": hartmann6,
    "rosenbrock4": rosenbrock,
    "ackley10mixed": ackley_mixed,
    "counting_ones": counting_ones,
    "conditional_classifier": conditional_classifier,
    "noisy_hartmann6": noisy_hartmann6,
    "levy8": levy,
    "embedded_branin60": embedded_branin,
    "log_valley": log_valley,
    "pair_choices": pair_choices,
    "nested_pipeline": nested_pipeline,
}
