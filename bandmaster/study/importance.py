"""How much each parameter matters for the loss."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import numpy as np

from bandmaster.core.evaluation import Evaluation
from bandmaster.core.formatting import format_budget
from bandmaster.core.objectives import Objectives
from bandmaster.errors import ConfigurationError
from bandmaster.models.fanova import Cdf, Fanova
from bandmaster.models.forest import Forest
from bandmaster.models.trees import FloatArray
from bandmaster.space.columns import Choice, Column, Grid, LogGrid
from bandmaster.space.parameters import Ordinal
from bandmaster.space.space import Space
from bandmaster.study.parameter_table import ParameterTable
from bandmaster.study.rows import loss_of

__all__ = [
    "SCALES",
    "ParameterImportance",
    "compute_importance",
    "default_budget",
    "fit_fanova",
    "is_unordered",
    "scale_losses",
    "to_unit",
]

SCALES: Final = ("auto", "linear", "log", "rank")
_LEAST: Final = 4  # evaluations below which a tree cannot have a split that says anything
_ENOUGH: Final = 10  # what the budget that is chosen by default should have
_WIDE: Final = 1000.0  # losses that span more are taken as logarithms
_SAMPLE: Final = 1000  # rows a tree; more make each tree slower and hardly better
_PAIRED: Final = 12  # parameters whose interactions are looked at: 66 pairs


@dataclass(frozen=True, slots=True, repr=False)
class ParameterImportance:
    """The shares of the loss's variance that parameters explain, alone and in pairs.

    The shares are those of a forest's prediction over the whole space, each the mean over the
    trees that predict more than one number. All of them, the interactions of pairs that were not
    looked at (of many parameters the twelve that matter most are paired), and those of three and
    more parameters add up to 1.

    Parameters
    ----------
    importance : dict of str to float
        What each parameter explains alone; the largest first. Empty if there is too little to see.
    std : dict of str to float
        The standard deviation over those trees.
    interactions : dict of (str, str) to float
        What two parameters explain together beyond what each does alone; the largest first.
    interactions_std : dict of (str, str) to float
    budget : float or None
        Where the losses are from.
    n_evaluations : int
        How many of them there are.
    r2 : float
        How well the forest predicts losses that it did not see: 1 is perfect; near or below 0 it
        has learned nothing, and the shares mean nothing.
    scale : {"linear", "log", "rank"}
        What was done to the losses.
    why_empty : str or None
        What was missing.

    References
    ----------
    Hutter, F., Hoos, H. and Leyton-Brown, K. (2014). An efficient approach for assessing
    hyperparameter importance.
    """

    importance: dict[str, float] = field(default_factory=dict)
    std: dict[str, float] = field(default_factory=dict)
    interactions: dict[tuple[str, str], float] = field(default_factory=dict)
    interactions_std: dict[tuple[str, str], float] = field(default_factory=dict)
    budget: float | None = None
    n_evaluations: int = 0
    r2: float = float("nan")
    scale: str = "linear"
    why_empty: str | None = None

    def __repr__(self) -> str:
        if self.why_empty is not None:
            return f"<ParameterImportance: {self.why_empty}>"
        rows = [(name, share, self.std[name]) for name, share in self.importance.items()]
        rows += [
            (f"{a} × {b}", share, self.interactions_std[a, b])
            for (a, b), share in itertools.islice(self.interactions.items(), 5)
        ]
        width = max(len(name) for name, _, _ in rows)
        losses = {"linear": "losses", "log": "logarithms of losses", "rank": "ranks of losses"}
        lines = [f"{name:<{width}}  {share:6.1%} ± {std:.1%}" for name, share, std in rows]
        budget = "" if self.budget is None else f" at budget {format_budget(self.budget)}"
        lines.append(
            f"of the variance of {self.n_evaluations} {losses[self.scale]}{budget}; the forest's "
            f"R² is {self.r2:.2f}"
        )
        return "\n".join(lines)


def compute_importance(
    evaluations: Sequence[Evaluation],
    space: Space | None = None,
    *,
    budget: float | None = None,
    scale: str = "auto",
    n_trees: int = 16,
    seed: int = 0,
    objectives: Objectives | None = None,
) -> ParameterImportance:
    """Take the variance of the losses at a budget apart by parameters (fANOVA on a forest).

    Parameters
    ----------
    evaluations : sequence of Evaluation
        Only those that are ok count.
    space : Space, optional
        Without it, bounds and choices are those that occur.
    budget : float, optional
        Default: the largest with ten successes, else the one with the most.
    scale : {"auto", "linear", "log", "rank"}, default "auto"
        Whether to take the losses as they are, their logarithms or their ranks. ``"auto"`` takes
        logarithms if the losses are positive and span three decades: of their plain variance the
        worst few would be all.
    n_trees : int, default 16
    seed : int, default 0
    objectives : Objectives, optional
        What the losses were made of: a metric to maximise is looked at with its own sign. Default:
        minimise ``loss``.

    Raises
    ------
    ConfigurationError
        If there is no such scale, ``"log"`` is wanted for losses that are not positive, or
        `n_trees` is less than 1.
    """
    if scale not in SCALES:
        raise ConfigurationError(f"scale is {scale!r}; there are {', '.join(map(repr, SCALES))}")
    if n_trees < 1:
        raise ConfigurationError(f"n_trees must be at least 1, got {n_trees!r}")
    good = [e for e in evaluations if loss_of(e) is not None]
    if not good:
        return ParameterImportance(budget=budget, why_empty=_nothing(len(evaluations)))
    if budget is None:
        budget = default_budget(good)
    here = [e for e in good if e.budget == budget]
    losses = np.array([loss_of(e) for e in here], dtype=np.float64)
    table = ParameterTable.of(here, space)
    why = _why_empty(budget, losses, table)
    if why is not None:
        return ParameterImportance(budget=budget, n_evaluations=len(here), why_empty=why)
    y, used = scale_losses((objectives or Objectives()).primary.sign * losses, scale)
    forest, fanova, searched = fit_fanova(table, y, n_trees=n_trees, seed=seed)
    names = [table.names[j] for j in searched]
    if not fanova.variance.any():
        return ParameterImportance(
            budget=budget, n_evaluations=len(here), scale=used,
            why_empty=f"{len(here)} evaluations {_at(budget)} are too few to tell what matters",
        )  # fmt: skip
    varies = fanova.variance > 0  # a constant tree has nothing to share
    all_single = fanova.single()
    single = all_single[varies]
    used_in = [np.count_nonzero(forest.trees.feature == j) for j in range(len(names))]
    # By what each explains, then by how often it is split: a pure interaction explains nothing.
    promising = np.lexsort((used_in, single.mean(axis=0)))[::-1][:_PAIRED]
    pairs = {
        (names[i], names[j]): fanova.pair(i, j, all_single)[varies]
        for i, j in itertools.combinations(sorted(promising.tolist()), 2)
    }
    alone = sorted(range(len(names)), key=lambda j: -float(single[:, j].mean()))
    together = sorted((p for p in pairs if pairs[p].any()), key=lambda p: -float(pairs[p].mean()))
    return ParameterImportance(
        importance={names[j]: float(single[:, j].mean()) for j in alone},
        std={names[j]: float(single[:, j].std()) for j in alone},
        interactions={p: float(pairs[p].mean()) for p in together},
        interactions_std={p: float(pairs[p].std()) for p in together},
        budget=budget,
        n_evaluations=len(here),
        r2=forest.out_of_bag_r2(),
        scale=used,
    )


def fit_fanova(
    table: ParameterTable, y: FloatArray, *, n_trees: int = 16, seed: int = 0
) -> tuple[Forest, Fanova, list[int]]:
    """Fit a forest to the parameters that can vary, and prepare its analysis.

    Returns
    -------
    forest : Forest
    fanova : Fanova
    searched : list of int
        Which columns of the table the forest's columns are.
    """
    searched = [j for j, column in enumerate(table.columns) if column.n_values > 1]
    columns = [table.columns[j] for j in searched]
    codes = table.codes[:, searched].copy()
    for j, column in enumerate(columns):
        codes[:, j] = to_unit(column, codes[:, j])
    n_choices = [int(c.n_values) if is_unordered(c) else 0 for c in columns]
    forest = Forest(
        codes, y, n_choices, n_trees=n_trees, max_samples=_SAMPLE, seed=seed,
        min_leaf=int(np.clip(len(y) // 15, 1, 3)),
    )  # fmt: skip
    weights = [c.weights if isinstance(c, Choice) else None for c in columns]
    return forest, Fanova(forest, weights=weights, cdfs=[_cdf(c) for c in columns]), searched


def is_unordered(column: Column) -> bool:
    """Whether a column's values are choices without an order."""
    return column.is_choice and not isinstance(column.parameter, Ordinal)


def to_unit(column: Column, codes: FloatArray) -> FloatArray:
    """Return the codes of an ordinal as numbers in [0, 1]; others stay."""
    return (codes + 0.5) / column.n_values if isinstance(column.parameter, Ordinal) else codes


def scale_losses(losses: FloatArray, scale: str = "auto") -> tuple[FloatArray, str]:
    """Return the losses on a scale, and which it is.

    Raises
    ------
    ConfigurationError
        If losses that are not positive shall be logarithms.
    """
    low, high = float(losses.min()), float(losses.max())
    if scale == "auto":
        scale = "log" if low > 0 and high / _WIDE >= low else "linear"
    if scale == "log":
        if low <= 0:
            raise ConfigurationError(
                f"the least is {low:g}; logarithms need positive ones: use scale='rank' or 'linear'"
            )
        return np.log10(losses), scale
    if scale == "rank":
        _, place, count = np.unique(losses, return_inverse=True, return_counts=True)
        ranks: FloatArray = (count.cumsum() - (count - 1) / 2)[place]
        return ranks, scale
    # Squares of losses near the largest float would be infinite.
    size = max(abs(low), abs(high))
    return (losses / size if size > 1e100 else losses), scale


def default_budget(good: Sequence[Evaluation]) -> float:
    """Return the largest budget with ten of these evaluations, else the one with the most."""
    counts: dict[float, int] = {}
    for e in good:
        counts[e.budget] = counts.get(e.budget, 0) + 1
    enough = [b for b, n in counts.items() if n >= _ENOUGH]
    return max(enough) if enough else max(counts, key=lambda b: (counts[b], b))


def _nothing(total: int) -> str:
    if not total:
        return "No evaluation has finished yet"
    return f"No loss to show: none of {total} evaluation{'s' * (total > 1)} succeeded"


def _why_empty(budget: float, losses: FloatArray, table: ParameterTable) -> str | None:
    at = _at(budget)
    if len(losses) < _LEAST:
        return (
            f"Too few evaluations: {len(losses)} succeeded {at}, importance needs {_LEAST} or more"
        )
    if losses.min() == losses.max():
        return f"All {len(losses)} losses {at} are equal: no parameter matters"
    if not table.searched:
        return "No parameter has more than one value"
    return None


def _at(budget: float) -> str:
    return f"at budget {format_budget(budget)}"


def _cdf(column: Column) -> Cdf | None:
    """Return the share of the prior below a threshold, where it is not the threshold itself.

    Between two values of a grid or an ordinal all thresholds part the same values: they count as
    the edge of the cells there.
    """
    edge = _edge_of(column)
    if getattr(column.parameter, "distribution", None) is None:
        return edge
    from bandmaster.space.distributions import quantiles

    shares = np.linspace(0.0, 1.0, 1025)
    points = np.clip(quantiles(column)(shares), 0.0, 1.0)

    def cdf(x: FloatArray) -> FloatArray:
        x = x if edge is None else edge(x)
        below: FloatArray = np.interp(x, points, shares, left=0.0, right=1.0)
        # The sides of the whole range belong to it even where the prior ends before.
        below = np.where(x <= 0.0, 0.0, np.where(x >= 1.0, 1.0, below))
        return below

    return cdf


def _edge_of(column: Column) -> Cdf | None:
    """Return the map from thresholds to the edge above the cells whose codes are not above them."""
    if isinstance(column, LogGrid):
        return partial(_log_edge, column)
    if isinstance(column, Grid) or isinstance(column.parameter, Ordinal):
        n = float(column.n_values)
        return lambda x: np.floor(x * n + 0.5) / n
    return None


def _log_edge(column: LogGrid, x: FloatArray) -> FloatArray:
    cell = column.index_many(x)
    cell = cell + (column.codes(cell) <= x)
    inner = np.clip(cell, 1, column.n - 1)
    lowest = column.numbers(column.codes(inner)) - column.width / 2
    edge = (np.log(lowest) - column.log_lower) / column.log_span
    return np.where(cell < 1, 0.0, np.where(cell >= column.n, 1.0, edge))
