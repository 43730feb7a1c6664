"""One line: find the best of two models with two worker processes, cheap looks first."""

from __future__ import annotations

import math

from bandmaster import HyperBandIterGenerator, fmin

SPACE = {
    "rate": {"_type": "loguniform", "_value": [1e-4, 1.0]},
    "model(choice)": {
        "linear": {},
        "deep": {"layers": {"_type": "int_uniform", "_value": [1, 8]}},
    },
}


def evaluate(config: dict, budget: float) -> float:
    """Stand for a training run of `budget` epochs: the loss falls with each, to a floor."""
    floor = 0.1 * abs(math.log10(config["rate"]) + 2)
    if config["model:__choice__"] == "deep":
        floor += 0.02 * abs(config["model:deep:layers"] - 3)
    else:
        floor += 0.1
    return floor + 1.0 / (1.0 + budget)


if __name__ == "__main__":
    result = fmin(
        evaluate,
        SPACE,
        n_iterations=12,
        n_jobs=2,
        multi_fidelity_iter_generator=HyperBandIterGenerator(min_budget=1, max_budget=27, eta=3),
    )
    print(result)
    print(result.best_config)
