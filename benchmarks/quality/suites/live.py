"""Small trainings by scikit-learn: an evaluation takes some tens of milliseconds.

Digits, wine, breast cancer (loss: 1 − accuracy) and diabetes (loss: 1 − R²), each with a support
vector machine, a forest, a multilayer perceptron and nearest neighbours, three folds; and the
conditional pipeline of `bandmaster.examples.automl` on digits.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from functools import lru_cache
from importlib.util import find_spec
from typing import Any

import numpy as np

from bandmaster.testing.problems import Problem
from benchmarks.quality.bench import Bench, Reference

Config = Mapping[str, Any]
DATA = ("digits", "wine", "cancer", "diabetes")
AUTOML = "live-automl-digits"
MOST_ROWS = 600  # of digits: enough to tell configurations apart


def _number(kind: str, low: float, high: float) -> dict[str, Any]:
    return {"_type": kind, "_value": [low, high]}


SPACES: dict[str, dict[str, Any]] = {
    "svm": {
        "C": _number("loguniform", 1e-3, 1e4),
        "gamma": _number("loguniform", 1e-6, 1e1),
        "kernel": {"_type": "choice", "_value": ["rbf", "sigmoid"]},
        "scale": {"_type": "choice", "_value": [True, False]},
    },
    "forest": {
        "max_features": _number("uniform", 0.05, 1.0),
        "max_depth": _number("int_uniform", 1, 20),
        "min_samples_leaf": _number("int_loguniform", 1, 50),
        "min_samples_split": _number("int_loguniform", 2, 50),
        "bootstrap": {"_type": "choice", "_value": [True, False]},
    },
    "mlp": {
        "hidden": _number("int_loguniform", 4, 64),
        "layers": _number("int_uniform", 1, 3),
        "alpha": _number("loguniform", 1e-7, 1e1),
        "learning_rate_init": _number("loguniform", 1e-5, 1e-1),
        "batch_size": _number("int_loguniform", 8, 128),
        "activation": {"_type": "choice", "_value": ["relu", "tanh", "logistic"]},
    },
    "knn": {
        "n_neighbors": _number("int_loguniform", 1, 100),
        "weights": {"_type": "choice", "_value": ["uniform", "distance"]},
        "p": _number("uniform", 1.0, 4.0),
        "components": _number("uniform", 0.1, 1.0),
        "scale": {"_type": "choice", "_value": [True, False]},
    },
}


def missing() -> str:
    """It needs scikit-learn."""
    return "" if find_spec("sklearn") else "scikit-learn is not installed (extra sklearn)"


def names(part: str) -> list[str]:
    """Return all, or those that take less than a minute for 100 evaluations."""
    every = [f"live-{model}-{data}" for model in SPACES for data in DATA]
    if part == "quick":
        return [name for name in every if name.split("-")[1] in ("svm", "knn")]
    return [*every, AUTOML]


def load(name: str) -> Bench:
    """Return a training; best and median are found out from the runs."""
    unknown = Reference(math.nan, math.nan)
    if name == AUTOML:
        from bandmaster.examples import automl

        space = automl.HDL
        function: Callable[[Config], float] = _automl
    else:
        _, model, data = name.split("-")
        space, function = SPACES[model], _loss(model, data)

    def loss(config: Config, budget: float) -> float:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of configurations that do not converge
            return function(config)

    return Bench(Problem(name, space, loss, math.nan), find_reference=lambda: unknown, failure=1.0)


def _automl(config: Config) -> float:
    from bandmaster.examples import automl

    return float(automl.evaluator(config)["loss"])


def _loss(model: str, data: str) -> Callable[[Config], float]:
    def loss(config: Config) -> float:
        from sklearn.model_selection import cross_val_score

        X, y = _data(data)
        try:
            estimator = _estimator(model, config, regression=data == "diabetes")
            scores = cross_val_score(estimator, X, y, cv=_folds(data), error_score="raise")
        except ValueError as error:
            if "finite" in str(error) or "NaN" in str(error):  # a network that diverged
                return math.nan
            raise
        return float(np.clip(1.0 - scores.mean(), -1.0, 2.0))

    return loss


@lru_cache
def _data(name: str) -> Any:
    from sklearn import datasets

    loader = {"cancer": "breast_cancer"}.get(name, name)
    X, y = getattr(datasets, f"load_{loader}")(return_X_y=True)
    rows = np.random.default_rng(0).permutation(len(y))[:MOST_ROWS]
    if name == "diabetes":
        y = (y - y.mean()) / y.std()
    return X[rows], y[rows]


def _folds(data: str) -> Any:
    from sklearn.model_selection import KFold, StratifiedKFold

    kind = KFold if data == "diabetes" else StratifiedKFold
    return kind(n_splits=3, shuffle=True, random_state=0)


def _estimator(model: str, config: Config, *, regression: bool) -> Any:
    from sklearn import ensemble, neighbors, neural_network, svm
    from sklearn.decomposition import PCA
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    options = dict(config)
    kind = "Regressor" if regression else "Classifier"
    steps = [StandardScaler()] if options.pop("scale", model == "mlp") else []
    if model == "svm":
        steps.append((svm.SVR if regression else svm.SVC)(**options, max_iter=20_000))
    elif model == "forest":
        forest = getattr(ensemble, f"RandomForest{kind}")
        steps.append(forest(n_estimators=20, random_state=0, **options))
    elif model == "mlp":
        hidden = (options.pop("hidden"),) * options.pop("layers")
        network = getattr(neural_network, f"MLP{kind}")
        steps.append(network(hidden_layer_sizes=hidden, max_iter=20, random_state=0, **options))
    else:
        share = options.pop("components")
        steps.append(PCA(share if share < 1.0 else None, svd_solver="full", random_state=0))
        steps.append(getattr(neighbors, f"KNeighbors{kind}")(**options))
    return make_pipeline(*steps)
