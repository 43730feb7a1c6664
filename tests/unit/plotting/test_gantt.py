"""Bars are the history's evaluations, on the row of their worker."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from bandmaster.core.outcome import Status
from bandmaster.plotting.gantt import short_names
from bandmaster.study.result import Result
from bandmaster.testing.histories import make_evaluation, make_history, make_hyperband_history


def _draw(*evaluations):
    return Result(make_history(*evaluations)).plot_gantt(ax=Figure().add_subplot())


def _bars(collection):
    """Left, right and the middle's height of each bar."""
    corners = np.array([path.vertices[:4] for path in collection.get_paths()])
    left, right = corners[:, 0, 0], corners[:, 2, 0]
    return sorted(zip(left, right, corners[..., 1].mean(axis=1), strict=True))


def _labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_each_evaluation_is_a_bar_from_start_to_end_on_its_workers_row():
    """All that ended well are one collection, coloured by budget."""
    history = make_hyperband_history()
    ax = Result(history).plot_gantt(ax=Figure().add_subplot())
    start = min(e.started for e in history)
    expected = sorted((e.started - start, e.finished - start, int(e.worker[1:])) for e in history)
    np.testing.assert_allclose(expected, _bars(ax.collections[0]), atol=1e-6)
    assert 3 == len(np.unique(ax.collections[0].get_facecolor(), axis=0))
    assert ["budget 1/4", "budget 1/2", "budget 1"] == _labels(ax)
    assert ["w0", "w1"] == [label.get_text() for label in ax.get_yticklabels()]


def test_what_did_not_end_well_is_hatched_and_marked_by_shape():
    """Each kind has its own marker at the end of its bars: colours play no part."""
    ways = (Status.FAILED, Status.TIMEOUT, Status.CRASHED, Status.STOPPED)
    ax = _draw(
        make_evaluation(0, 0.5),
        *(make_evaluation(i, None, status=status) for i, status in enumerate(ways, 1)),
    )
    good, bad, _ = ax.collections
    assert (1, 4) == (len(good.get_paths()), len(bad.get_paths()))
    assert (None, True) == (good.get_hatch(), bool(bad.get_hatch()))
    assert [2.0, 3.0, 4.0, 5.0] == [float(line.get_xdata()[0]) for line in ax.lines]
    assert 4 == len({line.get_marker() for line in ax.lines})
    assert ["failed", "timed out", "crashed", "stopped early"] == _labels(ax)[1:]


def test_who_nobody_timed_is_a_line_from_its_issue_to_the_next_news():
    """A worker that died leaves no times, but a trace."""
    dead = make_evaluation(1, None, status=Status.CRASHED, started=0.0, finished=0.0, worker="b")
    dead = type(dead)(**{
        name: getattr(dead, name) if name != "submitted" else 102.0
        for name in dead.__struct_fields__
    })  # fmt: skip
    ax = _draw(make_evaluation(0, 0.5, started=100.0, finished=109.0, worker="a"), dead)
    (line,) = ax.collections[-1].get_segments()
    assert [[2.0, 1.0], [9.0, 1.0]] == line.tolist()
    assert (9.0, 1.0) == tuple(float(v[0]) for v in ax.lines[0].get_data())


def test_a_failure_that_took_no_time_is_a_marker_where_it_was():
    """It is not taken for one that nobody timed."""
    ax = _draw(
        make_evaluation(0, 0.5, started=0.0, finished=9.0, worker="a"),
        make_evaluation(1, None, started=4.0, finished=4.0, worker="b"),
    )
    assert [] == ax.collections[-1].get_segments()
    assert (4.0, 1.0) == tuple(float(v[0]) for v in ax.lines[0].get_data())


def test_sixty_workers_are_rows_with_numbers():
    """Thousands of bars are one collection; only some rows have room for a number."""
    history = make_hyperband_history(600, n_workers=60)
    ax = Result(history).plot_gantt(ax=Figure().add_subplot())
    assert len(history) == len(ax.collections[0].get_paths())
    assert ["1", "10", "20", "30", "40", "50", "60"] == [
        label.get_text() for label in ax.get_yticklabels()
    ]
    assert ax.get_title().startswith("Evaluations by worker (60 workers, ")


def test_workers_are_sorted_as_people_count():
    """w2 comes before w10."""
    ax = _draw(*(make_evaluation(i, 0.5, worker=f"w{10 - i}") for i in range(10)))
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert [f"w{i}" for i in range(1, 11)] == names


def test_names_are_shortened_to_what_differs():
    """Parts that all names share say nothing; what is still too long has a gap."""
    assert ["host-a.1", "host-b.2"] == short_names(["run.host-a.1", "run.host-b.2"])
    assert ["31", "77"] == short_names(["node.31.0", "node.77.0"])
    assert ["w0"] == short_names(["w0"])
    (long,) = short_names(["x" * 50 + "end"])
    assert 22 == len(long)
    assert long.endswith("end")
    same = short_names(["same", "same.more"])
    assert 2 == len(set(same))


def test_evaluations_without_worker_or_duration_are_explained():
    """There is nothing to draw, and the axes say what is missing."""
    assert "worker" in _draw(make_evaluation(0, 0.5, worker="")).texts[0].get_text()
    ax = _draw(make_evaluation(0, 0.5, started=1.0, finished=1.0))
    assert "No evaluation took any time" == ax.texts[0].get_text()
