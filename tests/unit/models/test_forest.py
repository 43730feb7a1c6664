"""The forest finds what is in the data, whatever the kinds of its columns."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.ensemble import RandomForestRegressor

from bandmaster.errors import ConfigurationError
from bandmaster.models.forest import Forest


def _smooth(X):
    return np.sin(6 * X[:, 0]) + 3 * X[:, 1] ** 2 + X[:, 2] * X[:, 3]


def _r2(predicted, y):
    return 1 - np.mean((predicted - y) ** 2) / np.var(y)


def test_it_predicts_as_well_as_scikit_learns():
    """The share of the variance explained on new rows is the same within two percent."""
    rng = np.random.default_rng(0)
    X, new = rng.random((400, 6)), rng.random((500, 6))
    theirs = RandomForestRegressor(32, min_samples_leaf=3, max_features=5 / 6, random_state=0)
    expected = _r2(theirs.fit(X, _smooth(X)).predict(new), _smooth(new))
    mean, _ = Forest(X, _smooth(X)).predict(new)
    assert expected == pytest.approx(_r2(mean, _smooth(new)), abs=0.02)


def test_out_of_bag_r2_is_that_on_new_rows():
    """What it says of itself without new rows is about what they would show; noise gives none."""
    rng = np.random.default_rng(1)
    X, new = rng.random((500, 4)), rng.random((500, 4))
    forest = Forest(X, _smooth(X))
    assert _r2(forest.predict(new)[0], _smooth(new)) == pytest.approx(
        forest.out_of_bag_r2(), abs=0.03
    )
    assert Forest(X, rng.random(500)).out_of_bag_r2() < 0.1


def test_the_same_seed_makes_the_same_forest():
    """Another one makes another."""
    rng = np.random.default_rng(2)
    X = rng.random((60, 3))
    one, same, other = (Forest(X, _smooth(np.c_[X, X]), seed=s) for s in (5, 5, 6))
    assert one.predict(X)[0].tolist() == same.predict(X)[0].tolist()
    assert one.predict(X)[0].tolist() != other.predict(X)[0].tolist()


def test_choices_have_no_order():
    """One cut separates the good choices from the bad, wherever they stand in the list."""
    rng = np.random.default_rng(3)
    x = rng.integers(8, size=200).astype(float)
    y = np.isin(x, [1, 4, 7]) * 5.0
    forest = Forest(x[:, None], y, [8])
    assert [0, 5, 0, 0, 5, 0, 0, 5] == pytest.approx(forest.predict(np.arange(8.0)[:, None])[0])
    assert 2 == len(forest.trees.levels) - 1  # a root and its leaves


def test_a_condition_is_learned_before_what_stands_under_it():
    """No node splits a column of which one of its rows has no value."""
    rng = np.random.default_rng(4)
    model = rng.integers(2, size=300).astype(float)
    rate = np.where(model == 1, rng.random(300), np.nan)
    y = np.where(model == 1, 10 * np.nan_to_num(rate), 3.0)
    X = np.stack([model, rate], axis=1)
    forest = Forest(X, y, [2, 0], max_features=0.5)
    roots = slice(0, forest.trees.n_trees)
    assert {0} == set(forest.trees.feature[roots].tolist())
    new = np.array([[0, np.nan], [1, 0.1], [1, 0.9]])
    assert [3, 1, 9] == pytest.approx(forest.predict(new)[0], abs=0.5)


def test_a_missing_value_goes_where_most_rows_went():
    """Prediction of a row that no training row is like still has an answer."""
    X = np.linspace(0, 1, 100)[:, None]
    forest = Forest(X, (X[:, 0] > 0.8).astype(float))
    assert 0.0 == pytest.approx(forest.predict([[np.nan]])[0][0], abs=0.1)


@given(
    n=st.integers(1, 40), d=st.integers(1, 4), n_categorical=st.integers(0, 4),
    seed=st.integers(0, 1000), min_leaf=st.integers(1, 4),
)  # fmt: skip
def test_leaves_hold_the_means_of_their_rows(n, d, n_categorical, seed, min_leaf):
    """A leaf's value is the mean of the rows drawn for its tree, and it has enough of them."""
    rng = np.random.default_rng(seed)
    kinds = np.where(np.arange(d) < n_categorical, 3, 0)
    X = np.where(kinds > 0, rng.integers(3, size=(n, d)), rng.random((n, d)).round(1))
    X[rng.random((n, d)) < 0.2] = np.nan
    y = rng.random(n).round(1) * 10.0 ** rng.integers(-3, 9)
    forest = Forest(X, y, kinds, n_trees=3, min_leaf=min_leaf, seed=seed)
    leaf = forest.trees.apply(X, forest.is_categorical)
    for tree, counts in enumerate(forest.counts):
        for node in np.unique(leaf[tree][counts > 0]):
            rows = (leaf[tree] == node) & (counts > 0)
            mean = np.average(y[rows], weights=counts[rows])
            assert mean == pytest.approx(forest.trees.value[node], rel=1e-9, abs=1e-9 * y.max())
            assert counts[rows].sum() >= min_leaf or node < forest.trees.n_trees


def test_equal_values_are_one_leaf():
    """There is nothing to split by, or for."""
    assert 4 == len(Forest(np.ones((9, 2)), np.arange(9.0), n_trees=4).trees)
    assert 4 == len(Forest(np.random.default_rng(0).random((9, 2)), np.ones(9), n_trees=4).trees)


@pytest.mark.parametrize(
    ("X", "y", "n_choices"),
    [
        (np.ones(3), np.ones(3), None),
        (np.ones((3, 2)), np.ones(4), None),
        (np.empty((0, 2)), np.empty(0), None),
        (np.ones((3, 2)), [1, np.nan, 1], None),
        (np.ones((3, 2)), np.ones(3), [0]),
    ],
)
def test_what_does_not_fit_is_refused(X, y, n_choices):
    """Wrong shapes and losses that are not finite."""
    with pytest.raises(ConfigurationError, match=r"needs|expected"):
        Forest(X, y, n_choices)
