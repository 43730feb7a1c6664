"""Result.to_dataframe: one typed row an evaluation."""

from __future__ import annotations

import math
import time

import pandas as pd
import pytest

from bandmaster.core.history import History
from bandmaster.core.objectives import Metric, Objectives
from bandmaster.core.outcome import Status
from bandmaster.study.result import Result
from bandmaster.testing.histories import make_evaluation, make_history, make_hyperband_history


def test_one_row_an_evaluation_in_the_order_of_the_history():
    """Numbers equal those of the history."""
    history = make_hyperband_history(6, p_failure=0.2)
    frame = Result(history).to_dataframe()
    assert len(history) == len(frame)
    assert [e.job for e in history] == frame["job"].tolist()
    assert [e.budget for e in history] == frame["budget"].tolist()
    assert [e.worker for e in history] == frame["worker"].tolist()
    assert sum(e.ok for e in history) == frame["loss"].notna().sum()
    durations = pd.Series([e.finished - e.started for e in history], dtype="float64")
    assert durations.tolist() == frame["duration"].tolist()


def test_columns_are_typed_by_their_values():
    """Integers stay integers even where a parameter is sometimes inactive."""
    configs = [
        {"i": 1, "gap": 2, "f": 0.5, "mixed": 1, "b": True, "s": "l1", "o": (1, 2)},
        {"i": 2, "f": 1.5, "mixed": 0.5, "b": False, "o": "x"},
    ]
    frame = Result(
        make_history(*(make_evaluation(i, config=c) for i, c in enumerate(configs)))
    ).to_dataframe()
    kinds = {
        name.removeprefix("config."): str(kind)
        for name, kind in frame.dtypes.items()
        if name.startswith("config.")
    }
    expected = {
        "i": "int64", "gap": "Int64", "f": "float64", "mixed": "float64", "b": "bool",
        "s": "category", "o": "object",
    }  # fmt: skip
    assert expected == kinds
    assert frame["config.gap"].isna().tolist() == [False, True]


def test_a_huge_integer_keeps_its_value():
    """What fits no int64 column is kept as an object."""
    frame = Result(make_history(make_evaluation(0, config={"seed": 2**70}))).to_dataframe()
    assert [2**70] == frame["config.seed"].tolist()


@pytest.mark.parametrize(
    "values", [(1, 2**63 + 1), (0.5, 10**400), (-(10**400),), (0.5, 2**63 + 1)]
)
def test_integers_that_no_column_holds_keep_their_values(values):
    """None becomes another number, and none is too large."""
    rows = [make_evaluation(i, config={"n": n}) for i, n in enumerate(values)]
    frame = Result(make_history(*rows)).to_dataframe()
    assert list(values) == frame["config.n"].tolist()
    assert frame["config.n"].dtype == object


def test_a_metric_beyond_the_floats_is_infinite():
    """Columns of metrics are of floats."""
    rows = [make_evaluation(i, metrics={"m": m}) for i, m in enumerate((10**400, -(10**400), 2))]
    frame = Result(make_history(*rows, make_evaluation(3))).to_dataframe()
    assert [math.inf, -math.inf, 2.0] == frame["metric.m"].tolist()[:3]
    assert frame["metric.m"].isna().tolist() == [False, False, False, True]


def test_times_are_utc_and_missing_where_no_worker_gave_them():
    """A crashed job has no start and no end, so no duration."""
    crash = make_evaluation(1, None, status=Status.CRASHED, error="gone", started=0.0, finished=0.0)
    values = {name: getattr(crash, name) for name in crash.__slots__}
    history = make_history(
        make_evaluation(0, started=1_700_000_000.5), type(crash)(**{**values, "submitted": 1.7e9})
    )
    frame = Result(history).to_dataframe()
    expected = pd.Timestamp("2023-11-14 22:13:20.5", tz="UTC")
    assert expected == frame["started"][0]
    assert pd.isna(frame["started"][1])
    assert pd.isna(frame["finished"][1])
    assert pd.isna(frame["duration"][1])
    assert pd.Timestamp(1.7e9, unit="s", tz="UTC") == frame["submitted"][1]


def test_metrics_have_columns_of_their_own():
    """A metric that is called like a parameter does not clash with it."""
    history = make_history(
        make_evaluation(0, config={"loss": 3}, metrics={"loss": 0.9, "f1": 0.5}),
        make_evaluation(1, config={"loss": 4}),
    )
    frame = Result(history).to_dataframe()
    assert [3, 4] == frame["config.loss"].tolist()
    assert 0.9 == frame["metric.loss"][0]
    assert frame["metric.f1"].isna().tolist() == [False, True]


def test_an_empty_result_gives_an_empty_frame_with_its_columns():
    """Code that selects columns works before anything finished."""
    frame = Result(History(0)).to_dataframe()
    assert 0 == len(frame)
    assert {"job", "status", "loss", "started"} <= set(frame.columns)


def test_constraints_met_are_booleans_and_missing_for_what_did_not_end_well():
    """One column each and one for all; a metric that was not returned is not met."""
    objectives = Objectives(
        [
            Metric("loss"),
            Metric("seconds", strategy="constraint", threshold=2.0),
            Metric("recall", strategy="constraint", objective="maximize", threshold=0.5),
        ]
    )
    history = make_history(
        make_evaluation(0, metrics={"seconds": 2.0, "recall": 0.5}),
        make_evaluation(1, metrics={"seconds": 3.0, "recall": 0.9}),
        make_evaluation(2, metrics={"seconds": 1.0}),
        make_evaluation(3, None, metrics={"seconds": 1.0, "recall": 0.9}),
    )
    frame = Result(history, objectives=objectives).to_dataframe()
    assert {"boolean"} == {str(frame[c].dtype) for c in ("feasible", "met.seconds", "met.recall")}
    assert [True, False, False, pd.NA] == frame["feasible"].tolist()
    assert [True, False, True, pd.NA] == frame["met.seconds"].tolist()
    assert [True, True, False, pd.NA] == frame["met.recall"].tolist()
    assert "feasible" not in Result(history).to_dataframe()


def test_it_says_who_picked_the_configuration():
    """Missing where the optimizer does not say."""
    infos = [{"model_based_pick": True}, {"model_based_pick": False}, {}, {"model_based_pick": 1}]
    history = make_history(*(make_evaluation(i, config_info=c) for i, c in enumerate(infos)))
    column = Result(history).to_dataframe()["model_based"]
    assert "boolean" == str(column.dtype)
    assert [True, False, pd.NA, pd.NA] == column.tolist()


def test_ten_thousand_rows_take_less_than_a_second():
    """A frame is made column by column, not cell by cell."""
    history = make_hyperband_history(2300)
    assert 9_900 < len(history) < 10_100
    result = Result(history)
    began = time.process_time()
    result.to_dataframe()
    assert time.process_time() - began < 4.0
