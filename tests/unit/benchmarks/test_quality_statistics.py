"""Ranks, normalised regrets, bootstrap intervals and wins."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.quality import statistics
from benchmarks.quality.statistics import WinTieLoss


def table(*values: float, n: int = 20) -> dict[str, np.ndarray]:
    """Return a table whose problems have these means, with a little noise over `n` seeds."""
    rng = np.random.default_rng(0)
    return {f"p{i}": v * (1 + 0.01 * rng.standard_normal(n)) for i, v in enumerate(values)}


def test_ranks_share_ties() -> None:
    """The smallest has rank 1; equal values share the mean of their ranks."""
    assert [1.0, 3.5, 2.0, 3.5] == statistics.ranks([0.1, 0.7, 0.3, 0.7]).tolist()


@given(st.lists(st.integers(0, 5), min_size=1, max_size=8))
def test_ranks_sum_up(values: list[int]) -> None:
    """Whatever the ties, n engines share n (n + 1) / 2 ranks."""
    n = len(values)
    assert n * (n + 1) / 2 == statistics.ranks(values).sum()


def test_mean_rank_is_over_runs() -> None:
    """Two engines that each win half of the runs share rank 1.5."""
    a = {"p": np.array([0.0, 1.0]), "q": np.array([0.0, 0.0])}
    b = {"p": np.array([1.0, 0.0]), "q": np.array([1.0, 0.0])}
    assert [1.375, 1.625] == [interval.value for interval in statistics.mean_rank([a, b])]


def test_normalised_regret() -> None:
    """0 is the best, 1 the median; what is worse, or not there yet, counts as 1."""
    losses = [2.0, 6.0, 10.0, 99.0, np.inf, np.nan, 1.9]
    assert [0, 0.5, 1, 1, 1, 1, 0] == statistics.normalise(losses, 2.0, 10.0).tolist()


def test_bootstrap_holds_the_mean() -> None:
    """The interval lies about the mean, is empty without noise, and comes out the same twice."""
    noisy = {"p": np.random.default_rng(1).random(30)}
    found = statistics.bootstrap_mean(noisy)
    assert found.low < noisy["p"].mean() == found.value < found.high
    assert statistics.bootstrap_mean(noisy) == found
    constant = statistics.bootstrap_mean({"p": np.full(5, 0.25)})
    assert (0.25, 0.25, 0.25) == (constant.value, constant.low, constant.high)


def test_bootstrap_covers() -> None:
    """Of 100 samples of 20, at least 85 intervals hold the true mean (nominal: 95)."""
    rng = np.random.default_rng(2)
    found = [statistics.bootstrap_mean({"p": rng.normal(size=20)}, n=400) for _ in range(100)]
    assert sum(interval.low <= 0 <= interval.high for interval in found) >= 85


def test_regret_ratio_is_paired_and_geometric() -> None:
    """Half the regret on one problem and twice on another cancel out; equal tables give 1."""
    assert statistics.regret_ratio(table(0.1, 0.4), table(0.2, 0.2)).value == pytest.approx(1.0)
    same = statistics.regret_ratio(table(0.3), table(0.3))
    assert (1.0, 1.0, 1.0) == (same.value, same.low, same.high)


def test_regrets_near_zero_are_equal() -> None:
    """Below the floor no engine is better than another."""
    assert statistics.regret_ratio(table(1e-9), table(1e-7)).value == 1.0


def test_win_tie_loss() -> None:
    """A clear difference is a win or a loss, none a tie."""
    ours, theirs = table(0.1, 0.5, 0.3), table(0.2, 0.4, 0.3)
    assert WinTieLoss(1, 1, 1) == statistics.win_tie_loss(ours, theirs)
    assert WinTieLoss(3, 0, 0) == statistics.win_tie_loss(table(0.1, 0.1, 0.1), table(1, 1, 1))
