"""Every part by hand in one process: name server, two workers in threads, master, result, plots.

One worker is made from a function, the other is a class of its own that holds the training data.
The two pictures are written to the current folder. Needs the extra `sklearn`.
"""

import logging
import warnings

import matplotlib.pyplot as plt
import numpy as np
import sklearn.metrics
from sklearn.datasets import load_digits
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedKFold
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import LinearSVC

from bandmaster import FMinResult
from bandmaster.asynccomm.master import Master
from bandmaster.asynccomm.nameserver import NameServer
from bandmaster.asynccomm.net import get_a_free_port
from bandmaster.asynccomm.worker import Worker
from bandmaster.examples.automl import config_space, evaluator
from bandmaster.multifidelity import HyperBandIterGenerator
from bandmaster.optimizers import ETPEOptimizer
from bandmaster.progress import default_callback
from bandmaster.space import layering_config

logging.basicConfig(level=logging.INFO)
warnings.filterwarnings("ignore")  # liblinear says when it did not converge

# ---- the name server

ns_host = "0.0.0.0"
port = get_a_free_port(9090, ns_host)
NS = NameServer(run_id="learn_bandmaster", host=ns_host, port=port)
print(NS.start())

# ---- a worker from a function

worker1 = Worker(run_id="learn_bandmaster", nameserver=ns_host, nameserver_port=port, worker_id=0)
worker1.initialize(evaluator)
worker1.run(background=True, concurrent_type="thread")

# ---- a worker of one's own

default_cv = StratifiedKFold(n_splits=3, shuffle=True, random_state=0)
CLASSIFIERS = {c.__name__: c for c in (KNeighborsClassifier, LinearSVC, RandomForestClassifier)}


class AutoMLWorker(Worker):
    """Holds its training data; the budget is the share of them that is used."""

    def __init__(self, X, y, metric="accuracy", cv=default_cv, **kwargs):
        self.X = X
        self.y = y
        self.metric = metric
        self.cv = cv
        super().__init__(**kwargs)

    def compute(self, config_id, config, config_info, budget, working_directory):
        """Return one minus the mean score over the folds."""
        name, parameters = layering_config(config)["classifier"].copy().popitem()
        model = CLASSIFIERS[name](**parameters)
        score = getattr(sklearn.metrics, f"{self.metric}_score")
        scores = []
        for i, (train, valid) in enumerate(self.cv.split(self.X, self.y)):
            part = np.random.RandomState(i).choice(train, int(train.size * budget), replace=False)
            model.fit(self.X[part], self.y[part])
            scores.append(score(self.y[valid], model.predict(self.X[valid])))
        return {"loss": 1 - np.mean(scores)}


X, y = load_digits(return_X_y=True)
worker2 = AutoMLWorker(
    X, y, run_id="learn_bandmaster", nameserver=ns_host, nameserver_port=port, worker_id=1
)
worker2.run(background=True)

# ---- the master

optimizer = ETPEOptimizer()
iter_generator = HyperBandIterGenerator(min_budget=1 / 4, max_budget=1, eta=2)
optimizer.initialize(config_space=config_space, budgets=iter_generator.get_budgets())
master = Master(
    run_id="learn_bandmaster",
    optimizer=optimizer,
    iter_generator=iter_generator,
    progress_callback=default_callback,
    checkpoint_file=None,
    checkpoint_freq=1,
    nameserver=ns_host,
)
master.run(n_iterations=30)

# ---- the result

result = FMinResult(optimizer)
print(result)

result.plot_concurrent_over_time(num_points=200)
plt.savefig("concurrency.png")
plt.close()

plt.rcParams["figure.figsize"] = (16, 12)
plt.subplot(2, 2, 1)
result.plot_convergence_over_time()
plt.subplot(2, 2, 2)
ax = result.plot_convergence_over_iter(budget=1, name="budget = 1")
plt.subplot(2, 2, 3)
result.plot_finished_over_time()
plt.subplot(2, 2, 4)
result.plot_correlation_across_budgets()
plt.savefig("result.png")
plt.close()

# ---- the end: the master ends its workers, too

master.shutdown(shutdown_workers=True)
NS.shutdown()
