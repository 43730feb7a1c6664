"""The problems to test optimizers on have the optimum they say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bandmaster.space import compile_space
from bandmaster.testing.algorithm_problems import algorithms
from bandmaster.testing.problems import PROBLEMS, noisy_hartmann6

CLASSIFIER, PENALTY = "classifier:__choice__", "model:linear:penalty"
BEST: dict[str, dict[str, Any]] = {
    "branin": {"x": np.pi, "y": 2.275},
    "hartmann6": dict(
        zip([f"x{i}" for i in range(6)],
            [0.20169, 0.150011, 0.476874, 0.275332, 0.311652, 0.6573], strict=True)
    ),
    "rosenbrock4": {f"x{i}": 1.0 for i in range(4)},
    "counting_ones": {**{f"b{i}": 1 for i in range(8)}, **{f"f{i}": 1.0 for i in range(8)}},
    "ackley10mixed": {"x0": 1.3, "x1": -2.1, "x2": 3.4, "x3": -4.2, "x4": 0.7,
                      "i0": 1, "i1": -2, "i2": 3, "c0": "green", "c1": True},
    "conditional_classifier": {
        CLASSIFIER: "svm", "classifier:svm:C": 30.0, "classifier:svm:kernel:__choice__": "rbf",
        "classifier:svm:kernel:rbf:gamma": 2e-3,
    },
    "levy8": {f"x{i}": 1.0 for i in range(8)},
    "embedded_branin60": {f"x{i:02}": 0.0 for i in range(60)}
    | {"x20": (np.pi + 5) / 15, "x40": 2.275 / 15},
    "log_valley": {"rate": 10**-3.5, "decay": 10**-4.5, "batch": 1, "width": 1e6},
    "nested_pipeline": {
        "scale:__choice__": "power", "scale:power:lambda": 0.3, "model:__choice__": "linear",
        f"{PENALTY}:__choice__": "net", f"{PENALTY}:net:alpha": 0.03,
        f"{PENALTY}:net:ratio:__choice__": "free", f"{PENALTY}:net:ratio:free:share": 0.8,
    },
}  # fmt: skip
BEST["noisy_hartmann6"] = BEST["hartmann6"]


@pytest.mark.parametrize("name", sorted(BEST))
def test_the_optimum_is_where_it_is(name: str) -> None:
    """A legal configuration has the loss that the problem calls its optimum."""
    problem = PROBLEMS[name]()
    compile_space(problem.space).validate(BEST[name])
    assert 0.0 == pytest.approx(problem.regret(BEST[name]), abs=2e-5)


@pytest.mark.parametrize("name", sorted(PROBLEMS))
def test_nothing_is_below_the_optimum(name: str) -> None:
    """No random configuration is better than the optimum, and not all are alike."""
    problem = PROBLEMS[name]()
    configs = compile_space(problem.space).sample_configs(300, np.random.default_rng(0))
    regrets = [problem.regret(config) for config in configs]
    assert min(regrets) >= 0.0
    assert np.ptp(regrets) > 0.1


def test_pairs_of_choices() -> None:
    """The optimum that dynamic programming found is reached by changing one choice at a time."""
    problem = PROBLEMS["pair_choices"]()
    space = compile_space(problem.space)
    best = np.inf
    for start in space.sample_configs(30, np.random.default_rng(0)):
        here, before = start, np.inf
        while problem(here) < before:
            before = problem(here)
            for name in space.names:
                here = min(({**here, name: f"v{j}"} for j in range(5)), key=problem.__call__)
        best = min(best, before)
    assert problem.optimum == pytest.approx(best)


def test_noise_is_the_configurations_own() -> None:
    """An evaluation repeats; what counts has no noise, whose deviation is as asked for."""
    problem = noisy_hartmann6(sigma=0.5)
    configs = compile_space(problem.space).sample_configs(400, np.random.default_rng(0))
    noise = [problem(c) - problem.true_loss(c) for c in configs]
    assert [problem(c) for c in configs] == [problem(c) for c in configs]
    assert 0.4 < np.std(noise) < 0.6


@pytest.mark.parametrize("seed", range(6))
def test_the_best_algorithm_reaches_the_optimum(seed: int) -> None:
    """Parameters can be found one at a time; no algorithm gets below, and one gets there."""
    problem = algorithms(seed)
    space = compile_space(problem.space)
    starts = {
        config["algorithm:__choice__"]: config
        for config in space.sample_configs(200, np.random.default_rng(0))
    }
    values, ended = space.sample_configs(4000, np.random.default_rng(1)), []
    for here in starts.values():
        found = here
        for name in list(here)[1:]:
            tried = {config[name] for config in values if name in config}
            found = min(({**found, name: value} for value in tried), key=problem.regret)
        ended.append(problem.regret(found))
    assert len(starts) >= 3
    assert -1e-12 < min(ended) < 1e-3
