"""Result.pareto_front: what no other evaluation beats."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandmaster.core.history import History
from bandmaster.core.objectives import Metric, Objectives
from bandmaster.core.outcome import Status
from bandmaster.errors import ConfigurationError
from bandmaster.study.pareto import undominated
from bandmaster.study.result import Result
from bandmaster.testing.histories import make_evaluation, make_history

METRICS = Objectives(
    [
        Metric("accuracy", objective="maximize"),
        Metric("seconds"),
        Metric("memory", strategy="constraint", threshold=10.0),
        Metric("size", strategy="store"),
    ]
)


def _row(job, accuracy, seconds, memory=1.0, budget=1.0, **more):
    metrics = {"accuracy": accuracy, "seconds": seconds, "memory": memory}
    return make_evaluation(job, -accuracy, budget=budget, metrics=metrics, **more)


def _front(*rows, **arguments):
    result = Result(make_history(*rows), objectives=METRICS)
    return [e.job for e in result.pareto_front(**arguments)]


def test_the_front_is_what_no_other_beats_the_best_by_the_first_metric_first():
    """One metric maximised, one minimised."""
    rows = [_row(0, 0.9, 9), _row(1, 0.7, 1), _row(2, 0.8, 5), _row(3, 0.7, 2), _row(4, 0.6, 5)]
    assert [0, 2, 1] == _front(*rows)


def test_equal_evaluations_are_all_in_the_front():
    """None of them beats the other; equal in one metric, the better in the other one stays."""
    assert [0, 1] == _front(_row(0, 0.9, 1), _row(1, 0.9, 1), _row(2, 0.9, 2), _row(3, 0.8, 1))


def test_failures_and_broken_constraints_are_no_part_of_it():
    """However good; neither are values that are no finite number."""
    front = _front(
        _row(0, 0.5, 5),
        _row(1, 0.9, 1, memory=11),
        make_evaluation(2, None),
        _row(3, 0.9, 1, status=Status.STOPPED),
        _row(4, 0.9, math.nan),
        make_evaluation(5, -0.9, metrics={"accuracy": 0.9, "memory": 1.0}),
    )
    assert [0] == front


def test_budgets_are_not_mixed():
    """The largest with candidates by default, another one by name."""
    rows = [_row(0, 0.9, 1), _row(1, 0.5, 5, budget=3), _row(2, 0.9, 1, memory=99, budget=9)]
    assert [1] == _front(*rows)
    assert [0] == _front(*rows, budget=1)
    assert [] == _front(*rows, budget=9)


def test_the_default_objective_is_a_metric_too():
    """`loss` is not among the metrics of an evaluation that returned a number."""
    objectives = Objectives([Metric("loss"), Metric("seconds")])
    rows = [make_evaluation(i, 0.1 * i, metrics={"seconds": 9.0 - i}) for i in range(3)]
    front = Result(make_history(*rows), objectives=objectives).pareto_front()
    assert [0, 1, 2] == [e.job for e in front]


def test_nothing_gives_an_empty_front():
    """Also when all failed."""
    assert [] == _front()
    assert [] == _front(make_evaluation(0, None))


def test_metrics_may_be_named():
    """Also those that are only stored; three are fine; one, or an unknown one, is refused."""
    rows = [
        make_evaluation(i, -a, metrics={"accuracy": a, "seconds": s, "memory": 1.0, "size": z})
        for i, (a, s, z) in enumerate([(0.9, 9, 3), (0.8, 1, 2), (0.7, 2, 1), (0.6, 3, 1)])
    ]
    assert [0, 1, 2] == _front(*rows, metrics=["accuracy", "size"])
    assert [1, 2] == _front(*rows, metrics=["seconds", "size"])
    assert [0, 1, 2] == _front(*rows, metrics=("accuracy", "seconds", "size"))
    for wrong in (["accuracy"], ["accuracy", "accuracy"], ["accuracy", "speed"], "accuracy"):
        with pytest.raises(ConfigurationError):
            _front(*rows, metrics=wrong)
    with pytest.raises(ConfigurationError, match="optimize"):
        Result(History(0)).pareto_front()


@given(
    st.integers(2, 3).flatmap(
        lambda k: st.lists(st.tuples(*[st.integers(0, 4)] * k), min_size=1, max_size=30)
    )
)
def test_undominated_rows_are_those_of_the_definition(points):
    """Row by row against all others."""
    table = np.array(points, dtype=float)
    expected = {
        i for i, p in enumerate(table) if not any((q <= p).all() and (q < p).any() for q in table)
    }
    found = undominated(table)
    assert expected == set(found)
    assert len(found) == len(set(found))
    assert [points[i] for i in found] == sorted(points[i] for i in found)


def test_a_table_of_several_metrics_says_by_which_it_is_and_that_there_is_a_front():
    """The other metrics that count stand below the first, of the same evaluation."""
    rows = [_row(0, 0.9, 5.0), _row(1, 0.8, 2.0), _row(2, 0.7, 9.0), _row(3, 0.99, 1.0, 50.0)]
    lines = repr(Result(make_history(*rows), objectives=METRICS)).splitlines()
    values = {
        line.split("|")[1].strip(): line.split("|")[2].strip() for line in lines if "|" in line
    }
    shown = {name: values.get(name) for name in ("Optimal accuracy", "seconds", "memory", "size")}
    assert {
        "Optimal accuracy": "0.9000",
        "seconds": "5.0000",
        "memory": "1.0000",
        "size": None,
    } == shown
    assert (
        "The best by accuracy; 2 evaluations are on the Pareto front of accuracy, seconds "
        "(see .pareto_front())."
    ) in lines
