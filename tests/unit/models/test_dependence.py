"""Partial dependence is the mean prediction with some columns replaced."""

from __future__ import annotations

import numpy as np

from bandmaster.models import dependence
from bandmaster.models.dependence import partial_dependence
from bandmaster.models.forest import Forest


def test_it_is_the_mean_over_the_rows(monkeypatch):
    """For each tree and each point, also when it is computed in parts."""
    rng = np.random.default_rng(0)
    X = rng.random((50, 3))
    forest = Forest(X, X[:, 0] * X[:, 1], n_trees=4)
    points = rng.random((7, 2))
    monkeypatch.setattr(dependence, "_MOST", 500)  # two points at a time
    found = partial_dependence(forest, X, [2, 0], points)
    for k, (third, first) in enumerate(points):
        changed = X.copy()
        changed[:, 2], changed[:, 0] = third, first
        expected = forest.predict_trees(changed).mean(axis=1)
        np.testing.assert_allclose(expected, found[:, k])


def test_the_slope_of_a_line_is_found():
    """Of 3 a + b, the dependence on a rises by about 3 from end to end."""
    X = np.random.default_rng(1).random((400, 2))
    forest = Forest(X, X @ [3, 1])
    low, high = partial_dependence(forest, X, [0], np.array([[0.0], [1.0]])).mean(axis=0)
    assert 2.7 < high - low < 3.1
