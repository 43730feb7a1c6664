"""What a forest predicts for values of one or two columns, averaged over given rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from bandmaster.models.forest import Forest
from bandmaster.models.trees import FloatArray

__all__ = ["partial_dependence"]

_MOST: Final = 400_000  # predictions of single trees at a time, some 10 MB each array


def partial_dependence(
    forest: Forest, rows: FloatArray, columns: Sequence[int], points: FloatArray
) -> FloatArray:
    """Return each tree's mean prediction over rows with some of their columns replaced.

    Parameters
    ----------
    forest : Forest
    rows : float64 (n, d)
        The configurations to average over; those where the columns are active, if that depends on
        a condition.
    columns : sequence of int
        The columns that are replaced.
    points : float64 (k, len(columns))
        What they are replaced by.

    Returns
    -------
    float64 (n_trees, k)

    References
    ----------
    Friedman, J. (2001). Greedy function approximation: a gradient boosting machine, 8.2.
    """
    n, k = len(rows), len(points)
    result = np.empty((forest.trees.n_trees, k))
    at_once = max(1, _MOST // (n * forest.trees.n_trees))
    for first in range(0, k, at_once):
        part = points[first : first + at_once]
        changed = np.repeat(rows[None], len(part), axis=0)
        changed[:, :, list(columns)] = part[:, None, :]
        each = forest.predict_trees(changed.reshape(-1, rows.shape[1]))
        result[:, first : first + len(part)] = each.reshape(len(each), len(part), n).mean(axis=2)
    return result
