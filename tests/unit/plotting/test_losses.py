"""Every loss of the history is a marker."""

from __future__ import annotations

import numpy as np
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from bandmaster.core.objectives import Metric, Objectives
from bandmaster.plotting.canvas import COLOURS
from bandmaster.study.result import Result
from bandmaster.testing.histories import make_evaluation, make_history, make_hyperband_history


def _points(lines):
    return sorted(
        (float(x), float(y)) for line in lines for x, y in zip(*line.get_data(), strict=True)
    )


def _entries(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_each_loss_stands_where_its_evaluation_finished():
    """A marker and a colour a budget."""
    history = make_hyperband_history(p_failure=0.1)
    ax = Result(history).plot_losses_over_time(ax=Figure().add_subplot())
    start = min(e.started for e in history)
    expected = sorted((e.finished - start, e.loss) for e in history if e.ok)
    filled = [line for line in ax.lines if line.get_fillstyle() == "full"]
    np.testing.assert_allclose(expected, _points([m for m in filled if m.get_marker() != "x"]))
    assert 3 == len({line.get_marker() for line in filled} - {"x"})
    assert ["Budget:", "1/4", "1/2", "1", "best so far", "no loss"] == sorted(
        _entries(ax), key=["Budget:", "1/4", "1/2", "1", "best so far", "no loss"].index
    )


def test_rings_are_around_the_incumbents_of_each_budget():
    """The same that the convergence shows."""
    result = Result(make_hyperband_history(p_failure=0.1))
    ax = result.plot_losses_over_time(ax=Figure().add_subplot())
    rings = [line for line in ax.lines if line.get_markersize() > 8]
    expected = sorted(
        loss for b in result.budgets for loss in result.get_incumbent_trajectory(budget=b).losses
    )
    assert expected == sorted(y for _, y in _points(rings))


def test_failures_are_crosses_at_the_lower_edge():
    """Where they finished, whatever scale the losses have."""
    history = make_history(
        make_evaluation(0, 0.5), make_evaluation(1, None), make_evaluation(2, 0.001)
    )
    ax = Result(history).plot_losses_over_time(ax=Figure().add_subplot())
    (crosses,) = (line for line in ax.lines if line.get_marker() == "x")
    assert [(2.0, 0.02)] == _points([crosses])
    assert "log" == ax.get_yscale()


def test_what_breaks_a_constraint_is_hollow_and_no_incumbent():
    """It has a loss, but cannot be the best."""
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
    ax = result.plot_losses_over_time(ax=Figure().add_subplot())
    outlined = [line for line in ax.lines if line.get_fillstyle() == "none"]
    hollow = [line for line in outlined if line.get_markersize() < 8]
    rings = [line for line in outlined if line.get_markersize() > 8]
    assert [(2.0, 0.875)] == _points(hollow)
    assert [(1.0, 0.25), (3.0, 0.5)] == _points(rings)
    assert "infeasible" in _entries(ax)
    assert "Acc" == ax.get_ylabel()


def test_borrowed_evaluations_are_not_of_this_run():
    """What a search took over from another has times of long ago."""
    history = make_history(
        make_evaluation(-1, 0.01, trial=-1, started=5.0, finished=6.0),
        make_evaluation(0, 0.5, started=1e9, finished=1e9 + 1),
    )
    ax = Result(history).plot_losses_over_time(ax=Figure().add_subplot())
    assert [(1.0, 0.5)] == _points([ax.lines[0]])


def test_a_budget_has_one_colour_in_all_plots_over_time():
    """Also while the first ones that were planned have not finished anything."""
    history = make_history(make_evaluation(0, 0.5, budget=3), make_evaluation(1, 0.4, budget=9))
    result = Result(history, budgets=(1, 3, 9))
    colors = {
        name: [to_hex(c) for c in found(getattr(result, name)(ax=Figure().add_subplot()))]
        for name, found in (
            ("plot_convergence_over_time", lambda ax: [line.get_color() for line in ax.lines]),
            ("plot_finished_over_time", lambda ax: [line.get_color() for line in ax.lines]),
            ("plot_gantt", lambda ax: ax.collections[0].get_facecolor()),
            (
                "plot_losses_over_time",
                lambda ax: [m.get_color() for m in ax.lines if m.get_markersize() > 8],
            ),
        )
    }
    assert {name: [c.lower() for c in COLOURS[1:3]] for name in colors} == colors
