"""Telling a search what you know: beliefs, points to begin with, an earlier search.

Three ways, from vague to exact. All of them help when they are right, and are forgotten when the
evaluations say otherwise.
"""

from __future__ import annotations

import math
from typing import Any

from bandmaster import fmin
from bandmaster.optimizers import AutoOptimizer, Prior

SPACE = {
    "lr": {"_type": "loguniform", "_value": [1e-6, 1.0]},
    "dropout": {"_type": "uniform", "_value": [0.0, 0.9]},
    "kernel": {"_type": "choice", "_value": ["linear", "poly", "rbf", "sigmoid"]},
}


def evaluate(config: dict[str, Any]) -> float:
    """Return a loss that is least at lr = 2e-3, dropout = 0.25 with the kernel rbf."""
    miss = abs(math.log10(config["lr"] / 2e-3)) + 4 * abs(config["dropout"] - 0.25)
    return float(miss + 0.5 * (config["kernel"] != "rbf"))


if __name__ == "__main__":
    # 1. Beliefs: where good values are. 10 is how many evaluations they are worth.
    beliefs = Prior(
        {
            "lr": ("lognormal", 1e-3, 3),  # around 1e-3, within a factor of 3
            "dropout": ("normal", 0.2, 0.1),
            "kernel": {"rbf": 0.7, "poly": 0.2},  # the others share the rest
        },
        confidence=10,
    )
    believing = fmin(
        evaluate, SPACE, optimizer=AutoOptimizer(prior=beliefs), n_trials=15,
        show_progressbar=False,
    )  # fmt: skip
    unknowing = fmin(evaluate, SPACE, n_trials=15, show_progressbar=False)
    print(f"with beliefs {believing.best_loss:.3f}, without {unknowing.best_loss:.3f}")

    # 2. Points to begin with: they are evaluated first.
    default = {"lr": 1e-3, "dropout": 0.5, "kernel": "rbf"}
    begun = fmin(evaluate, SPACE, initial_points=[default], n_trials=15, show_progressbar=False)
    print("first:", begun.evaluations[0].config)

    # 3. An earlier search: it is trusted as far as it ranks what this one sees.
    again = fmin(evaluate, SPACE, previous_result=unknowing, n_trials=10, show_progressbar=False)
    print(again)
