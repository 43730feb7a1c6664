"""Curves are the trials' losses over their budgets."""

from __future__ import annotations

from matplotlib.figure import Figure

from bandmaster.study.result import Result
from bandmaster.testing.histories import make_evaluation, make_history, make_hyperband_history


def _result(curves):
    rows = []
    for trial, losses in enumerate(curves):
        for budget, loss in zip((1, 3, 9), losses, strict=False):
            rows.append(make_evaluation(len(rows), loss, trial=trial, budget=budget))
    return Result(make_history(*rows))


def _draw(result, *args):
    return result.plot_learning_curves(*args, ax=Figure().add_subplot())


def _segments(ax):
    return [[tuple(point) for point in line] for c in ax.collections for line in c.get_segments()]


def test_each_trial_is_a_line_and_who_came_far_is_told_apart():
    """Those that ended earlier first, the others over them; a trial with one loss is a dot."""
    ax = _draw(_result([[5.0], [4.0, 3.5], [3.0, 2.5, 2.0], [6.0, None]]))
    assert [[(1, 4), (3, 3.5)], [(1, 3), (3, 2.5), (9, 2)]] == _segments(ax)
    early, far, _ = ax.lines
    assert [(1, 5), (1, 4), (3, 3.5), (1, 6)] == list(zip(*early.get_data(), strict=True))
    assert 3 == len(far.get_xdata())
    assert ["1", "3", "9"] == [label.get_text() for label in ax.get_xticklabels()]
    assert "log" == ax.get_xscale()


def test_the_best_trial_is_highlighted():
    """Its line is the thickest, and the legend names it."""
    result = Result(make_hyperband_history())
    ax = _draw(result)
    best = max(ax.lines, key=lambda line: line.get_linewidth())
    losses = [e.loss for e in result.evaluations if e.trial == result.best_trial]
    assert losses == best.get_ydata().tolist()
    assert f"best (trial {result.best_trial})" == best.get_label()


def test_an_extractor_gives_finer_curves():
    """For instance the losses of each epoch that `compute` returned; NaN makes no point."""
    ax = _draw(
        _result([[3.0], [2.0]]), lambda runs: [[(1, 9.0), (2, float("nan")), (3, runs[0].loss)]]
    )
    assert [[(1, 9), (3, 3)], [(1, 9), (3, 2)]] == _segments(ax)


def test_an_extractor_that_finds_nothing_is_explained():
    """There are losses, but no curves."""
    ax = _draw(_result([[3.0]]), lambda runs: [])
    assert "The extractor found no curve in any trial's runs" == ax.texts[0].get_text()
