"""Growing the trees of a forest, all of them at once and level by level.

A tree grown node by node costs some hundred small NumPy calls a hundred rows. Here each level of
all trees is one pass over arrays of shape (columns, rows of all trees), whose rows are kept sorted
by column within each node (as in SLIQ), so nothing is sorted after the start.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from bandmaster.models.trees import LEAF, BoolArray, FloatArray, IntArray, Trees

__all__ = ["grow"]

_LEAST_GAIN: Final = 1e-12  # of the losses' variance; less is rounding


def grow(
    X: FloatArray,
    y: FloatArray,
    n_choices: IntArray,
    counts: IntArray,
    *,
    min_leaf: int,
    n_tried: int,
    max_depth: int,
    rng: np.random.Generator,
) -> Trees:
    """Grow one tree for each bootstrap sample, by the largest fall of the squared error.

    Choices are sorted by their mean before they are cut in two, which finds their best partition.
    Thresholds lie anywhere between two neighbours.

    A column is split only in nodes where every row has a value for it, so a parameter that is
    active under a condition is split only once its condition holds. Where such a column would gain
    most among the rows that have a value, the node takes the cut that best tells these from the
    others, whatever it gains itself: the condition is found also where it matters to nothing else.

    Parameters
    ----------
    X : float64 (n, d)
        Numbers, or indices of choices; NaN where there is no value.
    y : float64 (n,)
    n_choices : intp (d,)
        How many choices a categorical column has; 0 for ordered columns.
    counts : intp (n_trees, n)
        How often each row is in each tree's sample.
    min_leaf : int
        The fewest rows of the sample in a leaf.
    n_tried : int
        How many columns, drawn anew, a node chooses from (from all, if none of them can be split).
    max_depth : int
    rng : numpy.random.Generator

    References
    ----------
    Breiman, L. (2001). Random forests. Breiman et al. (1984), Classification and regression trees,
    4.2.2, for choices. Mehta, Agrawal and Rissanen (1996), SLIQ.
    """
    growth = _Growth(X, y, n_choices, counts, min_leaf=min_leaf, n_tried=n_tried)
    return growth.grow(max_depth, rng)


@dataclass(frozen=True, slots=True)
class _Level:
    """The open nodes of one level: their rows lie in segments, the same in each column's order.

    `target` is what is to be predicted, times the weight, for each row by its number; `of_place`
    the node, by its place in the level, of each place in the order.
    """

    nodes: IntArray
    sizes: IntArray
    starts: IntArray
    of_place: IntArray
    order: IntArray
    weight: FloatArray
    target: FloatArray
    total: FloatArray


@dataclass(frozen=True, slots=True)
class _Scores:
    """What the best cut of each column (d) gains in each node (m) among the rows with a value.

    `complete` says where all rows have one; `cuts` are the scores of each cut of the ordered
    columns, `best` the highest; `tables` say which choices go left.
    """

    gain: FloatArray
    complete: BoolArray
    best: FloatArray
    cuts: FloatArray
    tables: dict[int, BoolArray]


@dataclass(frozen=True, slots=True)
class _Cuts:
    """How the open nodes of a level are split, where they are: column, threshold, choices."""

    splits: BoolArray
    column: IntArray
    threshold: FloatArray
    choices: BoolArray


class _Growth:
    def __init__(
        self,
        X: FloatArray,
        y: FloatArray,
        n_choices: IntArray,
        counts: IntArray,
        *,
        min_leaf: int,
        n_tried: int,
    ) -> None:
        self.n_trees, self.dim = len(counts), X.shape[1]
        self.n_choices, self.min_leaf, self.n_tried = n_choices, min_leaf, n_tried
        tree, sample = np.nonzero(counts)
        self.weight = counts[tree, sample].astype(np.float64)
        self.weighted_y = self.weight * y[sample]
        self.least_gain = _LEAST_GAIN * max(float(np.var(y)), 1e-300)
        self.X = X[sample]
        self.ordered = np.flatnonzero(n_choices == 0)
        self.columns = np.ascontiguousarray(self.X[:, self.ordered].T)
        self.categorical = np.flatnonzero(n_choices > 0)
        self.has_missing = bool(np.isnan(self.columns).any())
        self.order = _sorted_rows(X, self.ordered, counts, tree, sample)
        self.sizes = np.bincount(tree, minlength=self.n_trees)
        k = int(n_choices.max(initial=0))
        self.feature, self.left = [np.full(self.n_trees, LEAF)], [np.full(self.n_trees, LEAF)]
        self.threshold = [np.zeros(self.n_trees)]
        self.choices = [np.zeros((self.n_trees, k), dtype=np.bool_)]
        self.missing_left = [np.ones(self.n_trees, dtype=np.bool_)]
        self.value = [np.bincount(tree, self.weighted_y) / np.bincount(tree, self.weight)]
        self.levels = [0, self.n_trees]

    def grow(self, max_depth: int, rng: np.random.Generator) -> Trees:
        nodes, sizes = np.arange(self.n_trees), self.sizes
        for _ in range(max_depth):
            level = self._open(nodes, sizes)
            if level is None:
                break
            nodes, sizes = self._split(level, rng)
            if not len(nodes):
                break
            self.levels.append(self.levels[-1] + len(nodes))
        return Trees(
            self.n_trees, np.concatenate(self.feature), np.concatenate(self.threshold),
            np.concatenate(self.choices), np.concatenate(self.missing_left),
            np.concatenate(self.left), np.concatenate(self.value), tuple(self.levels),
        )  # fmt: skip

    def _open(self, nodes: IntArray, sizes: IntArray) -> _Level | None:
        """Drop the nodes that are too small for two leaves, and their rows."""
        weight = np.add.reduceat(self.weight[self.order[0]], np.cumsum(sizes) - sizes)
        large = weight >= 2 * self.min_leaf
        if not large.any():
            return None
        level = self._part(nodes, sizes, large, self.order, self.weighted_y)
        self.order = level.order
        return level

    def _part(
        self, nodes: IntArray, sizes: IntArray, keep: BoolArray, order: IntArray, target: FloatArray
    ) -> _Level:
        """Return the level of some of these nodes."""
        if not keep.all():
            order = order[:, np.repeat(keep, sizes)]
            nodes, sizes = nodes[keep], sizes[keep]
        starts, first = np.cumsum(sizes) - sizes, order[0]
        return _Level(
            nodes, sizes, starts, np.repeat(np.arange(len(nodes)), sizes), order,
            np.add.reduceat(self.weight[first], starts), target,
            np.add.reduceat(target[first], starts),
        )  # fmt: skip

    def _split(self, level: _Level, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
        """Split the nodes that can be; return their children's numbers and sizes."""
        scores = self._score(level)
        d, m = scores.gain.shape
        rank = rng.random((d, m)).argsort(axis=0).argsort(axis=0)
        tried = np.where(rank < self.n_tried, scores.gain, -np.inf)
        none = np.isneginf(tried.max(axis=0))
        tried[:, none] = scores.gain[:, none]
        chosen = tried.argmax(axis=0)
        detour = ~scores.complete[chosen, np.arange(m)] & ~np.isneginf(tried.max(axis=0))
        legal = np.where(scores.complete, tried, -np.inf)
        none = np.isneginf(legal.max(axis=0))
        legal[:, none] = np.where(scores.complete, scores.gain, -np.inf)[:, none]
        cuts = self._cut(level, scores, legal, rng)
        if detour.any():
            self._take_detours(level, chosen, detour, cuts, rng)
        return self._partition(level, cuts)

    def _take_detours(
        self,
        level: _Level,
        wanted: IntArray,
        detour: BoolArray,
        cuts: _Cuts,
        rng: np.random.Generator,
    ) -> None:
        """Cut nodes so that the rows that have a value in the column wanted come together."""
        rows = level.order[0]
        target = np.zeros(len(self.X))
        has_value = ~np.isnan(self.X[rows, wanted[level.of_place]])
        target[rows] = self.weight[rows] * has_value
        part = self._part(level.nodes, level.sizes, detour, level.order, target)
        scores = self._score(part)
        found = self._cut(part, scores, np.where(scores.complete, scores.gain, -np.inf), rng)
        at = np.flatnonzero(detour)[found.splits]
        cuts.splits[at] = True
        cuts.column[at] = found.column[found.splits]
        cuts.threshold[at] = found.threshold[found.splits]
        cuts.choices[at] = found.choices[found.splits]

    def _cut(
        self, level: _Level, scores: _Scores, gain: FloatArray, rng: np.random.Generator
    ) -> _Cuts:
        """Take for each node the column of the largest gain."""
        column = gain.argmax(axis=0)
        m = len(column)
        splits = ~np.isneginf(gain[column, np.arange(m)])
        choices = np.zeros((m, self.choices[0].shape[1]), dtype=np.bool_)
        for j, left in scores.tables.items():
            here = column == j
            choices[here, : left.shape[1]] = left[here]
        threshold = self._thresholds(level, scores, column, splits, rng.random(m))
        return _Cuts(splits, column, threshold, choices)

    def _score(self, level: _Level) -> _Scores:
        """Score the cuts: the sum over both sides of total² / weight, less that of the whole."""
        shape = self.dim, len(level.nodes)
        best, whole = np.full(shape, -np.inf), np.zeros(shape)
        complete = np.ones(shape, dtype=np.bool_)
        cuts = self._score_ordered(level, best, whole, complete)
        tables = {
            int(j): self._score_choices(level, int(j), best, whole, complete)
            for j in self.categorical
        }
        gain = best - whole
        gain[gain <= self.least_gain * level.weight] = -np.inf
        return _Scores(gain, complete, best, cuts, tables)

    def _score_ordered(
        self, level: _Level, best: FloatArray, whole: FloatArray, complete: BoolArray
    ) -> FloatArray:
        if not len(self.ordered):
            return np.empty((0, 0))
        order, sizes = level.order, level.sizes
        x = np.take_along_axis(self.columns, order, axis=1)
        each_weight, each = self.weight[order], level.target[order]
        all_weight, all_total = level.weight[None], level.total[None]
        if self.has_missing:  # their rows are sorted to the end
            missing = np.isnan(x)
            complete[self.ordered] = ~missing[:, level.starts + sizes - 1]
            each_weight, each = np.where(missing, 0, each_weight), np.where(missing, 0, each)
            all_weight = np.add.reduceat(each_weight, level.starts, axis=1)
            all_total = np.add.reduceat(each, level.starts, axis=1)
        weight, total = _running(each_weight, level), _running(each, level)
        other = np.repeat(all_weight, sizes, axis=1) - weight
        rest = np.repeat(all_total, sizes, axis=1) - total
        legal = (weight >= self.min_leaf) & (other >= self.min_leaf)
        legal[:, :-1] &= x[:, :-1] < x[:, 1:]
        with np.errstate(divide="ignore", invalid="ignore"):
            score = np.where(legal, total**2 / weight + rest**2 / other, -np.inf)
            whole[self.ordered] = np.where(all_weight > 0, all_total**2 / all_weight, 0.0)
        best[self.ordered] = np.maximum.reduceat(score, level.starts, axis=1)
        return score

    def _score_choices(
        self, level: _Level, j: int, best: FloatArray, whole: FloatArray, complete: BoolArray
    ) -> BoolArray:
        """Score the cuts of a column's choices in the order of their means; return who goes left.

        Choices that a node has no row of go with the heavier side.
        """
        m, k = len(level.nodes), int(self.n_choices[j])
        rows = level.order[0]
        x = self.X[rows, j]
        missing = np.isnan(x)
        complete[j] = np.bincount(level.of_place, missing, m) == 0
        result = np.zeros((m, k), dtype=np.bool_)
        if k == 1:
            return result
        key = level.of_place * k + np.where(missing, 0, x).astype(np.intp)
        weight = np.bincount(key, self.weight[rows] * ~missing, m * k).reshape(m, k)
        total = np.bincount(key, level.target[rows] * ~missing, m * k).reshape(m, k)
        all_weight, all_total = weight.sum(axis=1), total.sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = np.where(weight > 0, total / weight, np.inf)
            order = mean.argsort(axis=1, kind="stable")
            left = np.take_along_axis(weight, order, axis=1).cumsum(axis=1)[:, :-1]
            left_total = np.take_along_axis(total, order, axis=1).cumsum(axis=1)[:, :-1]
            right, right_total = all_weight[:, None] - left, all_total[:, None] - left_total
            score = left_total**2 / left + right_total**2 / right
            whole[j] = np.where(all_weight > 0, all_total**2 / all_weight, 0.0)
        legal = (left >= self.min_leaf) & (right >= self.min_leaf)
        score = np.where(legal, score, -np.inf)
        cut, here = score.argmax(axis=1), np.arange(m)
        best[j] = score[here, cut]
        np.put_along_axis(result, order, np.arange(k) <= cut[:, None], axis=1)
        heavier = np.broadcast_to((left >= right)[here, cut][:, None], (m, k))
        result[weight == 0] = heavier[weight == 0]
        return result

    def _thresholds(
        self,
        level: _Level,
        scores: _Scores,
        column: IntArray,
        splits: BoolArray,
        share: FloatArray,
    ) -> FloatArray:
        """Return a threshold behind each node's best cut, where its column is ordered."""
        threshold = np.zeros(len(column))
        place_of = np.full(self.dim, -1)
        place_of[self.ordered] = np.arange(len(self.ordered))
        f = place_of[column]
        inner = (f >= 0) & splits
        if not inner.any():
            return threshold
        places = np.flatnonzero(inner[level.of_place])
        node = level.of_place[places]
        hit = scores.cuts[f[node], places] == scores.best[column[node], node]
        node, first = np.unique(node[hit], return_index=True)
        cut = places[hit][first]
        below = self.columns[f[node], level.order[f[node], cut]]
        above = self.columns[f[node], level.order[f[node], cut + 1]]
        between = below + share[node] * (above - below)
        threshold[node] = np.minimum(between, np.nextafter(above, -np.inf))
        return threshold

    def _goes_left(self, level: _Level, cuts: _Cuts) -> BoolArray:
        """Say of each row (by its number) whether it goes left."""
        rows, node = level.order[0], level.of_place
        x = self.X[rows, cuts.column[node]]
        left = x <= cuts.threshold[node]
        choice = (self.n_choices[cuts.column] > 0)[node] & ~np.isnan(x)
        left[choice] = cuts.choices[node[choice], x[choice].astype(np.intp)]
        result = np.zeros(len(self.X), dtype=np.bool_)
        result[rows] = left
        return result

    def _partition(self, level: _Level, cuts: _Cuts) -> tuple[IntArray, IntArray]:
        """Write the splits down and sort the rows of their nodes by child, stably."""
        splits = cuts.splits
        parents, n = level.nodes[splits], int(splits.sum())
        if not n:
            return np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp)
        goes = self._goes_left(level, cuts)
        self.order = self.order[:, np.repeat(splits, level.sizes)]
        sizes = level.sizes[splits]
        starts = np.cumsum(sizes) - sizes
        left = goes[self.order]
        before: IntArray = np.cumsum(left, axis=1) - left
        before = before - np.repeat(before[:, starts], sizes, axis=1)
        n_left = np.add.reduceat(left[0].astype(np.intp), starts)
        behind = np.repeat(n_left - starts, sizes) + np.arange(left.shape[1]) - before
        place = np.repeat(starts, sizes) + np.where(left, before, behind)
        moved = np.empty_like(self.order)
        np.put_along_axis(moved, place, self.order, axis=1)
        self.order = moved
        children = np.stack([n_left, sizes - n_left], axis=1).ravel()
        first, end = self.levels[-2], self.levels[-1]
        at = parents - first
        self.feature[-1][at] = cuts.column[splits]
        self.threshold[-1][at] = cuts.threshold[splits]
        self.choices[-1][at] = cuts.choices[splits]
        self.left[-1][at] = end + 2 * np.arange(n)
        child_starts = np.cumsum(children) - children
        rows = self.order[0]
        weight = np.add.reduceat(self.weight[rows], child_starts)
        self.missing_left[-1][at] = weight[0::2] >= weight[1::2]
        self.value.append(np.add.reduceat(self.weighted_y[rows], child_starts) / weight)
        self.feature.append(np.full(2 * n, LEAF))
        self.left.append(np.full(2 * n, LEAF))
        self.threshold.append(np.zeros(2 * n))
        self.choices.append(np.zeros((2 * n, cuts.choices.shape[1]), dtype=np.bool_))
        self.missing_left.append(np.ones(2 * n, dtype=np.bool_))
        return end + np.arange(2 * n), children


def _running(values: FloatArray, level: _Level) -> FloatArray:
    """Cumulative sums along the last axis that begin anew with each node."""
    sums = values.cumsum(axis=1)
    before = sums[:, level.starts] - values[:, level.starts]
    result: FloatArray = sums - np.repeat(before, level.sizes, axis=1)
    return result


def _sorted_rows(
    X: FloatArray, ordered: IntArray, counts: IntArray, tree: IntArray, sample: IntArray
) -> IntArray:
    """Return the rows of all trees, tree by tree, sorted by each ordered column."""
    number = np.empty(counts.shape, dtype=np.intp)
    number[tree, sample] = np.arange(len(tree))
    order = np.empty((max(len(ordered), 1), len(tree)), dtype=np.intp)
    order[0] = np.arange(len(tree))
    for i, j in enumerate(ordered):
        by_value = X[:, j].argsort(kind="stable")
        trees, places = np.nonzero(counts[:, by_value])
        order[i] = number[trees, by_value[places]]
    return order
