"""What forests say about a history: expected improvement, feasibility, distance to pending jobs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bandmaster.core.history import History
from bandmaster.models.forest import Forest
from bandmaster.optimizers.acquisition import log_expected_improvement
from bandmaster.optimizers.pareto import undominated
from bandmaster.optimizers.population import fitness
from bandmaster.optimizers.targets import Targets
from bandmaster.optimizers.transfer import imported
from bandmaster.space import Space

__all__ = ["Acquisition", "Beliefs", "ForestModel", "fitted_rows"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

_EVERY, _GROWTH = 200, 1.05  # up to so many rows each is fitted at once, then by this factor
_MIN_LEAF = 2
_MAX_FEATURES = 5 / 6
_LEAST_DEVIATION = 0.01  # of normal scores
_LEAST_NEWS = 1e-6


def fitted_rows(n: int) -> int:
    """Return the length of the prefix that is fitted when there are n rows."""
    if n <= _EVERY:
        return n
    return min(n, int(_EVERY * _GROWTH ** math.floor(math.log(n / _EVERY, _GROWTH))))


@dataclass(frozen=True, slots=True)
class Beliefs:
    """Forests of one prefix of the history.

    Parameters
    ----------
    objectives : tuple of Forest
        One each optimised metric, or one alone of `fitness` while nothing is feasible.
    feasibility : Forest or None
        Of 1 where all constraints held and 0 elsewhere; None without constraints.
    extra : float64 (e,)
        What is appended to a row that it is asked about: the budget and the study that count.
    scores : float64 (k, m)
        The normal scores of the rows that count, the best of which is to be improved.
    incumbents : intp (j,)
        Rows of the history, the best first.
    """

    objectives: tuple[Forest, ...]
    feasibility: Forest | None
    extra: FloatArray
    scores: FloatArray
    incumbents: IntArray


class ForestModel:
    """Fits forests to a history.

    All budgets are in one forest, with the budget as one more column: it splits on it where budgets
    differ. So are evaluations of another study.

    Parameters
    ----------
    space : Space
    history : History
    n_trees : int
    """

    def __init__(self, space: Space, history: History, n_trees: int) -> None:
        self.space, self.history, self.n_trees = space, history, n_trees
        self.targets = Targets(history)
        self._cached: tuple[tuple[int, int], Beliefs | None] | None = None

    def beliefs(self, seed: int) -> Beliefs | None:
        """Return what is believed now, None while nothing succeeded."""
        key = (fitted_rows(len(self.history)), seed)
        if self._cached is None or self._cached[0] != key:
            self._cached = (key, self._fit(*key))
        return self._cached[1]

    def _fit(self, n: int, seed: int) -> Beliefs | None:
        targets = self.targets
        values = targets.values[:n]
        known = ~np.isnan(values).any(axis=1)
        if not known.any():
            return None
        feasible = targets.feasible[:n] & known
        budgets, foreign = self.history.column("budget")[:n], imported(self.history)[:n]
        counting = feasible if feasible.any() else known
        if (counting & ~foreign).any():
            counting = counting & ~foreign
        top = budgets[counting].max()
        counting = counting & (budgets == top)
        if not feasible.any():
            bad = fitness(targets, np.arange(n))
            values = np.where(np.isfinite(bad), bad, np.nan)[:, None]
        table, extra = self.history.vectors[:n], list[float]()
        if (budgets != top).any():
            table = np.column_stack([table, np.log(budgets)])
            extra.append(math.log(top))
        if foreign.any():
            table = np.column_stack([table, foreign])
            extra.append(float(foreign[counting].max()))
        scores = np.empty_like(values)
        for group in (foreign, ~foreign):  # another study's losses may be on another scale
            if group.any():
                scores[group] = np.column_stack([_normal_scores(y) for y in values[group].T])
        at = np.flatnonzero(counting)
        if scores.shape[1] == 1:
            incumbents = at[np.argsort(scores[at, 0], kind="stable")]
        else:
            incumbents = at[undominated(scores[at])]
        with_constraints = targets.n_constraints and feasible.any() and not feasible[known].all()
        return Beliefs(
            tuple(self._forest(table, y, seed) for y in scores.T),
            self._forest(table, feasible.astype(float), seed) if with_constraints else None,
            np.array(extra),
            scores[at],
            incumbents,
        )

    def _forest(self, table: FloatArray, y: FloatArray, seed: int) -> Forest:
        kinds = np.zeros(table.shape[1], dtype=np.intp)
        kinds[: self.space.dim] = np.where(self.space.is_categorical, self.space.n_choices, 0)
        return Forest(
            table, y, kinds, n_trees=self.n_trees, min_leaf=_MIN_LEAF, max_features=_MAX_FEATURES,
            seed=seed,
        )  # fmt: skip


class Acquisition:
    """The log of the expected improvement, of the feasibility, and of what pending jobs leave.

    Parameters
    ----------
    beliefs : Beliefs
    pending : float64 (p, dim)
        Rows that are out.
    rng : numpy.random.Generator
        For the weights of several objectives.
    best : float, optional
        The score to improve; default: the lowest.
    """

    def __init__(
        self,
        beliefs: Beliefs,
        pending: FloatArray,
        rng: np.random.Generator,
        *,
        best: float | None = None,
    ) -> None:
        self.beliefs = beliefs
        m = len(beliefs.objectives)
        # Tchebycheff's distance to below the best of each objective (Knowles 2006, ParEGO).
        self._weights = rng.dirichlet(np.ones(m)) * m if m > 1 else np.ones(1)
        self._ideal = beliefs.scores.min(axis=0) - 1.0 if m > 1 else np.zeros(1)
        self._best = float(self._scalar(beliefs.scores.T).min()) if best is None else best
        self._out = self._leaves(beliefs.objectives[0], pending) if len(pending) else None

    def __call__(self, rows: FloatArray) -> FloatArray:
        """Return the value at encoded rows (k, dim); shape (k,)."""
        beliefs = self.beliefs
        leaves = [self._leaves(forest, rows) for forest in beliefs.objectives]
        each = np.array(
            [f.trees.value[at] for f, at in zip(beliefs.objectives, leaves, strict=True)]
        )
        predicted = self._scalar(each)
        deviation = np.maximum(predicted.std(axis=0), _LEAST_DEVIATION)
        value = log_expected_improvement(predicted.mean(axis=0), deviation, self._best)[0]
        if beliefs.feasibility is not None:
            forest = beliefs.feasibility
            share = forest.trees.value[self._leaves(forest, rows)].mean(axis=0)
            value = value + np.log(np.maximum(share, 1e-3))
        if self._out is not None:
            # Of the trees, how many cannot tell it from some pending job.
            alike = np.zeros(len(rows))
            for column in self._out.T:
                np.maximum(alike, (leaves[0] == column[:, None]).mean(axis=0), out=alike)
            value = value + np.log(np.maximum(1.0 - alike, _LEAST_NEWS))
        return value

    def _leaves(self, forest: Forest, rows: FloatArray) -> IntArray:
        extra = np.tile(self.beliefs.extra, (len(rows), 1))
        return forest.trees.apply(np.column_stack([rows, extra]), forest.is_categorical)

    def _scalar(self, scores: FloatArray) -> FloatArray:
        """Return one number for scores of shape (m, ...)."""
        if len(scores) == 1:
            only: FloatArray = scores[0]
            return only
        shape = (-1,) + (1,) * (scores.ndim - 1)
        weighted = self._weights.reshape(shape) * (scores - self._ideal.reshape(shape))
        result: FloatArray = weighted.max(axis=0) + 0.05 * weighted.sum(axis=0)
        return result


def _normal_scores(values: FloatArray) -> FloatArray:
    """Return normal quantiles of the ranks, whatever the values; NaN counts as the worst known."""
    from scipy.special import ndtri

    filled = np.where(np.isnan(values), np.inf, values)
    known = filled[np.isfinite(filled)]
    filled = np.minimum(filled, known.max() if len(known) else 0.0)
    _, place, count = np.unique(filled, return_inverse=True, return_counts=True)
    share = (np.cumsum(count) - 0.5 * count) / len(filled)
    scores: FloatArray = ndtri(share)[place.reshape(-1)]
    return scores
