"""What a model learns from: a row a trial, and which of them are good."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bandmaster.core.history import History
from bandmaster.core.job import Job
from bandmaster.optimizers.fidelity import fuse
from bandmaster.optimizers.niches import best_apart
from bandmaster.optimizers.pareto import best_first
from bandmaster.optimizers.selection import lowest
from bandmaster.optimizers.targets import Targets
from bandmaster.optimizers.transfer import Transfer, imported

__all__ = ["Evidence", "Split", "feasibility", "gather", "modelled_budget", "split"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]
BoolArray = npt.NDArray[np.bool_]

_OUT = 0.3  # what a pending trial weighs among the bad ones: enough to keep others apart


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known, a row a trial.

    Parameters
    ----------
    trials : int64 (t,)
    rows : float64 (t, dim)
        Encoded.
    values : float64 (t, m)
        The optimised metrics at the largest budget, or what lower ones say of it; inf for failures.
    violations : float64 (t, c)
        NaN for failures.
    weights : float64 (t,)
        From 0 to 1: what another study or a lower budget says may count less.
    n_budgets : int
        How many budgets the results come from.
    """

    trials: npt.NDArray[np.int64]
    rows: FloatArray
    values: FloatArray
    violations: FloatArray
    weights: FloatArray
    n_budgets: int = 1

    @property
    def n(self) -> int:
        """How many trials there are, each counted by its weight."""
        return math.ceil(float(self.weights.sum()))

    def where(self, mask: BoolArray) -> Evidence:
        """Return what is known of some trials, bool (t,)."""
        return Evidence(
            self.trials[mask], self.rows[mask], self.values[mask], self.violations[mask],
            self.weights[mask], self.n_budgets,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Split:
    """Observations in two halves.

    Parameters
    ----------
    good, bad : float64 (g, dim), (b, dim)
        Encoded rows; pending trials are at the end of `bad`.
    weights : float64 (g,)
        Of the good ones, mean 1.
    bad_weights : float64 (b,)
        Of the bad ones, at most 1.
    n : int
        How many observations there are in all, the bad ones that were left out included.
    """

    good: FloatArray
    bad: FloatArray
    weights: FloatArray
    bad_weights: FloatArray
    n: int


def modelled_budget(history: History, enough: int) -> float | None:
    """Return the largest budget with `enough` finished evaluations, one of them successful.

    Failed evaluations count: they tell where not to look. None while no budget has enough.
    """
    for budget in reversed(history.budgets):
        if history.count(budget) >= enough and history.best(budget) is not None:
            return budget
    return None


def gather(history: History, targets: Targets, transfer: Transfer) -> Evidence:
    """Bring the results of all budgets, and those of other studies, to one row a trial.

    See `bandmaster.optimizers.fidelity.fuse` for several budgets; the constraints of a trial are
    those of its largest one. A single objective of other studies is brought to the scale of this
    one (`Transfer.adopted`).
    """
    trials, values = history.column("trial"), targets.values
    violations, vectors = targets.violations, history.vectors
    rows, weights = np.arange(len(trials)), np.ones(len(trials))
    values = np.where(_all_of(~np.isnan(values))[:, None], values, np.inf)
    if len(history.budgets) > 1:
        budgets = history.column("budget")
        fused = [fuse(trials, budgets, column) for column in values.T]
        rows = fused[0].rows
        weights = np.mean([f.trust for f in fused], axis=0)
        values = np.column_stack([f.values for f in fused])
        trials, violations, vectors = trials[rows], violations[rows], vectors[rows]
    if imported(history).any():
        trust = transfer.weights(history)[rows]
        if values.shape[1] == 1:
            adopted, trust = transfer.adopted(history, rows, values[:, 0])
            values = adopted[:, None]
        weights = weights * trust
    evidence = Evidence(trials, vectors, values, violations, weights, len(history.budgets))
    counts = weights > 0.0
    return evidence if counts.all() else evidence.where(counts)


def split(
    evidence: Evidence,
    pending: Collection[Job],
    *,
    gamma: float,
    max_good: int,
    max_bad: int,
    rng: np.random.Generator,
    apart: FloatArray | None = None,
) -> Split:
    """Divide what is known into good and bad.

    Parameters
    ----------
    evidence : Evidence
        With a trial that succeeded.
    pending : collection of Job
        Trials that are out count as bad, with a small weight, until they finish (the constant
        liar of Ginsbourger et al. 2010), unless they have a result and run again at a larger
        budget.
    gamma, max_good : float, int
        ``min(ceil(gamma * n), max_good)`` observations are good, those first that violate no
        constraint; failed ones never are. Of several objectives by non-dominated rank and
        hypervolume.
    max_bad : int
        More bad ones than this are thinned at random.
    rng : numpy.random.Generator
        For the thinning.
    apart : float64 (t, dim), optional
        The rows on [0, 1]. When the good ones of a single objective have gathered in few places,
        the best of every place are good instead, and weigh the same (`niches.best_apart`).

    Notes
    -----
    With one objective good ones that are feasible weigh by their improvement over the best that is
    not good, otherwise all weigh the same.
    """
    n, ok = evidence.n, _all_of(np.isfinite(evidence.values))
    n_good = max(1, min(math.ceil(gamma * n), max_good, int(np.count_nonzero(ok))))
    order, n_feasible = _order(evidence, ok, n_good)
    good, bad = order[:n_good], order[n_good:]
    weights = np.ones(n_good)
    if evidence.values.shape[1] == 1 and n_feasible >= n_good:
        losses = evidence.values[:, 0]
        places = None
        if apart is not None and n_feasible == np.count_nonzero(ok):
            places = best_apart(apart, losses, n_good)
        if places is None:
            weights = _improvement(losses[good], losses[bad[0]] if n_feasible > n_good else np.inf)
        else:
            good, bad = places, np.delete(np.arange(len(order)), places)
            weights = np.ones(len(good))
    weights = weights * evidence.weights[good]
    if len(bad) > max_bad:
        bad = bad[rng.choice(len(bad), max_bad, replace=False, shuffle=False)]
    bad_rows, bad_weights = evidence.rows.take(bad, axis=0), evidence.weights[bad]
    if pending:
        finished = np.isin([job.trial for job in pending], evidence.trials)
        out = [
            job.vector
            for job, done in zip(pending, finished.tolist(), strict=True)
            if not done and job.vector is not None
        ]
        if out:
            bad_rows = np.concatenate([bad_rows, np.concatenate(out).reshape(len(out), -1)])
            bad_weights = np.append(bad_weights, np.full(len(out), _OUT))
    weights *= len(good) / weights.sum()
    return Split(evidence.rows.take(good, axis=0), bad_rows, weights, bad_weights, n)


def feasibility(
    evidence: Evidence, *, max_rows: int, rng: np.random.Generator
) -> list[tuple[float, Split]]:
    """Divide what is known by every constraint that was ever violated.

    Returns
    -------
    list of (share, Split)
        The share of trials that met it, above 0 and below 1, and these as good, the others as bad.
        At least one counts as good: the one that violates it least. A constraint of which a single
        trial is known is left out, there being nothing to compare.
    """
    result = []
    for violation in evidence.violations.T:
        known = np.flatnonzero(~np.isnan(violation))
        met = violation[known] <= 0.0
        if len(met) and not met.any():
            met[np.argmin(violation[known])] = True
        if met.all():
            continue
        share = float(met.mean())
        good, bad = (
            part[rng.permutation(len(part))[:max_rows]] for part in (known[met], known[~met])
        )
        weights = evidence.weights
        result.append(
            (
                share,
                Split(
                    evidence.rows[good], evidence.rows[bad], weights[good], weights[bad], len(known)
                ),
            )
        )
    return result


def _order(evidence: Evidence, ok: BoolArray, n: int) -> tuple[IntArray, int]:
    """Return an order with the `n` best first, and how many are feasible.

    Infeasible ones follow by how much they violate in all, each constraint in shares of the worst
    seen; failed ones are last.
    """
    values, violations = evidence.values, evidence.violations
    if values.shape[1] == 1 and not violations.shape[1]:
        return lowest(values[:, 0], n), int(np.count_nonzero(ok))
    over = np.maximum(violations, 0.0)
    met = ok & (over == 0.0).all(axis=1)
    feasible = np.flatnonzero(met)
    first = feasible[best_first(values[feasible], n + 1)]
    rest = np.ones(len(ok), dtype=np.bool_)
    rest[first] = False
    others = np.flatnonzero(rest)
    worst = np.maximum(np.max(over, axis=0, initial=0.0, where=~np.isnan(over)), 1e-300)
    excess = np.where(ok, (over / worst).sum(axis=1), np.inf)
    excess[np.isnan(excess)] = np.finfo(np.float64).max  # it ended well, but a metric is missing
    # Feasible ones beyond the first have no excess, and so come before those that violate.
    return np.concatenate([first, others[np.argsort(excess[others], kind="stable")]]), len(feasible)


def _all_of(mask: BoolArray) -> BoolArray:
    """Return which rows are true in every column, (n,); quickly if there is one."""
    return mask[:, 0] if mask.shape[1] == 1 else np.asarray(mask.all(axis=1))


def _improvement(losses: FloatArray, threshold: float) -> FloatArray:
    """Return weights in proportion to the improvement over the threshold.

    Losses may be as large as floats get, hence the halves; all equal, they weigh the same.
    """
    if not math.isfinite(threshold):
        threshold = float(losses[-1])
    gain = threshold / 2 - losses / 2
    top = gain.max()
    if not top > 0.0:
        return np.ones(len(losses))
    weights: FloatArray = np.maximum(gain / top, 1e-12)
    return weights
