"""The drawn convergence is the history's."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from bandmaster.core.objectives import Metric, Objectives
from bandmaster.study.result import Result
from bandmaster.testing.histories import make_evaluation, make_history, make_hyperband_history


def _labels(ax):
    return [line.get_label() for line in ax.lines]


def test_over_time_each_budget_is_its_incumbents_trajectory():
    """Points are the changes of the incumbent, then its last loss until the end of the search."""
    history = make_hyperband_history(p_failure=0.1)
    result = Result(history)
    ax = result.plot_convergence_over_time()
    assert ["1/4", "1/2", "1"] == _labels(ax)
    start = min(e.started for e in history)
    end = max(e.finished for e in history)
    for budget, line in zip(result.budgets, ax.lines, strict=True):
        trajectory = result.get_incumbent_trajectory(budget=budget)
        assert [*trajectory.losses, trajectory.losses[-1]] == line.get_ydata().tolist()
        expected = np.array([*trajectory.times, end]) - start
        np.testing.assert_allclose(expected, line.get_xdata())
        assert "steps-post" == line.get_drawstyle()


def test_over_iter_every_evaluation_counts_and_the_best_so_far_is_drawn():
    """A failure moves the count and keeps the incumbent."""
    losses = [None, 0.5, None, 0.7, 0.3]
    history = make_history(
        *(make_evaluation(i, loss) for i, loss in enumerate(losses)),
        make_evaluation(9, 0.01, budget=0.5),
    )
    ax = Result(history).plot_convergence_over_iter()
    assert [2, 3, 4, 5] == ax.lines[0].get_xdata().tolist()
    assert [0.5, 0.5, 0.5, 0.3] == ax.lines[0].get_ydata().tolist()
    assert ["budget 1"] == _labels(ax)


def test_over_iter_by_default_takes_a_budget_of_this_search():
    """Not one where only what was borrowed has succeeded, nor one that failed."""
    rows = [
        make_evaluation(-1, 0.1, budget=9.0), make_evaluation(0, 0.5),
        make_evaluation(1, None, budget=3.0),
    ]  # fmt: skip
    ax = Result(make_history(*rows)).plot_convergence_over_iter()
    assert ["budget 1"] == _labels(ax)
    ax = Result(make_history(rows[0], rows[2])).plot_convergence_over_iter(
        ax=Figure().add_subplot()
    )
    assert "No loss to show: none of 1 evaluation succeeded" == ax.texts[0].get_text()


def test_over_iter_takes_a_budget_and_a_name():
    """As in the seed: `plot_convergence_over_iter(budget=1, name="budget = 1")`."""
    result = Result(make_hyperband_history())
    ax = result.plot_convergence_over_iter(budget=1, name="budget = 1")
    assert ["budget = 1"] == _labels(ax)
    assert 50 == len(ax.lines[0].get_xdata())


def test_over_iter_adds_curves_of_other_colours():
    """More calls on the same axes compare budgets or results."""
    result = Result(make_hyperband_history())
    for budget in result.budgets:
        ax = result.plot_convergence_over_iter(budget)
    assert 3 == len(ax.lines)
    assert 3 == len({line.get_color() for line in ax.lines})


def test_over_iter_says_which_budgets_there_are():
    """A budget that never ran is explained."""
    ax = Result(make_hyperband_history()).plot_convergence_over_iter(budget=0.3)
    expected = "At budget 3/10 there are no evaluations\n(budgets: 1/4, 1/2, 1)"
    assert expected == ax.texts[0].get_text()


def test_losses_that_span_a_decade_get_a_log_axis():
    """Only if all are positive."""
    wide = Result(make_history(*(make_evaluation(i, 10.0**-i) for i in range(4))))
    narrow = Result(make_history(*(make_evaluation(i, 1 - i / 10) for i in range(4))))
    signed = Result(make_history(*(make_evaluation(i, 2 - i) for i in range(4))))
    for name in ("plot_convergence_over_time", "plot_convergence_over_iter"):
        for result, scale in ((wide, "log"), (narrow, "linear"), (signed, "linear")):
            assert scale == getattr(result, name)(ax=Figure().add_subplot()).get_yscale()


def test_a_log_axis_has_plain_numbers():
    """0.02 is easier to read than a power of ten."""
    figure = Figure()
    ax = Result(make_hyperband_history(seed=3)).plot_convergence_over_time(ax=figure.add_subplot())
    figure.draw_without_rendering()
    labels = {t.get_text() for t in (*ax.get_yticklabels(), *ax.get_yticklabels(minor=True))}
    assert {"0.02", "0.05", "0.1", "0.2"} <= labels


def test_the_unit_of_time_fits_the_span():
    """Seconds, minutes, hours or days."""
    for span, unit in ((9, "s"), (600, "min"), (10_000, "h"), (1e6, "d")):
        history = make_history(make_evaluation(0, 0.5, started=0.0, finished=float(span)))
        ax = Result(history).plot_convergence_over_time()
        assert f"Time since the start [{unit}]" == ax.get_xlabel()


def test_a_maximised_metric_rises_and_what_breaks_a_constraint_is_left_out():
    """The curves show the metric's own values, under its name."""
    objectives = Objectives(
        [Metric("acc", objective="maximize"), Metric("s", strategy="constraint", threshold=2.0)]
    )
    history = make_history(
        *(
            make_evaluation(i, -acc, metrics={"acc": acc, "s": seconds})
            for i, (acc, seconds) in enumerate([(0.25, 1.0), (0.875, 3.0), (0.5, 1.0)])
        )
    )
    result = Result(history, objectives=objectives)
    over_iter = result.plot_convergence_over_iter()
    assert [0.25, 0.25, 0.5] == over_iter.lines[0].get_ydata().tolist()
    assert "Best acc so far" == over_iter.get_ylabel()
    over_time = result.plot_convergence_over_time(ax=Figure().subplots())
    assert [0.25, 0.5, 0.5] == over_time.lines[0].get_ydata().tolist()
