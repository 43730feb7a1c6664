"""The drawn concurrency is exact."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandmaster.errors import ConfigurationError
from bandmaster.plotting.concurrency import concurrency_steps
from bandmaster.study.result import Result
from bandmaster.testing.histories import make_evaluation, make_history, make_hyperband_history

intervals = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 10)), max_size=20)


def _steps(spans):
    array = np.array(spans, dtype=float).reshape(-1, 2)
    return concurrency_steps(array[:, 0], array.sum(axis=1))


@given(intervals)
def test_the_count_is_that_of_the_intervals_that_hold_the_moment(spans):
    """At every moment, compared with counting by hand."""
    times, running = _steps(spans)
    for moment in np.arange(-0.5, 42, 0.5):
        expected = sum(start <= moment < start + length for start, length in spans)
        index = np.searchsorted(times, moment, side="right") - 1
        assert expected == (running[index] if index >= 0 else 0)


@given(intervals)
def test_every_step_is_a_change(spans):
    """Times ascend, neighbours differ, nothing runs at the end."""
    times, running = _steps(spans)
    assert bool(np.all(np.diff(times) > 0))
    assert bool(np.all(np.diff(running) != 0))
    assert not len(running) or 0 == running[-1]


@settings(max_examples=40)
@given(intervals.filter(lambda spans: any(length for _, length in spans)), st.integers(1, 40))
def test_the_drawn_maximum_is_the_real_one_at_any_resolution(spans, num_points):
    """However few points are asked for, no peak is lost and the area is the busy time."""
    from matplotlib.figure import Figure

    history = make_history(
        *(
            make_evaluation(i, 0.5, started=float(start), finished=float(start + length))
            for i, (start, length) in enumerate(spans)
        )
    )
    ax = Result(history).plot_concurrent_over_time(num_points, ax=Figure().add_subplot())
    line = ax.lines[0]
    _, running = _steps(spans)
    assert running.max() == line.get_ydata().max()
    assert f"running (max {running.max()})" == line.get_label()
    assert len(line.get_xdata()) <= num_points + 1
    x, y = ax.collections[1].get_paths()[0].vertices.T  # the darker area, a closed polygon
    area = abs(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)) / 2
    assert sum(length for _, length in spans) == pytest.approx(area)


def test_two_workers_never_look_like_three():
    """Back-to-back jobs of one worker, to the same instant, are not concurrent."""
    history = make_history(
        *(make_evaluation(i, 0.5, worker="a") for i in range(10)),
        *(make_evaluation(i, 0.5, worker="b") for i in range(10)),
    )
    ax = Result(history).plot_concurrent_over_time()
    assert 2 == ax.lines[0].get_ydata().max()
    assert [0, 10] == ax.lines[0].get_xdata().tolist()


def test_the_seeds_search_shows_its_two_workers():
    """130 evaluations by two workers, at 200 points: the maximum is 2."""
    history = make_hyperband_history()
    assert 130 == len(history)
    ax = Result(history).plot_concurrent_over_time(num_points=200)
    assert 2 == ax.lines[0].get_ydata().max()
    assert 201 == len(ax.lines[0].get_xdata())


def test_at_least_one_point_is_needed():
    """A wrong resolution is refused by name."""
    with pytest.raises(ConfigurationError, match="num_points"):
        Result(make_history()).plot_concurrent_over_time(0)


def test_evaluations_without_duration_are_explained():
    """Nothing is running for no time."""
    history = make_history(make_evaluation(0, 0.5, started=1.0, finished=1.0))
    ax = Result(history).plot_concurrent_over_time()
    assert "No evaluation took any time" == ax.texts[0].get_text()
