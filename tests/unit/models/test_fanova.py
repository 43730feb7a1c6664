"""The decomposition is exact for a forest, and near the truth for known functions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from bandmaster.models.fanova import Fanova
from bandmaster.models.forest import Forest


@pytest.fixture(scope="module")
def mixed():
    """A forest on two numbers, a weighted choice and a number with a prior of its own."""
    rng = np.random.default_rng(0)
    X = _draw(300, rng)
    y = X[:, 0] * X[:, 1] + (X[:, 2] == 1) * X[:, 0] + X[:, 3] ** 2
    forest = Forest(X, y, [0, 0, 3, 0], n_trees=3, min_leaf=5)
    return forest, Fanova(forest, weights=[None, None, np.array([1, 1, 2]), None], cdfs=_CDFS)


_CDFS = [None, None, None, np.square]  # the last column is the root of a uniform number


def _draw(n, rng):
    X = rng.random((n, 4))
    X[:, 2] = np.searchsorted([0.25, 0.5], X[:, 2])
    X[:, 3] = np.sqrt(X[:, 3])
    return X


def test_mean_and_variance_are_those_of_the_prediction(mixed):
    """As 40,000 draws from the prior say."""
    forest, fanova = mixed
    sample = forest.predict_trees(_draw(40_000, np.random.default_rng(1)))
    assert sample.mean(axis=1) == pytest.approx(fanova.mean, rel=0.02)
    assert sample.var(axis=1) == pytest.approx(fanova.variance, rel=0.03)


def _explained(forest, columns):
    """Return the variance of the mean given some columns: two draws that share only these."""
    rng = np.random.default_rng(2)
    first, second = _draw(100_000, rng), _draw(100_000, rng)
    second[:, columns] = first[:, columns]
    one, other = forest.predict_trees(first), forest.predict_trees(second)
    return (one * other).mean(axis=1) - one.mean(axis=1) * other.mean(axis=1)


@pytest.mark.parametrize("column", range(4))
def test_one_column_explains_the_variance_of_the_mean_over_all_others(mixed, column):
    """A number, a weighted choice, a number with a prior."""
    forest, fanova = mixed
    expected = _explained(forest, [column]) / fanova.variance
    assert expected == pytest.approx(fanova.single()[:, column], abs=0.015)


@pytest.mark.parametrize(
    ("i", "j"), [p for p in itertools.permutations(range(4), 2) if 2 in p or p[0] < p[1]]
)
def test_two_columns_explain_the_variance_of_the_mean_over_the_rest(mixed, i, j):
    """Of any kinds and in any order."""
    forest, fanova = mixed
    expected = _explained(forest, [i, j]) / fanova.variance
    found = fanova.single()[:, [i, j]].sum(axis=1) + fanova.pair(i, j)
    assert expected == pytest.approx(found, abs=0.015)


def test_two_columns_explain_everything_together():
    """With two columns, singles and the pair add up to one; also for two choices."""
    rng = np.random.default_rng(4)
    for kinds in ([0, 0], [4, 0], [0, 4], [4, 4]):
        X = np.where(np.array(kinds) > 0, rng.integers(4, size=(200, 2)), rng.random((200, 2)))
        fanova = Fanova(Forest(X, X[:, 0] * X[:, 1] + X[:, 0], kinds, n_trees=5))
        total = fanova.single().sum(axis=1) + fanova.pair(0, 1)
        assert np.ones(5) == pytest.approx(total)


def test_ishigami():
    """Its first-order indices are 0.314, 0.442 and 0; the first and third interact: 0.244.

    A forest of a thousand points is a bit smoother than the function.
    """
    X = np.random.default_rng(5).random((1000, 4))
    a, b, c = (np.pi * (2 * X[:, j] - 1) for j in range(3))
    y = np.sin(a) + 7 * np.sin(b) ** 2 + 0.1 * c**4 * np.sin(a)
    fanova = Fanova(Forest(X, y))
    single = fanova.single()
    assert [0.314, 0.442, 0.0, 0.0] == pytest.approx(single.mean(axis=0), abs=0.15)
    assert [0.314, 0.0, 0.0] == pytest.approx(single.mean(axis=0)[[0, 2, 3]], abs=0.05)
    assert 0.244 == pytest.approx(fanova.pair(0, 2, single).mean(), abs=0.05)
    assert 0.0 == pytest.approx(fanova.pair(0, 1, single).mean(), abs=0.05)


def test_a_weighted_sum():
    """Σ aᵢ xᵢ: each explains aᵢ² / Σ a², nothing interacts."""
    X = np.random.default_rng(6).random((1000, 3))
    single = Fanova(Forest(X, X @ [3, 2, 1])).single().mean(axis=0)
    assert np.array([9, 4, 1]) / 14 == pytest.approx(single, abs=0.04)


def test_a_product_of_signs_is_all_interaction():
    """Neither factor explains anything alone."""
    X = np.random.default_rng(7).integers(2, size=(400, 2)).astype(float)
    fanova = Fanova(Forest(X, (2 * X[:, 0] - 1) * (2 * X[:, 1] - 1), [2, 2], max_features=0.5))
    found = [*fanova.single().mean(axis=0), fanova.pair(0, 1).mean()]
    assert [0, 0, 1] == pytest.approx(found, abs=0.05)


def test_the_order_of_columns_does_not_matter():
    """Columns in another order have the same shares, up to the luck of the draw."""
    X = np.random.default_rng(8).random((600, 4))
    y = 4 * X[:, 0] + 2 * X[:, 1] * X[:, 2]
    order = [2, 0, 3, 1]
    straight = Fanova(Forest(X, y)).single().mean(axis=0)
    turned = Fanova(Forest(X[:, order], y)).single().mean(axis=0)
    assert straight[order] == pytest.approx(turned, abs=0.03)


def test_a_constant_forest_explains_nothing():
    """No variance, no shares."""
    fanova = Fanova(Forest(np.random.default_rng(9).random((20, 2)), np.ones(20), n_trees=4))
    assert np.zeros((4, 2)).tolist() == fanova.single().tolist()
    assert np.zeros(4).tolist() == fanova.pair(0, 1).tolist()
