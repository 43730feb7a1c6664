"""The drawn counts of finished evaluations are the history's."""

from __future__ import annotations

import numpy as np

from bandmaster.study.result import Result
from bandmaster.testing.histories import make_evaluation, make_history, make_hyperband_history


def test_each_budget_climbs_by_one_at_each_end():
    """From 0 at the start to the number of its evaluations at the end of the search."""
    history = make_hyperband_history()
    result = Result(history)
    ax = result.plot_finished_over_time()
    start = min(e.started for e in history)
    end = max(e.finished for e in history) - start
    for budget, line in zip(result.budgets, ax.lines, strict=True):
        ends = [e.finished - start for e in history if e.budget == budget]
        np.testing.assert_allclose([0, *ends, end], line.get_xdata())
        assert [0, *range(1, len(ends) + 1), len(ends)] == line.get_ydata().tolist()


def test_what_is_not_ok_is_crossed_out_on_its_curve():
    """Failed evaluations count, and are marked where they do."""
    history = make_history(
        make_evaluation(0, 0.5), make_evaluation(1, None), make_evaluation(2, 0.4)
    )
    ax = Result(history).plot_finished_over_time()
    cross = ax.lines[-1]
    assert "not ok" == cross.get_label()
    assert ([2.0], [2]) == (list(cross.get_xdata()), list(cross.get_ydata()))


def test_late_news_does_not_turn_time_back():
    """An evaluation that the study learned of later counts from then, whatever its clock says."""
    history = make_history(
        make_evaluation(0, 0.5, started=0.0, finished=9.0),
        make_evaluation(1, 0.5, started=0.0, finished=4.0),
    )
    ax = Result(history).plot_finished_over_time()
    assert [0, 9, 9, 9] == ax.lines[0].get_xdata().tolist()
