"""Picks are told apart by who made them, and compared at each budget."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy.stats import mannwhitneyu

from bandmaster.core.objectives import Metric, Objectives
from bandmaster.plotting.model_vs_random import compare_picks
from bandmaster.study.result import Result
from bandmaster.testing.histories import make_evaluation, make_history, make_hyperband_history

MODEL, RANDOM = {"model_based_pick": True}, {"model_based_pick": False}


def _result(*rows, **options):
    return Result(
        make_history(
            *(make_evaluation(i, loss, config_info=info) for i, (loss, info) in enumerate(rows))
        ),
        **options,
    )


def test_each_budget_is_compared_by_mann_and_whitney():
    """The losses are the history's, the numbers are scipy's and those of counting pairs."""
    history = make_hyperband_history(p_failure=0.1)
    for pair in compare_picks(Result(history)):
        model, random = (
            [e.loss for e in history
             if e.ok and e.budget == pair.budget and e.config_info["model_based_pick"] is picked]
            for picked in (True, False)
        )  # fmt: skip
        assert model == pair.model.tolist()
        assert random == pair.random.tolist()
        better = np.mean([a < b for a in model for b in random])
        assert better == pytest.approx(pair.better)
        assert mannwhitneyu(model, random).pvalue == pytest.approx(pair.p)


def test_what_nobody_picked_is_left_out():
    """The user's own configurations, and those that say nothing; failures have no loss."""
    user = {"model_based_pick": False, "origin": "user"}
    result = _result((1.0, MODEL), (2.0, RANDOM), (3.0, user), (4.0, {}), (None, MODEL))
    (pair,) = compare_picks(result)
    assert ([1.0], [2.0]) == (pair.model.tolist(), pair.random.tolist())
    assert pair.better is None


def test_both_kinds_are_boxes_over_their_points():
    """Random ones to the left, the numbers below."""
    rows = [(float(i), MODEL) for i in range(4)] + [(float(i), RANDOM) for i in range(6, 12)]
    ax = _result(*rows).plot_model_vs_random(ax=Figure().add_subplot())
    points = [line for line in ax.lines if line.get_marker() in ("o", "^")]
    assert [[6, 7, 8, 9, 10, 11], [0, 1, 2, 3]] == [p.get_ydata().tolist() for p in points]
    assert points[0].get_xdata().max() < 0 < points[1].get_xdata().min()
    assert ["1\nn = 6 | 4\nmodel better: 100%\np = 0.010"] == [
        label.get_text() for label in ax.get_xticklabels()
    ]
    assert ["drawn at random", "picked by the model"] == [
        text.get_text() for text in ax.get_legend().get_texts()
    ]


def test_a_maximised_metric_is_drawn_as_it_is():
    """Yet better still means better."""
    result = _result(
        *((-0.9 - i / 100, MODEL) for i in range(4)), *((-0.5 - i / 100, RANDOM) for i in range(4)),
        objectives=Objectives([Metric("acc", objective="maximize")]),
    )  # fmt: skip
    ax = result.plot_model_vs_random(ax=Figure().add_subplot())
    assert "model better: 100%" in ax.get_xticklabels()[0].get_text()
    values = [y for line in ax.lines if line.get_marker() in ("o", "^") for y in line.get_ydata()]
    assert (0.5, 0.93) == (min(values), max(values))


def test_results_that_do_not_say_are_explained():
    """Where to say it is named."""
    ax = _result((1.0, {})).plot_model_vs_random(ax=Figure().add_subplot())
    assert "model_based_pick" in ax.texts[0].get_text()
