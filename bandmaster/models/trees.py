"""Binary regression trees in flat arrays, and growing many of them at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

__all__ = ["BoolArray", "FloatArray", "IntArray", "Trees"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]
BoolArray = npt.NDArray[np.bool_]

LEAF: Final = -1


@dataclass(frozen=True, slots=True)
class Trees:
    """Many binary trees; the root of tree number `t` is node `t`.

    Nodes are numbered level by level, so that a node's children have larger numbers than it, and
    its right child comes right after its left one.

    Parameters
    ----------
    n_trees : int
    feature : intp (m,)
        The column a node splits, -1 for a leaf.
    threshold : float64 (m,)
        Rows with less or as much go left, where the column is ordered.
    left_choices : bool (m, k)
        The choices that go left, where it is categorical.
    missing_left : bool (m,)
        Where rows go whose value is missing: with the larger part of the training rows.
    left : intp (m,)
        The left child, -1 for a leaf.
    value : float64 (m,)
        The mean of the node's training rows.
    levels : tuple of int
        Where each level begins, and the end.
    """

    n_trees: int
    feature: IntArray
    threshold: FloatArray
    left_choices: BoolArray
    missing_left: BoolArray
    left: IntArray
    value: FloatArray
    levels: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.feature)

    def apply(self, X: npt.NDArray[Any], is_categorical: BoolArray) -> IntArray:
        """Return the leaf that each row falls into.

        Parameters
        ----------
        X : float64 (n, d)
        is_categorical : bool (d,)

        Returns
        -------
        intp (n_trees, n)
        """
        n = len(X)
        node = np.repeat(np.arange(self.n_trees), n)
        row = np.tile(np.arange(n), self.n_trees)
        walking = np.arange(len(node))
        while True:
            walking = walking[self.feature[node[walking]] != LEAF]
            if not len(walking):
                return node.reshape(self.n_trees, n)
            at = node[walking]
            goes = self.goes_left(at, X[row[walking], self.feature[at]], is_categorical)
            node[walking] = self.left[at] + ~goes

    def goes_left(self, node: IntArray, x: FloatArray, is_categorical: BoolArray) -> BoolArray:
        """Say for inner nodes and the values of their columns, all (k,), whether these go left."""
        missing = np.isnan(x)
        result: BoolArray = x <= self.threshold[node]
        choice = is_categorical[self.feature[node]] & ~missing
        if choice.any():
            result[choice] = self.left_choices[node[choice], x[choice].astype(np.intp)]
        result[missing] = self.missing_left[node[missing]]
        return result
