"""Ranks, normalised regrets, bootstrap intervals and wins over a table of regrets.

A table is ``regret[engine][problem]``: an array of shape (seeds,), the same seeds for all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = [
    "Interval",
    "WinTieLoss",
    "bootstrap_mean",
    "mean_rank",
    "normalise",
    "ranks",
    "regret_ratio",
    "win_tie_loss",
]

FloatArray = npt.NDArray[np.float64]
Table = Mapping[str, FloatArray]

N_BOOTSTRAP = 2_000
FLOOR = 1e-5  # of a normalised regret: below it nobody cares which is better


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]"


@dataclass(frozen=True, slots=True)
class WinTieLoss:
    """On how many problems one is better than another, or no difference can be told."""

    wins: int
    ties: int
    losses: int

    def __str__(self) -> str:
        return f"{self.wins}/{self.ties}/{self.losses}"


def normalise(loss: npt.ArrayLike, best: float, median: float) -> FloatArray:
    """Return (loss − best)/(median − best), at least 0; 1 where there is no loss yet.

    More than 1 counts as 1: worse than a random configuration is no news.
    """
    span = median - best
    regret = (np.asarray(loss, dtype=float) - best) / (span if span > 0 else 1.0)
    clipped: FloatArray = np.clip(np.nan_to_num(regret, nan=1.0, posinf=1.0), 0.0, 1.0)
    return clipped


def ranks(values: npt.ArrayLike) -> FloatArray:
    """Return the ranks along the first axis, from 1 for the smallest; ties share the mean."""
    array = np.asarray(values, dtype=float)
    below = (array[None] < array[:, None]).sum(1)
    equal = (array[None] == array[:, None]).sum(1)
    result: FloatArray = below + (equal + 1) / 2
    return result


def mean_rank(tables: Sequence[Table]) -> list[Interval]:
    """Return each engine's mean rank: ranked in every run, averaged over seeds, then problems.

    Parameters
    ----------
    tables : sequence of Table
        One an engine, with the same problems and seeds.
    """
    problems = list(tables[0])
    ranked = {p: ranks(np.array([table[p] for table in tables])) for p in problems}
    return [bootstrap_mean({p: ranked[p][i] for p in problems}) for i in range(len(tables))]


def bootstrap_mean(table: Table, n: int = N_BOOTSTRAP) -> Interval:
    """Return the mean over problems of the mean over seeds; seeds are resampled."""
    rng = np.random.default_rng(0)
    value = float(np.mean([v.mean() for v in table.values()]))
    draws = np.mean([v[_resample(len(v), n, rng)].mean(1) for v in table.values()], axis=0)
    return Interval(value, *(float(q) for q in np.quantile(draws, [0.025, 0.975])))


def regret_ratio(ours: Table, theirs: Table, n: int = N_BOOTSTRAP) -> Interval:
    """Return the geometric mean over problems of the ratio of mean regrets; below 1 is better.

    Paired: the same seeds are resampled for both. Regrets below 1e-5 count as 1e-5.
    """
    rng = np.random.default_rng(0)
    value, draws = [], []
    for problem, mine in ours.items():
        other = theirs[problem]
        pick = _resample(len(mine), n, rng)
        value.append(_log_ratio(mine.mean(), other.mean()))
        draws.append(_log_ratio(mine[pick].mean(1), other[pick].mean(1)))
    low, high = np.exp(np.quantile(np.mean(draws, axis=0), [0.025, 0.975]))
    return Interval(float(np.exp(np.mean(value))), float(low), float(high))


def win_tie_loss(ours: Table, theirs: Table, n: int = N_BOOTSTRAP) -> WinTieLoss:
    """Count the problems where the paired 95 % interval of the mean difference leaves out 0."""
    rng = np.random.default_rng(0)
    wins = losses = 0
    for problem, mine in ours.items():
        gap = mine - theirs[problem]
        low, high = np.quantile(gap[_resample(len(gap), n, rng)].mean(1), [0.025, 0.975])
        wins += bool(high < 0)
        losses += bool(low > 0)
    return WinTieLoss(wins, len(ours) - wins - losses, losses)


def _resample(size: int, n: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    return rng.integers(size, size=(n, size))


def _log_ratio(a: npt.ArrayLike, b: npt.ArrayLike) -> FloatArray:
    ratio: FloatArray = np.log(np.maximum(a, FLOOR)) - np.log(np.maximum(b, FLOOR))
    return ratio
