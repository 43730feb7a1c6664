"""An optimizer of your own: a hill climber in thirty lines.

Subclass `Optimizer` and say how to propose a configuration (`ask`) and what to learn from an
evaluation (`tell`). Then it works wherever a built-in one does: with any space, with Hyperband,
with many workers, and it survives restarts. `OptimizerSuite` of bandmaster.testing checks that it
keeps the rules; tests/conformance/test_own_optimizer.py runs it on this one.
"""

from __future__ import annotations

import numpy as np

from bandmaster import Optimizer, fmin
from bandmaster.optimizers import Suggestion, draw_unseen


class HillClimber(Optimizer):
    """Proposes a neighbour of the best configuration so far.

    Parameters
    ----------
    step : float, default 0.1
        The standard deviation of a move, as a share of a number's range.
    """

    def __init__(self, *, step: float = 0.1) -> None:
        self.step = step

    def setup(self) -> None:
        """Start anew; `self.space` and `self.budgets` are known here."""
        self.best = None

    def ask(self, budget, pending, key):
        """Propose; all randomness comes from `key`, and nothing may change here."""
        self.check_not_exhausted()
        rng = key.rng("hill-climber")
        if self.best is not None:
            # Rows of numbers: [0, 1] for numeric parameters, an index for choices.
            rows = self.best.vector + self.step * rng.standard_normal((50, self.space.dim))
            others = self.space.sample(50, rng)
            jump = np.isnan(rows) | ~self.space.is_numeric | (rng.random(rows.shape) < 0.05)
            keep = rng.random(rows.shape) < 0.5
            rows = np.where(jump, np.where(keep, self.best.vector, others), rows)
            rows = self.space.repair(rows)
            for row in rows[self.space.legal(rows)]:
                if not self.seen(row):
                    return Suggestion(self.space.decode_one(row), {"model_based_pick": True})
        row = draw_unseen(self, rng)
        return Suggestion(self.space.decode_one(row), {"model_based_pick": False})

    def tell(self, evaluation) -> None:
        """Remember the best at the largest budget; a failed evaluation has no loss."""
        if evaluation.ok and (
            self.best is None
            or (-evaluation.budget, evaluation.loss) < (-self.best.budget, self.best.loss)
        ):
            self.best = evaluation


def loss(config):
    """Return the distance to a point, and more for the wrong colour."""
    penalty = 0.0 if config["colour"] == "green" else 1.0
    return (config["x"] - 3.0) ** 2 + (np.log10(config["rate"]) + 2.0) ** 2 + penalty


SPACE = {
    "x": {"_type": "uniform", "_value": [-10, 10]},
    "rate": {"_type": "loguniform", "_value": [1e-5, 1.0]},
    "colour": {"_type": "choice", "_value": ["red", "green", "blue"]},
}

if __name__ == "__main__":
    result = fmin(loss, SPACE, optimizer=HillClimber(), n_iterations=50)
    print(result)
