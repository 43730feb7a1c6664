"""Rules of what lower budgets weigh."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bandmaster.optimizers.fidelity import (
    budget_weights,
    fuse,
    losses_by_trial,
    ranking_losses,
)

FloatArray = npt.NDArray[np.float64]


@st.composite
def rankings(draw: st.DrawFn) -> tuple[FloatArray, FloatArray]:
    """Predictions of some budgets for some configurations, with gaps, and what was observed."""
    k, n = draw(st.integers(1, 4)), draw(st.integers(0, 12))
    numbers = st.integers(-5, 5).map(float)
    predictions = draw(arrays(float, (k, n), elements=numbers | st.just(np.nan)))
    return predictions, draw(arrays(float, n, elements=numbers | st.just(np.inf)))


@given(rankings())
def test_weights_are_shares(ranking: tuple[FloatArray, FloatArray]) -> None:
    """Weights are not negative, sum to one, and are the same when computed again."""
    weights = budget_weights(*ranking)
    assert len(ranking[0]) == len(weights)
    assert (weights >= 0).all()
    assert 1.0 == pytest.approx(weights.sum())
    assert weights.tolist() == budget_weights(*ranking).tolist()


@given(rankings())
def test_only_the_order_counts(ranking: tuple[FloatArray, FloatArray]) -> None:
    """Any increasing function of the predictions or of the results gives the same."""
    predictions, observed = ranking
    stretched = budget_weights(np.exp(predictions), 3 * observed + 1)
    assert stretched.tolist() == budget_weights(predictions, observed).tolist()


@given(rankings())
def test_opposite_orders_share_the_pairs(ranking: tuple[FloatArray, FloatArray]) -> None:
    """What one row gets wrong its negative gets right."""
    predictions, observed = ranking
    both = ranking_losses(predictions, observed) + ranking_losses(-predictions, observed)
    assert both == pytest.approx(np.ones(len(predictions)))


def test_share_of_wrong_pairs() -> None:
    """Of three pairs one is wrong, or unknown for half; where all are equal there is no pair."""
    observed = np.array([1.0, 2.0, 3.0])
    rows = np.array([[1.0, 2.0, 3.0], [2.0, 1.0, 3.0], [1.0, 2.0, 2.0], [np.nan, 1.0, 2.0]])
    assert [0.0, 1 / 3, 1 / 6, 1 / 3] == pytest.approx(ranking_losses(rows, observed).tolist())
    assert [0.5] == ranking_losses(rows[:1], np.ones(3)).tolist()


def test_the_best_order_weighs_most() -> None:
    """A budget that orders as the largest does outweighs a noisy one; a reversed one is out."""
    rng = np.random.default_rng(0)
    observed = rng.random(30)
    rows = np.array([-observed, rng.random(30), observed + 0.1 * rng.standard_normal(30)])
    weights = budget_weights(rows, observed)
    assert 0.0 == weights[0]
    assert weights[2] > 0.9


def test_ties_go_to_the_larger_budget() -> None:
    """Where two budgets order equally well the later row counts."""
    observed = np.arange(20.0)
    assert [0.0, 1.0] == budget_weights(np.array([observed, observed]), observed).tolist()


def test_nothing_to_compare() -> None:
    """Without two different results all budgets share equally."""
    assert [0.5, 0.5] == budget_weights(np.empty((2, 0)), np.empty(0)).tolist()
    assert [0.5, 0.5] == budget_weights(np.array([[1.0], [2.0]]), np.ones(1)).tolist()


def test_many_observations_are_thinned() -> None:
    """Thousands of observations cost no more than a hundred and weigh the same way."""
    observed = np.arange(5000.0)
    weights = budget_weights(np.array([-observed, observed]), observed)
    assert [0.0, 1.0] == weights.tolist()


def test_matrix_of_losses() -> None:
    """Each trial has a column, each budget a row; the last result of a repeated one counts."""
    trials, losses = losses_by_trial(
        [3, 1, 3, 3, 7], [1.0, 1.0, 3.0, 3.0, 9.0], [0.5, 0.6, 0.7, 0.8, 0.9], (1.0, 3.0)
    )
    assert [1, 3, 7] == trials.tolist()
    expected = np.array([[0.6, 0.5, np.nan], [np.nan, 0.8, np.nan]])
    np.testing.assert_array_equal(expected, losses)


def test_one_budget_is_as_it_is() -> None:
    """With one budget values are the results, the last of a repeated trial, with full trust."""
    fused = fuse([4, 2, 4], [1.0] * 3, [5.0, 6.0, 7.0])
    assert [1, 2] == fused.rows.tolist()
    assert [6.0, 7.0] == fused.values.tolist()
    assert [1.0, 1.0] == fused.trust.tolist()


def test_equal_quantiles_are_equal() -> None:
    """Results at a lower budget are mapped by the trials that also ran at the larger one."""
    trials = [0, 1, 2, 3, 0, 1, 2]
    budgets = [1.0] * 4 + [9.0] * 3
    fused = fuse(trials, budgets, [1.0, 2.0, 3.0, 2.5, 10.0, 20.0, 30.0])
    assert [10.0, 20.0, 30.0, 25.0] == pytest.approx(fused.values.tolist())
    assert [1.0] * 4 == fused.trust.tolist()


def test_what_says_nothing_is_neither_good_nor_bad() -> None:
    """A budget that orders the shared trials at random is trusted little and maps to the middle."""
    shared = 60
    noise = np.random.default_rng(0).permutation(shared).astype(float)
    trials = [*range(shared + 1), *range(shared)]
    budgets = [1.0] * (shared + 1) + [9.0] * shared
    fused = fuse(trials, budgets, [*noise, -50.0, *range(shared)])
    assert fused.trust[-1] < 0.3
    assert abs(fused.values[-1] - shared / 2) < 10


def test_losses_of_any_size_are_mapped() -> None:
    """Scores may be of quite another size than the losses: a slope of 1e400 is followed."""
    trials, budgets = [0, 1, 2, 3, 4, 0, 1], [1.0] * 5 + [9.0] * 2
    for small, large in ((1e-200, 1e200), (1e200, 1e-200), (1e-308, 1e300), (1.0, 1.0)):
        lower = np.array([0.0, 1.0, 2.0, 0.5, 0.1]) * small
        fused = fuse(trials, budgets, [*lower, -large, large])
        expected = np.array([-1.0, 1.0, 3.0, 0.0, -0.8]) * large
        assert expected == pytest.approx(fused.values, rel=1e-9)


def test_beyond_one_shared_trial_the_slope_is_one() -> None:
    """A single pair, or equal scores, tell no slope: what is worse by 1 is worse by 1."""
    for scale in (1.0, 1e-200, 1e200):
        fused = fuse([0, 1, 0], [1.0, 1.0, 9.0], np.array([2.0, 3.0, 7.0]) * scale)
        assert np.array([7.0, 8.0]) * scale == pytest.approx(fused.values)
    fused = fuse([0, 1, 0], [1.0, 1.0, 9.0], [2e-200, 3e-200, 7.0])
    assert [7.0, 7.0] == pytest.approx(fused.values)
    fused = fuse([0, 1, 0], [1.0, 1.0, 9.0], [2.0, 3.0, 1e-320])
    assert [1e-320, 1.0] == fused.values.tolist()


LOSSES = st.floats(allow_nan=False, width=64)


@given(st.lists(st.tuples(st.integers(0, 6), st.sampled_from([1.0, 3.0, 9.0]), LOSSES)))
def test_every_trial_counts_once(results: list[tuple[int, float, float]]) -> None:
    """Whatever happened, each trial has one value that is no NaN, and a trust from 0 to 1."""
    trials, budgets, losses = ([r[i] for r in results] for i in range(3))
    fused = fuse(trials, budgets, [abs(x) if np.isinf(x) else x for x in losses])
    assert sorted(set(trials)) == [trials[row] for row in fused.rows]
    assert not np.isnan(fused.values).any()
    assert ((fused.trust >= 0.0) & (fused.trust <= 1.0)).all()


@given(
    st.lists(st.tuples(LOSSES, LOSSES), min_size=1, max_size=6),
    st.lists(LOSSES.filter(np.isfinite), max_size=8),
)
def test_losses_stay_finite(shared: list[tuple[float, float]], new: list[float]) -> None:
    """Whatever the losses and scores of shared trials are, a finite loss has a finite score."""
    n = len(shared)
    losses = [*(abs(x) if np.isinf(x) else x for pair in shared for x in pair), *new]
    trials = [*(i for i in range(n) for _ in range(2)), *range(n, n + len(new))]
    fused = fuse(trials, [1.0, 9.0] * n + [1.0] * len(new), losses)
    assert np.isfinite(fused.values[n:]).all()
