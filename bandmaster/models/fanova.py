"""Functional analysis of variance of a forest: how much of its variance each column explains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from bandmaster.models.forest import Forest
from bandmaster.models.trees import LEAF, BoolArray, FloatArray, IntArray

__all__ = ["Fanova"]

Cdf = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True, slots=True)
class _Leaves:
    """The boxes of one tree's leaves, with measures instead of coordinates.

    `low` and `high`, shape (leaves, d), are the shares of the prior below a box's sides in each
    ordered column, `allowed` the choices within it of each categorical one. `width` is the share of
    the prior in each column, `others` the product of the widths of all other columns.
    """

    value: FloatArray
    low: FloatArray
    high: FloatArray
    allowed: dict[int, BoolArray]
    width: FloatArray
    others: FloatArray
    split: BoolArray


class Fanova:
    """The variance of each tree of a forest, taken apart exactly.

    A tree is a sum over boxes, so the mean of its prediction over all columns but one or two has a
    closed form, and so has that mean's variance. Columns are taken for independent, each with the
    distribution given: for a conditional parameter that means that every parameter is drawn, and
    those that are inactive have no effect, as when a space is sampled.

    Parameters
    ----------
    forest : Forest
        Its ordered columns lie in [0, 1].
    weights : sequence of (float64 (k,) or None), optional
        The probabilities of the choices of each column; equal by default.
    cdfs : sequence of (callable or None), optional
        The share of the prior below points of each ordered column; uniform by default.

    Attributes
    ----------
    mean, variance : float64 (n_trees,)
        Of each tree's prediction.

    References
    ----------
    Hutter, F., Hoos, H. and Leyton-Brown, K. (2014). An efficient approach for assessing
    hyperparameter importance.
    """

    def __init__(
        self,
        forest: Forest,
        *,
        weights: Sequence[FloatArray | None] | None = None,
        cdfs: Sequence[Cdf | None] | None = None,
    ) -> None:
        self.dim = len(forest.n_choices)
        self.n_trees = forest.trees.n_trees
        self._cdfs = [None] * self.dim if cdfs is None else list(cdfs)
        given = [None] * self.dim if weights is None else list(weights)
        self._weights: dict[int, FloatArray] = {}
        for j in np.flatnonzero(forest.is_categorical).tolist():
            w, k = given[j], int(forest.n_choices[j])
            self._weights[j] = np.full(k, 1 / k) if w is None else np.asarray(w) / np.sum(w)
        self._leaves = self._find_leaves(forest)
        volume = [leaves.width.prod(axis=1) for leaves in self._leaves]
        pairs = list(zip(volume, self._leaves, strict=True))
        self.mean: FloatArray = np.array([w @ leaves.value for w, leaves in pairs])
        self.variance: FloatArray = np.array(
            [w @ (leaves.value - m) ** 2 for (w, leaves), m in zip(pairs, self.mean, strict=True)]
        )

    def single(self) -> FloatArray:
        """Return the share of each tree's variance that one column alone explains.

        Returns
        -------
        float64 (n_trees, d)
            Rows add up to at most 1; the rest is due to interactions. 0 for a constant tree.
        """
        result = np.zeros((self.n_trees, self.dim))
        for t, leaves in enumerate(self._leaves):
            for j in np.flatnonzero(leaves.split).tolist():
                measure, marginal = self._marginal(leaves, j)
                result[t, j] = measure @ (marginal - self.mean[t]) ** 2
        return self._share(result)

    def pair(self, i: int, j: int, single: FloatArray | None = None) -> FloatArray:
        """Return the share that two columns explain together, beyond what each does alone.

        Parameters
        ----------
        i, j : int
        single : float64 (n_trees, d), optional
            What `single` returned, to save time.

        Returns
        -------
        float64 (n_trees,)
        """
        alone = self.single() if single is None else single
        result = np.zeros(self.n_trees)
        for t, leaves in enumerate(self._leaves):
            if leaves.split[i] and leaves.split[j]:
                first, second, marginal = self._marginal_pair(leaves, i, j)
                result[t] = first @ (marginal - self.mean[t]) ** 2 @ second
        both = self._share(result[:, None])[:, 0]
        # Below what each explains alone there is only rounding.
        extra: FloatArray = np.where(both > 0, both - alone[:, i] - alone[:, j], 0.0)
        return np.maximum(extra, 0.0)

    def _share(self, explained: FloatArray) -> FloatArray:
        total = self.variance[:, None]
        shares: FloatArray = np.divide(
            explained, total, out=np.zeros_like(explained), where=total > 0
        )
        return shares

    # ---- boxes

    def _find_leaves(self, forest: Forest) -> list[_Leaves]:
        """Follow each split from the roots down."""
        trees, m = forest.trees, len(forest.trees)
        low, high = np.zeros((m, self.dim)), np.ones((m, self.dim))
        allowed = {j: np.ones((m, len(w)), dtype=np.bool_) for j, w in self._weights.items()}
        tree = np.arange(m)
        for start, end in zip(trees.levels[:-1], trees.levels[1:], strict=True):
            nodes = start + np.flatnonzero(trees.feature[start:end] != LEAF)
            left, f = trees.left[nodes], trees.feature[nodes]
            for child in (left, left + 1):
                low[child], high[child], tree[child] = low[nodes], high[nodes], tree[nodes]
                for boxes in allowed.values():
                    boxes[child] = boxes[nodes]
            is_ordered = ~forest.is_categorical[f]
            at = left[is_ordered], f[is_ordered]
            high[at] = low[at[0] + 1, at[1]] = trees.threshold[nodes[is_ordered]]
            for j, boxes in allowed.items():
                here = f == j
                goes = trees.left_choices[nodes[here], : boxes.shape[1]]
                boxes[left[here]] &= goes
                boxes[left[here] + 1] &= ~goes
        for j, cdf in enumerate(self._cdfs):
            if cdf is not None:
                low[:, j], high[:, j] = cdf(low[:, j]), cdf(high[:, j])
        width = high - low
        for j, boxes in allowed.items():
            width[:, j] = boxes @ self._weights[j]
        others = _products_of_others(width)
        whole = (low == 0) & (high == 1)
        for j, boxes in allowed.items():
            whole[:, j] = boxes.all(axis=1)
        is_leaf = trees.feature == LEAF
        result = []
        for t in range(self.n_trees):
            rows = np.flatnonzero(is_leaf & (tree == t))
            own = {j: boxes[rows] for j, boxes in allowed.items()}
            result.append(
                _Leaves(
                    trees.value[rows], low[rows], high[rows], own, width[rows], others[rows],
                    ~whole[rows].all(axis=0),
                )
            )  # fmt: skip
        return result

    # ---- marginals: measures of the cells of a column, and the mean within each

    def _cells(self, leaves: _Leaves, j: int) -> tuple[FloatArray, IntArray, IntArray]:
        """Return the measures of an ordered column's cells, and where each leaf begins and ends."""
        sides = np.concatenate([leaves.low[:, j], leaves.high[:, j]])
        edges, where = np.unique(sides, return_inverse=True)
        n = len(leaves.value)
        return np.diff(edges), where[:n], where[n:]

    def _marginal(self, leaves: _Leaves, j: int) -> tuple[FloatArray, FloatArray]:
        part = leaves.value * leaves.others[:, j]
        if j in self._weights:
            return self._weights[j], part @ leaves.allowed[j]
        measure, begin, end = self._cells(leaves, j)
        n = len(measure) + 1
        change = np.bincount(begin, part, n) - np.bincount(end, part, n)
        return measure, change.cumsum()[:-1]

    def _marginal_pair(
        self, leaves: _Leaves, i: int, j: int
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        width = leaves.width[:, j]
        share = np.divide(leaves.others[:, i], width, out=np.zeros(len(width)), where=width > 0)
        part = leaves.value * share
        if i in self._weights and j in self._weights:
            marginal = (leaves.allowed[i] * part[:, None]).T @ leaves.allowed[j].astype(float)
            return self._weights[i], self._weights[j], marginal
        if j in self._weights:
            second, first, marginal = self._marginal_pair(leaves, j, i)
            return first, second, marginal.T
        second, begin, end = self._cells(leaves, j)
        m = len(second) + 1
        if i in self._weights:
            leaf, row = np.nonzero(leaves.allowed[i])
            begin, end, part = begin[leaf], end[leaf], part[leaf]
            first = self._weights[i]
            corners = [(row, begin, 1.0), (row, end, -1.0)]
        else:
            first, top, bottom = self._cells(leaves, i)
            corners = [
                (top, begin, 1.0), (top, end, -1.0), (bottom, begin, -1.0), (bottom, end, 1.0),
            ]  # fmt: skip
        n = len(first) + (i not in self._weights)
        change = np.zeros(n * m)
        for row, column, sign in corners:
            change += sign * np.bincount(row * m + column, part, n * m)
        table = change.reshape(n, m).cumsum(axis=1)[:, :-1]
        if i not in self._weights:
            table = table.cumsum(axis=0)[:-1]
        return first, second, table


def _products_of_others(width: FloatArray) -> FloatArray:
    """Return for each column the product of all other columns, without a division."""
    before = np.ones_like(width)
    before[:, 1:] = width[:, :-1].cumprod(axis=1)
    after = np.ones_like(width)
    after[:, :-1] = width[:, :0:-1].cumprod(axis=1)[:, ::-1]
    product: FloatArray = before * after
    return product
