"""The automl example: its space and its judge."""

from __future__ import annotations

import sys
import warnings

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning

from bandmaster.errors import ConfigurationError, MissingExtraError
from bandmaster.examples import automl
from bandmaster.space import compile_space

KNN = {
    "classifier:__choice__": "KNeighborsClassifier",
    "classifier:KNeighborsClassifier:n_neighbors": 5,
    "classifier:KNeighborsClassifier:p": 2,
    "classifier:KNeighborsClassifier:weights": "distance",
}


@pytest.fixture(scope="module")
def iris() -> automl.Evaluator:
    """Return a judge on little data."""
    return automl.Evaluator(*load_iris(return_X_y=True))


def test_the_space_has_the_rows_of_the_table() -> None:
    """A choice of classifier and 17 parameters below it, in alphabetical order."""
    names = compile_space(automl.HDL).names
    assert "classifier:__choice__" == names[0]
    assert list(names[1:]) == sorted(names[1:], key=str)
    assert 18 == len(names)


def test_every_legal_configuration_is_legal_for_scikit_learn(iris: automl.Evaluator) -> None:
    """The space forbids exactly what would fail, so a search meets no failures."""
    space = compile_space(automl.HDL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for config in space.sample_configs(60, np.random.default_rng(3)):
            assert 0 <= iris(config, 1.0)["loss"] <= 1, config


def test_the_configuration_space_is_that_of_the_hdl() -> None:
    """`config_space` is a ConfigurationSpace, made once."""
    from ConfigSpace import ConfigurationSpace

    assert isinstance(automl.config_space, ConfigurationSpace)
    assert automl.config_space is automl.config_space
    assert set(compile_space(automl.HDL).names) == set(automl.config_space)


def test_the_budget_is_the_share_of_the_training_data(iris: automl.Evaluator) -> None:
    """A quarter of the budget trains on a quarter of a fold's hundred samples."""
    assert [25, 50, 100] == [iris(KNN, budget)["train_size"] for budget in (1 / 4, 1 / 2, 1)]


def test_a_judgement_is_repeatable(iris: automl.Evaluator) -> None:
    """Folds and parts are the same each time, so that configurations are comparable."""
    assert iris(KNN, 0.5) == iris(KNN, 0.5)


def test_the_judge_on_digits() -> None:
    """`evaluator` judges on the digits, where five neighbours err in less than one of 20."""
    assert automl.evaluator(KNN, 1.0)["loss"] < 0.05


def test_an_unknown_metric_is_refused() -> None:
    """A wrong name fails at once and names the right ones."""
    with pytest.raises(ConfigurationError, match="balanced_accuracy"):
        automl.Evaluator(*load_iris(return_X_y=True), metric="acuracy")


def test_names_are_looked_up_not_evaluated() -> None:
    """A configuration cannot name anything but the three classifiers."""
    with pytest.raises(ConfigurationError, match="LinearSVC"):
        automl.make_classifier({"classifier:__choice__": "__import__('os')"})


def test_without_scikit_learn_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who did not install scikit-learn is told how to."""
    for name in [n for n in sys.modules if n.partition(".")[0] == "sklearn"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "meta_path", [_NoSklearn(), *sys.meta_path])
    with pytest.raises(MissingExtraError, match=r"bandmaster\[sklearn\]"):
        automl.make_classifier(KNN)


class _NoSklearn:
    """An import system without scikit-learn."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] == "sklearn":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
