"""Compared searches: each curve is its runs', repeated runs are their median and band."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure

from bandmaster.core.objectives import Metric, Objectives
from bandmaster.errors import ConfigurationError
from bandmaster.plotting import plot_convergence
from bandmaster.plotting.comparison import Curve, summarise_runs
from bandmaster.study.result import Result
from bandmaster.testing.histories import make_evaluation, make_history, make_hyperband_history

steps = st.lists(
    st.tuples(st.integers(0, 20), st.integers(-9, 9)), min_size=1, max_size=6,
    unique_by=lambda step: step[0],
).map(sorted)  # fmt: skip


def _curve(pairs):
    x, y = np.array(pairs, dtype=float).T
    return Curve(x, np.minimum.accumulate(y))


def _result(*losses, budget=1.0, second=1.0):
    return Result(
        make_history(
            *(
                make_evaluation(
                    i, loss, budget=budget, started=i * second, finished=(i + 1) * second
                )
                for i, loss in enumerate(losses)
            )
        )
    )


def _draw(*args, **options):
    return plot_convergence(*args, ax=Figure().add_subplot(), **options)


@given(st.lists(steps, min_size=1, max_size=6))
def test_the_summary_is_that_of_the_values_at_each_moment(runs):
    """Compared with numpy's quantiles of the values that hold there, where all runs have one."""
    curves = [_curve(pairs) for pairs in runs]
    x, *lines = summarise_runs(curves)
    assert sorted({float(moment) for pairs in runs for moment, _ in pairs}) == x.tolist()
    for i, moment in enumerate(x):
        values = [
            curve.best[curve.x <= moment][-1] if curve.x[0] <= moment else math.inf
            for curve in curves
        ]
        if math.inf not in values:
            expected = np.quantile(values, [0.5, 0.25, 0.75])
            np.testing.assert_allclose(expected, [line[i] for line in lines], atol=1e-12)
        for line, q in zip(lines, (0.5, 0.25, 0.75), strict=True):
            rank = math.ceil(q * (len(values) - 1))
            assert math.isinf(sorted(values)[rank]) == math.isinf(line[i])


@given(st.lists(steps, min_size=1, max_size=6))
def test_lines_never_rise_and_the_median_is_inside_the_band(runs):
    """A best so far gets no worse, whatever runs it sums up."""
    _, median, low, high = summarise_runs([_curve(pairs) for pairs in runs])
    for line in (median, low, high):
        assert all(b <= a for a, b in itertools.pairwise(line))
    assert bool(np.all(low <= median))
    assert bool(np.all(median <= high))


def test_each_result_is_a_curve_with_its_label():
    """In the order given, with the colours of traces."""
    ax = _draw([_result(3, 1, 2), _result(5, 4)], labels=["a", "b"])
    assert ["a", "b"] == [line.get_label() for line in ax.lines]
    assert [[1, 2, 3], [1, 2]] == [line.get_xdata().tolist() for line in ax.lines]
    assert [[3, 1, 1], [5, 4]] == [line.get_ydata().tolist() for line in ax.lines]
    assert 2 == len({line.get_color() for line in ax.lines})
    assert not ax.collections


def test_repeated_runs_are_a_median_and_a_band():
    """Two lists of results are two curves, each with its number of runs."""
    runs = [_result(9, 1), _result(7, 2), _result(8, 6)]
    ax = _draw({"slow": runs, "fast": [_result(0.5, 0.25)] * 2}, band="range")
    assert ["slow (n = 3)", "fast (n = 2)"] == [line.get_label() for line in ax.lines]
    assert [8, 2] == ax.lines[0].get_ydata().tolist()
    band = ax.collections[0].get_paths()[0].vertices[:, 1]
    assert (1, 9) == (band.min(), band.max())
    assert "median, range" == ax.get_legend().get_title().get_text()


def test_a_run_that_ended_keeps_its_best():
    """Runs of different lengths are compared to the end of the longest."""
    ax = _draw([[_result(4), _result(8, 6, 2)]])
    assert ([1, 2, 3], [6, 5, 3]) == (
        ax.lines[0].get_xdata().tolist(), ax.lines[0].get_ydata().tolist(),
    )  # fmt: skip


def test_a_run_without_success_is_the_worst():
    """The median of three is known when two have a loss, also if one never has."""
    ax = _draw([[_result(1, 1, 1), _result(None, 5, 5), _result(None, None, None)]])
    assert ([2, 3], [5, 5]) == (
        ax.lines[0].get_xdata().tolist(), ax.lines[0].get_ydata().tolist(),
    )  # fmt: skip
    ax = _draw([[_result(1, 1), _result(None), _result(None, None)]])
    assert "There is no median: only 1 of 3 runs had a success" == ax.texts[0].get_text()
    ax = _draw([[_result(1, 1, 1), _result(None, 5, 5), _result(None, None, 3)]])
    assert ([2, 3], [5, 3]) == (
        ax.lines[0].get_xdata().tolist(), ax.lines[0].get_ydata().tolist(),
    )  # fmt: skip


def test_spending_is_counted_in_evaluations_budgets_or_time():
    """All evaluations cost their budget; those at the budget drawn are counted."""
    history = make_history(
        make_evaluation(0, 3.0, budget=1, started=100.0, finished=110.0),
        make_evaluation(1, 2.0, budget=3, started=110.0, finished=140.0),
        make_evaluation(2, None, budget=3, started=140.0, finished=170.0),
        make_evaluation(3, 1.0, budget=3, started=170.0, finished=200.0),
    )
    expected = {"evaluations": [1, 3], "budget": [4, 10], "time": [40, 100]}
    for x, places in expected.items():
        line = _draw(Result(history), x=x).lines[0]
        assert (places, [2, 1]) == (line.get_xdata().tolist(), line.get_ydata().tolist())
    assert "Best loss so far at budget 3" == _draw(Result(history)).get_ylabel()
    assert [3, 3] == _draw(Result(history), x="budget", budget=1).lines[0].get_ydata().tolist()


def test_maximised_metrics_rise_and_the_band_follows():
    """The quartiles of what is maximised are those of its own values."""
    objectives = Objectives([Metric("acc", objective="maximize")])
    runs = [
        Result(make_history(*(make_evaluation(i, -v) for i, v in enumerate(values))),
               objectives=objectives)
        for values in ([0.1, 0.5], [0.2, 0.6], [0.3, 0.7])
    ]  # fmt: skip
    ax = _draw([runs])
    np.testing.assert_allclose([0.2, 0.6], ax.lines[0].get_ydata())
    assert "Best acc so far" == ax.get_ylabel()
    with pytest.raises(ConfigurationError, match="minimise"):
        _draw([runs[0], _result(1)])


def test_what_cannot_be_drawn_is_refused_by_name():
    """Labels, axes and bands."""
    one = _result(1.0)
    for options, match in (
        ({"labels": ["a", "b"]}, "1 curves need"), ({"x": "steps"}, "no axis 'steps'"),
        ({"band": "sd"}, "no band 'sd'"),
    ):  # fmt: skip
        with pytest.raises(ConfigurationError, match=match):
            _draw(one, **options)
    with pytest.raises(ConfigurationError, match="its own labels"):
        _draw({"a": one}, labels=["a"])


def test_what_is_missing_is_said():
    """No results, or nothing at the budget."""
    assert "No results to compare" == _draw([]).texts[0].get_text()
    ax = _draw(Result(make_hyperband_history(3)), budget=0.3)
    assert "No evaluation at budget 3/10 succeeded" == ax.texts[0].get_text()
