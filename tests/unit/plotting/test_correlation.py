"""Rank correlations across budgets are those of the history's trials."""

from __future__ import annotations

import pytest
from scipy.stats import spearmanr

from bandmaster.plotting.correlation import correlate_budgets
from bandmaster.study.result import Result
from bandmaster.testing.histories import make_evaluation, make_history, make_hyperband_history


def _history(*columns, budgets=(1, 3, 9)):
    rows = []
    for budget, losses in zip(budgets, columns, strict=False):
        for trial, loss in enumerate(losses):
            rows.append(make_evaluation(len(rows), loss, trial=trial, budget=budget))
    return make_history(*rows)


def test_trials_that_succeeded_at_both_budgets_count():
    """One that failed at either is left out."""
    history = _history([1, 2, 3, 4, None, 9], [2, 1, 3, 8, 0.5, None])
    (found,) = correlate_budgets(Result(history))
    assert (1, 3) == found.budgets
    assert 4 == found.n
    assert 0.8 == pytest.approx(found.rho)


def test_numbers_are_scipys_on_the_common_trials():
    """ρ, p and n of each pair of budgets, computed from the rows by hand."""
    history = make_hyperband_history(p_failure=0.1)
    pairs = correlate_budgets(Result(history))
    assert [(0.25, 0.5), (0.25, 1.0), (0.5, 1.0)] == [pair.budgets for pair in pairs]
    for pair in pairs:
        low, high = ({e.trial: e.loss for e in history if e.ok and e.budget == b}
                     for b in pair.budgets)  # fmt: skip
        common = sorted(set(low) & set(high))
        expected = spearmanr([low[t] for t in common], [high[t] for t in common])
        assert len(common) == pair.n
        assert expected.statistic == pytest.approx(pair.rho)
        assert expected.pvalue == pytest.approx(pair.p)


def test_too_few_trials_and_equal_losses_have_no_correlation():
    """Two points always lie on a line, and a constant has no ranks."""
    few = correlate_budgets(Result(_history([1, 2], [1, 2])))
    equal = correlate_budgets(Result(_history([1, 1, 1, 1], [1, 2, 3, 4])))
    assert [(2, None)] == [(pair.n, pair.rho) for pair in few]
    assert [(4, None)] == [(pair.n, pair.rho) for pair in equal]


def test_the_last_evaluation_of_a_trial_counts():
    """A trial that ran twice at a budget is one point."""
    history = _history([1, 2, 3], [1, 2, 3])
    history.append(make_evaluation(9, 0.5, trial=2, budget=3))
    (pair,) = correlate_budgets(Result(history))
    assert 3 == pair.n
    assert -0.5 == pytest.approx(pair.rho)


def test_each_cell_is_drawn_with_its_numbers():
    """The picture holds ρ, n and p of each pair at its place, and nothing elsewhere."""
    history = _history([1, 2, 3, 4], [1, 2, 4, 3], [4, 3, 2, 1])
    ax = Result(history).plot_correlation_across_budgets()
    cells = {text.get_position(): text.get_text() for text in ax.texts}
    assert {(0, 0), (0, 1), (1, 1)} == set(cells)
    assert "ρ = 0.80\nn = 4\np = 0.333" == cells[0, 0]
    assert cells[0, 1].startswith("ρ = -1.00")
    grid = ax.images[0].get_array()
    assert 0.8 == pytest.approx(grid[0, 0])
    assert [[False, True], [False, False]] == grid.mask.tolist()
    assert ["1", "3"] == [label.get_text() for label in ax.get_xticklabels()]
    assert ["3", "9"] == [label.get_text() for label in ax.get_yticklabels()]


def test_one_budget_is_explained():
    """There is nothing to compare it with."""
    ax = Result(_history([1, 2, 3], [None])).plot_correlation_across_budgets()
    assert "Nothing to correlate: only budget 1 has successes" == ax.texts[0].get_text()


def test_the_p_of_few_trials_is_exact():
    """Four trials in perfect order are 2 of 24 pairings, not a certainty."""
    (pair,) = correlate_budgets(Result(_history([1, 2, 3, 4], [1, 2, 3, 4])))
    assert 1.0 == pytest.approx(pair.rho)
    assert 2 / 24 == pytest.approx(pair.p)


def test_of_very_many_budgets_some_are_drawn():
    """Those where most trials succeeded; the axis says of how many. The rest costs nothing."""
    rows = [make_evaluation(i, i + 1.0, trial=i, budget=2.0 + i) for i in range(500)]
    rows += [
        make_evaluation(500 + i, float(i), trial=i % 5, budget=1000.0 + i // 5) for i in range(100)
    ]
    result = Result(make_history(*rows))
    assert 190 == len(correlate_budgets(result, 20))
    ax = result.plot_correlation_across_budgets()
    assert [str(b) for b in range(1000, 1019)] == [t.get_text() for t in ax.get_xticklabels()]
    assert "\n20 of 520 budgets: where most trials succeeded" in ax.get_xlabel()
