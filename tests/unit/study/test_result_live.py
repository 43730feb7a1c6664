"""A result that is read while its history grows."""

from __future__ import annotations

import threading

import pytest

from bandmaster.core.history import History
from bandmaster.core.objectives import Metric, Objectives
from bandmaster.study.result import Result
from bandmaster.testing.histories import make_evaluation

OBJECTIVES = Objectives(
    [Metric("loss"), Metric("seconds"), Metric("memory", strategy="constraint", threshold=0.9)]
)

VIEWS = {
    "repr": repr,
    "html": Result._repr_html_,
    "frame": Result.to_dataframe,
    "frames": Result.get_pandas_dataframe,
    "trajectory": Result.get_incumbent_trajectory,
    "runs": Result.get_all_runs,
    "longest runs": lambda result: result.get_all_runs(only_largest_budget=True),
    "configs": Result.get_id2config_mapping,
    "curves": Result.get_learning_curves,
    "front": Result.pareto_front,
    "utilization": Result.utilization,
    "waits": Result.queue_waits,
    "n_configs": lambda result: result.n_configs,
}


def _row(job):
    """Failures, several budgets and workers, a parameter that is there now and then."""
    return make_evaluation(
        job,
        None if job % 7 == 3 else 1 / (job + 1),
        trial=job // 3,
        budget=float(3 ** (job % 3)),
        config={"x": job, **({f"y{job % 50}": 1} if job % 2 else {})},
        worker=f"w{job % 5}",
        metrics={"seconds": job % 11, "memory": (job % 10) / 10},
    )


@pytest.mark.parametrize("view", sorted(VIEWS))
def test_what_it_shows_is_of_one_moment_while_another_thread_appends(view):
    """Nothing is torn: no view fails."""
    history = History(0)
    history.append(_row(0))
    result = Result(history, objectives=OBJECTIVES)

    def write():
        for job in range(1, 3000):
            history.append(_row(job))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        while writer.is_alive():
            VIEWS[view](result)
    finally:
        writer.join()
    assert 3000 == len(result.evaluations)
    VIEWS[view](result)


@pytest.mark.parametrize("view", sorted(VIEWS))
def test_every_view_of_nothing_is_empty(view):
    """Without an error, also where every evaluation failed."""
    empty = VIEWS[view](Result(History(0), objectives=OBJECTIVES))
    failed = History(0)
    failed.append(make_evaluation(0, None))
    assert VIEWS[view](Result(failed, objectives=OBJECTIVES)) is not None
    if view in ("repr", "html"):
        assert "o evaluation has finished yet" in empty
    elif view not in ("frames", "utilization"):
        assert 0 == len(empty)
