"""A worker class that loads its data once, run as two processes, with a master beside them.

Each part could run on a machine of its own: `bandmaster worker own_worker.py:DigitsWorker` starts
one more worker anywhere. Needs the extra `sklearn`.
"""

from __future__ import annotations

import logging

from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split

from bandmaster import (
    HyperBandIterGenerator,
    Master,
    NameServer,
    RandomOptimizer,
    Worker,
    default_callback,
)

SPACE = {
    "alpha": {"_type": "loguniform", "_value": [1e-6, 1e-1]},
    "loss": {"_type": "choice", "_value": ["hinge", "log_loss", "modified_huber"]},
    "average": {"_type": "choice", "_value": [True, False]},
}


class DigitsWorker(Worker):
    """Trains a linear model for as many epochs as the budget says."""

    def compute(self, config, budget):
        """Return the validation error, and the training error to look at."""
        if not hasattr(self, "data"):  # once a process, and not where the object was made
            X, y = load_digits(return_X_y=True)
            self.data = train_test_split(X / 16.0, y, test_size=0.3, random_state=0)
        X_train, X_valid, y_train, y_valid = self.data
        model = SGDClassifier(**config, max_iter=int(budget), tol=None, random_state=0)
        model.fit(X_train, y_train)
        return {
            "loss": 1 - model.score(X_valid, y_valid),
            "training_error": 1 - model.score(X_train, y_train),
        }


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    generator = HyperBandIterGenerator(min_budget=1, max_budget=9, eta=3)
    optimizer = RandomOptimizer()
    optimizer.initialize(SPACE, generator.get_budgets())
    with NameServer() as names:
        workers = [DigitsWorker(run_id=names.run_id, worker_id=i) for i in range(2)]
        for worker in workers:
            worker.run(background=True, concurrent_type="process")
        master = Master(
            run_id=names.run_id,
            optimizer=optimizer,
            iter_generator=generator,
            progress_callback=default_callback,
        )
        try:
            result = master.run(n_iterations=6)
        finally:
            master.shutdown(shutdown_workers=True)
    print(result)
