"""Which classifier, with which parameters, reads handwritten digits best?

A conditional search space of three scikit-learn classifiers and the function that judges one
configuration by cross-validation. The budget is the share of the training data that is used, so a
quarter of the data gives a first, cheap look. Needs the extra ``sklearn``.

`evaluator` (on the digits data) and `config_space` (a ConfigurationSpace of `HDL`) are made on
first use: a worker that only evaluates never imports ConfigSpace.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from bandmaster.errors import ConfigurationError, MissingExtraError
from bandmaster.space import layering_config

if TYPE_CHECKING:
    import numpy as np

__all__ = ["HDL", "Evaluator", "config_space", "evaluator"]

HDL: dict[str, Any] = {
    "classifier(choice)": {
        "KNeighborsClassifier": {
            "n_neighbors": {"_type": "int_loguniform", "_value": [1, 100], "_default": 5},
            "p": {"_type": "choice", "_value": [1, 2], "_default": 2},
            "weights": {"_type": "choice", "_value": ["uniform", "distance"]},
        },
        "LinearSVC": {
            "C": {"_type": "loguniform", "_value": [1e-4, 100.0], "_default": 1.0},
            "dual": {"_type": "choice", "_value": [True, False]},
            "loss": {"_type": "choice", "_value": ["squared_hinge", "hinge"]},
            "max_iter": {"_type": "int_quniform", "_value": [200, 1000, 200], "_default": 600},
            "multi_class": "ovr",
            "penalty": {"_type": "choice", "_value": ["l2", "l1"]},
            "random_state": 42,
            # What liblinear has no solver for.
            "__forbidden": [
                {"penalty": "l1", "loss": "hinge"},
                {"penalty": "l1", "loss": "squared_hinge", "dual": True},
                {"penalty": "l2", "loss": "hinge", "dual": False},
            ],
        },
        "RandomForestClassifier": {
            "bootstrap": {"_type": "choice", "_value": [True, False]},
            "criterion": {"_type": "choice", "_value": ["gini", "entropy"]},
            "max_features": {"_type": "choice", "_value": ["sqrt", "log2"]},
            "min_samples_leaf": {"_type": "int_loguniform", "_value": [1, 20]},
            "min_samples_split": {"_type": "int_loguniform", "_value": [2, 20]},
            "n_estimators": {"_type": "int_quniform", "_value": [10, 100, 10], "_default": 50},
            "random_state": 42,
        },
    }
}
"""The search space: a classifier and, below it, its parameters."""

# Names in a configuration are looked up here and never evaluated.
_CLASSIFIERS = {
    "KNeighborsClassifier": "sklearn.neighbors",
    "LinearSVC": "sklearn.svm",
    "RandomForestClassifier": "sklearn.ensemble",
}
_METRICS = {
    "accuracy": "accuracy_score",
    "balanced_accuracy": "balanced_accuracy_score",
    "matthews_corrcoef": "matthews_corrcoef",
}


class Evaluator:
    """Judges a configuration by cross-validation.

    Parameters
    ----------
    X : array of shape (n_samples, n_features)
    y : array of shape (n_samples,)
    metric : {"accuracy", "balanced_accuracy", "matthews_corrcoef"}, default "accuracy"
        The loss is one minus the mean of it over the folds.
    cv : scikit-learn splitter, optional
        Default: three shuffled, stratified folds.

    Raises
    ------
    MissingExtraError
        When scikit-learn is not installed.
    ConfigurationError
        When the metric is unknown.
    """

    def __init__(
        self, X: np.ndarray, y: np.ndarray, metric: str = "accuracy", cv: Any = None
    ) -> None:
        if metric not in _METRICS:
            raise ConfigurationError(f"metric is one of {sorted(_METRICS)}, got {metric!r}")
        self.X = X
        self.y = y
        self.metric = metric
        self.cv = cv or _sklearn("sklearn.model_selection").StratifiedKFold(
            n_splits=3, shuffle=True, random_state=0
        )

    def __call__(self, config: Mapping[str, Any], budget: float = 1.0) -> dict[str, float]:
        """Train and score on every fold.

        Parameters
        ----------
        config : Mapping
            From the space `HDL`.
        budget : float, default 1.0
            Share of each fold's training data that is used, in (0, 1].

        Returns
        -------
        dict
            ``loss``, and ``train_size``, the mean number of samples that were trained on.
        """
        import numpy as np

        score = getattr(_sklearn("sklearn.metrics"), _METRICS[self.metric])
        scores, sizes = [], []
        for fold, (train, valid) in enumerate(self.cv.split(self.X, self.y)):
            size = max(1, int(train.size * min(budget, 1)))
            # The same part of a fold for every configuration, or luck would decide.
            part = np.random.default_rng(fold).choice(train, size, replace=False)
            model = make_classifier(config).fit(self.X[part], self.y[part])
            scores.append(score(self.y[valid], model.predict(self.X[valid])))
            sizes.append(size)
        return {"loss": 1.0 - float(np.mean(scores)), "train_size": float(np.mean(sizes))}


def make_classifier(config: Mapping[str, Any]) -> Any:
    """Return the scikit-learn classifier, not yet fitted, that a configuration describes."""
    ((name, parameters),) = layering_config(config)["classifier"].items()
    if name not in _CLASSIFIERS:
        raise ConfigurationError(f"classifier is one of {sorted(_CLASSIFIERS)}, got {name!r}")
    return getattr(_sklearn(_CLASSIFIERS[name]), name)(**parameters)


def _sklearn(module: str) -> Any:
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not error.name.startswith("sklearn"):
            raise
        raise MissingExtraError("the automl example", "sklearn") from error


if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    config_space: ConfigurationSpace
    evaluator: Evaluator


def __getattr__(name: str) -> Any:
    """Make `config_space` and `evaluator` on first use."""
    value: Any
    if name == "config_space":
        from bandmaster.space import hdl2cs

        value = hdl2cs(HDL)
    elif name == "evaluator":
        value = Evaluator(*_sklearn("sklearn.datasets").load_digits(return_X_y=True))
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value
