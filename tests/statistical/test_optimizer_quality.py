"""ETPE and the default are clearly better than random search: some seeds, wide margins."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from bandmaster.optimizers import get_optimizer
from bandmaster.testing.driver import Driver
from bandmaster.testing.problems import branin, counting_ones, hartmann6

SEEDS = range(20)

CLASSIFIERS = {
    "n_components": {"_type": "int_uniform", "_value": [2, 40]},
    "scale": {"_type": "choice", "_value": [True, False]},
    "classifier(choice)": {
        "svm": {
            "C": {"_type": "loguniform", "_value": [1e-3, 1e4]},
            "kernel(choice)": {
                "rbf": {"gamma": {"_type": "loguniform", "_value": [1e-7, 1e1]}},
                "poly": {"degree": {"_type": "int_uniform", "_value": [2, 5]}},
            },
        },
        "tree": {
            "max_depth": {"_type": "int_uniform", "_value": [1, 20]},
            "min_samples_leaf": {"_type": "int_loguniform", "_value": [1, 50]},
            "criterion": {"_type": "choice", "_value": ["gini", "entropy"]},
        },
        "knn": {
            "n_neighbors": {"_type": "int_loguniform", "_value": [1, 100]},
            "weights": {"_type": "choice", "_value": ["uniform", "distance"]},
        },
        "bayes": {"var_smoothing": {"_type": "loguniform", "_value": [1e-9, 1e2]}},
    },
}


def best_losses(
    name: str,
    space: Mapping[str, Any],
    loss: Callable[[Mapping[str, Any]], float],
    n_evaluations: int,
    *,
    n_workers: int = 1,
    seeds: range = SEEDS,
) -> np.ndarray:
    """Return the lowest loss of each seed's run, `n_workers` jobs out at a time."""
    result = []
    for seed in seeds:
        driver = Driver(get_optimizer(name), space, seed=seed)
        while len(driver.optimizer.history) < n_evaluations:
            while len(driver.pending) < n_workers:
                driver.start()
            job = driver.pending[0]
            driver.finish(job, loss(job.config))
        best = driver.optimizer.history.best()
        assert best is not None
        assert best.loss is not None
        result.append(best.loss)
    return np.array(result)


@pytest.fixture(scope="module")
def digits() -> Callable[[Mapping[str, Any]], float]:
    """Return the cross-entropy on digits of the pipeline that a configuration names."""
    from sklearn.datasets import load_digits
    from sklearn.naive_bayes import GaussianNB
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.svm import SVC
    from sklearn.tree import DecisionTreeClassifier

    from bandmaster.space import layering_config

    X, y = load_digits(return_X_y=True)
    X = X[:600] - X[:200].mean(axis=0)
    y = y[:600]
    scaled = X / (X[:200].std(axis=0) + 0.1)
    rotated = {
        scale: data @ np.linalg.svd(data[:200], full_matrices=False)[2].T
        for scale, data in ((True, scaled), (False, X))
    }

    def loss(config: Mapping[str, Any]) -> float:
        ((family, options),) = layering_config(config)["classifier"].items()
        data = rotated[config["scale"]][:, : config["n_components"]]
        model: Any
        if family == "svm":
            ((kernel, more),) = options["kernel"].items()
            model = SVC(C=options["C"], kernel=kernel, max_iter=1000, **more)
        elif family == "tree":
            model = DecisionTreeClassifier(random_state=0, **options)
        elif family == "knn":
            model = KNeighborsClassifier(**options)
        else:
            model = GaussianNB(**options)
        model.fit(data[:200], y[:200])
        if family == "svm":
            scores = np.exp(model.decision_function(data[200:]))
            p = scores / scores.sum(axis=1, keepdims=True)
        else:
            p = model.predict_proba(data[200:])
        return float(-np.log(np.maximum(p[np.arange(400), y[200:]], 1e-3)).mean())

    return loss


@pytest.mark.parametrize("make", [branin, hartmann6])
def test_smooth_functions(make: Callable[..., Any]) -> None:
    """After 100 evaluations the mean regret is less than a third of random search's."""
    problem = make()
    ours, random = (
        best_losses(name, problem.space, problem, 100) - problem.optimum
        for name in ("ETPE", "Random")
    )
    assert ours.mean() < random.mean() / 3
    assert (ours < random).mean() > 0.8


@pytest.mark.parametrize(("n_evaluations", "n_workers"), [(40, 1), (60, 8)])
def test_the_default_needs_few_evaluations(n_evaluations: int, n_workers: int) -> None:
    """One at a time or eight, soon the mean regret on Hartmann-6 is less than half of random's."""
    problem = hartmann6()
    auto, random = (
        best_losses(name, problem.space, problem, n_evaluations, n_workers=n_workers, seeds=seeds)
        - problem.optimum
        for name, seeds in (("auto", range(4)), ("Random", SEEDS))
    )
    assert auto.mean() < random.mean() / 2


def test_eight_at_a_time() -> None:
    """With eight jobs out the mean regret on Hartmann-6 stays below half of random search's."""
    problem = hartmann6()
    ours, random = (
        best_losses(name, problem.space, problem, 100, n_workers=8) - problem.optimum
        for name in ("ETPE", "Random")
    )
    assert ours.mean() < random.mean() / 2


def test_categoricals_and_bounds() -> None:
    """Bits and floats with their optimum on the corner: less than half of random's regret."""
    problem = counting_ones()
    ours, random = (
        best_losses(name, problem.space, problem, 100) - problem.optimum
        for name in ("ETPE", "Random")
    )
    assert ours.mean() < random.mean() / 2


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_conditional_classifiers(digits: Callable[[Mapping[str, Any]], float]) -> None:
    """Choosing among four scikit-learn classifiers it wins most comparisons, and on average."""
    ours, random = (best_losses(name, CLASSIFIERS, digits, 50) for name in ("ETPE", "Random"))
    assert ours.mean() < random.mean() - 0.02
    assert (ours[:, None] < random).mean() > 0.65
