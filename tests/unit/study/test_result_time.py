"""Where the time went: workers, waits, the optimizer."""

from __future__ import annotations

import itertools
import math
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandmaster.core.history import History
from bandmaster.core.outcome import Status
from bandmaster.multifidelity import HyperBandIterGenerator
from bandmaster.optimizers import RandomOptimizer
from bandmaster.space import Float, Space
from bandmaster.study.result import Result
from bandmaster.study.study import Study
from bandmaster.study.timings import Timings
from bandmaster.testing.histories import make_evaluation, make_history, make_hyperband_history


def _row(job, worker, started, finished, *, loss=0.5, submitted=None, **more):
    row = make_evaluation(job, loss, worker=worker, started=started, finished=finished, **more)
    values = {name: getattr(row, name) for name in row.__struct_fields__}
    return type(row)(**{**values, "submitted": started if submitted is None else submitted})


def test_a_worker_is_busy_while_it_evaluates():
    """From its first start to the end of the search; a late one is not blamed for before."""
    use = Result(
        make_history(
            _row(0, "a", 0.0, 4.0), _row(1, "a", 5.0, 10.0, loss=None), _row(2, "b", 6.0, 8.0)
        )
    ).utilization()
    first, second = use.workers
    assert ("a", 2, 1, 9.0, 10.0) == (
        first.worker, first.n_evaluations, first.n_failed, first.busy, first.available,
    )  # fmt: skip
    assert ("b", 2.0, 4.0, 0.5) == (second.worker, second.busy, second.available, second.share)
    assert (11.0, 14.0, 11 / 14) == (use.busy, use.available, use.share)


def test_two_evaluations_at_once_count_once():
    """One inside the other, too; a share is never above 1."""
    use = Result(
        make_history(
            _row(0, "a", 0.0, 8.0), _row(1, "a", 1.0, 2.0), _row(2, "a", 7.0, 10.0),
            _row(3, "a", 12.0, 11.0),
        )
    ).utilization()  # fmt: skip
    assert (10.0, 11.0) == (use.busy, use.available)


def test_what_no_worker_of_this_study_timed_counts_for_nothing():
    """Crashed without a time, or from a previous result."""
    crash = _row(1, "b", 0.0, 0.0, loss=None, status=Status.CRASHED, error="x", submitted=5.0)
    use = Result(
        make_history(_row(0, "a", 0.0, 4.0), crash, _row(-1, "old", -100.0, -50.0, trial=-1))
    ).utilization()
    assert ["a"] == [worker.worker for worker in use.workers]
    assert 1.0 == use.share


def test_one_that_was_stopped_early_is_no_failure_of_its_worker():
    """It took its time, though."""
    (use,) = (
        Result(make_history(_row(0, "a", 0.0, 1.0, loss=None, status=Status.STOPPED)))
        .utilization()
        .workers
    )
    assert (0, 1.0) == (use.n_failed, use.busy)


def test_where_no_time_passed_the_share_is_nought():
    """Nothing finished, or all of it at one moment."""
    assert 0.0 == Result(History(0)).utilization().share
    use = Result(make_history(_row(0, "a", 3.0, 3.0))).utilization()
    assert (0.0, 0.0) == (use.share, use.workers[0].share)


def test_utilization_is_the_mean_of_the_concurrency():
    """Workers that are there all the time: busy time equals the sum of all durations."""
    history = make_hyperband_history(10, n_workers=3)
    use = Result(history).utilization()
    assert 3 == len(use.workers)
    assert use.busy == pytest.approx(sum(e.finished - e.started for e in history))
    assert 0 < use.share <= 1


def test_printed_it_is_a_table():
    """A line a worker and one for all; a name cannot break it."""
    rows = [_row(0, "a", 0.0, 4.0), _row(1, "b\n\x1b", 0.0, 1.0, loss=None)]
    lines = str(Result(make_history(*rows)).utilization()).split("\n")
    assert ["worker", "busy", "seconds", "of", "evaluations", "failed"] == lines[0].split()
    assert ["a", "100%", "4", "4", "1", "0"] == lines[1].split()
    assert ["b\ufffd\ufffd", "25%", "1", "4", "1", "1"] == lines[2].split()
    assert ["all", "62%", "5", "8", "2", "1"] == lines[3].split()
    assert 1 == len({len(line) for line in lines})
    assert 2 == len(str(Result(History(0)).utilization()).split("\n"))


def test_waits_go_from_issue_to_start():
    """Row by row; unknown where no worker timed it, and for a previous result."""
    history = make_history(
        _row(0, "a", 5.0, 6.0, submitted=2.0),
        _row(1, "a", 0.0, 0.0, loss=None, status=Status.CRASHED, submitted=3.0),
        _row(-1, "a", 5.0, 6.0, submitted=2.0, trial=-1),
        _row(2, "a", 8.0, 9.0, submitted=8.5),
    )
    result = Result(history)
    np.testing.assert_array_equal([3.0, np.nan, np.nan, -0.5], result.queue_waits())
    np.testing.assert_array_equal(result.queue_waits(), result.to_dataframe()["wait"])
    assert (0,) == Result(History(0)).queue_waits().shape


def test_the_optimizers_time_is_known_while_the_study_is(monkeypatch):
    """It grows with each proposal; a pickle, or a result over a history, does not know it."""
    seconds = iter(range(100))
    monkeypatch.setattr("bandmaster.study.timings.time.perf_counter", lambda: next(seconds))
    generator = HyperBandIterGenerator(min_budget=1, max_budget=4, eta=2)
    study = Study(Space([Float("x", 0, 1)]), optimizer=RandomOptimizer(), generator=generator)
    result = Result.of(study)
    assert 0.0 == result.optimizer_time
    for _ in range(3):
        study.tell(study.ask(), 0.5)
    assert 3.0 == result.optimizer_time
    assert 3 == study.timings.n_proposals
    assert "3 s for proposals" in result._repr_html_()
    assert pickle.loads(pickle.dumps(result)).optimizer_time is None
    assert Result(study.history).optimizer_time is None


def test_a_proposal_that_fails_took_its_time_too(monkeypatch):
    """What the optimizer raises passes through."""
    timings = Timings()

    def broken(state):
        raise ValueError("no idea")

    monkeypatch.setattr("bandmaster.study.timings.propose", broken)
    with pytest.raises(ValueError, match="no idea"):
        timings.propose(None)
    assert 1 == timings.n_proposals
    assert timings.seconds >= 0
    assert math.isfinite(timings.seconds)


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.floats(0, 100), st.floats(0, 50)),
        min_size=1,
        max_size=20,
    )
)
def test_no_worker_is_busier_than_it_is_there(spec):
    """Whatever overlaps; and busy time is that of the moments in which it evaluates."""
    rows = [_row(i, w, 1 + s, 1 + s + d) for i, (w, s, d) in enumerate(spec)]
    use = Result(make_history(*rows)).utilization()
    assert {w for w, _, _ in spec} == {worker.worker for worker in use.workers}
    assert 0 <= use.share <= 1 + 1e-9
    for worker in use.workers:
        assert 0 <= worker.busy <= worker.available + 1e-9
        own = [(s, s + d) for w, s, d in spec if w == worker.worker]
        edges = sorted({edge for pair in own for edge in pair})
        covered = sum(
            high - low
            for low, high in itertools.pairwise(edges)
            if any(s <= low and high <= e for s, e in own)
        )
        assert worker.busy == pytest.approx(covered, abs=1e-9)


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf])
def test_times_that_are_no_numbers_are_no_times(odd):
    """A worker's clock may say anything; what others took stays right, and all is shown."""
    rows = [_row(0, "a", 0.0, 4.0), _row(1, "b", 4.0, odd), _row(2, "a", 4.0, 6.0, loss=0.1)]
    result = Result(make_history(*rows))
    assert [("a", 6.0)] == [(w.worker, w.busy) for w in result.utilization().workers]
    np.testing.assert_array_equal([0.0, np.nan, 0.0], result.queue_waits())
    assert [4.0, 6.0] == result.get_incumbent_trajectory()["times_finished"]
    assert {"submitted": 4.0, "started": 4.0, "finished": 4.0} == (
        result.get_all_runs()[1].time_stamps
    )
    assert result.to_dataframe()["finished"].isna().tolist() == [False, True, False]
    assert "6 s" in result._repr_html_()


def test_a_time_beyond_the_calendar_is_missing_in_the_frame():
    """Data frames go from the year 1677 to 2262."""
    frame = Result(make_history(_row(0, "a", 0.0, 1e300))).to_dataframe()
    assert frame["finished"].isna()[0]
    assert 1e300 == frame["duration"][0]
