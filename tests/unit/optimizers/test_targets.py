"""What optimizers read of metrics and constraints."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandmaster.core.history import History
from bandmaster.core.objectives import Metric, Objectives
from bandmaster.core.outcome import Status
from bandmaster.optimizers.targets import Targets
from bandmaster.testing.histories import make_evaluation

BOTH = Objectives(
    [
        Metric("error"),
        Metric("accuracy", objective="maximize"),
        Metric("seconds", "constraint", threshold=10.0),
        Metric("recall", "constraint", "maximize", 0.5),
        Metric("size", "store"),
    ]
)
FLOATS = st.floats(allow_nan=True, allow_infinity=True)


def _history(objectives: Objectives | None = None) -> History:
    history = History(1)
    if objectives is not None:
        history.objectives = objectives
    return history


def test_losses_are_all_there_is_to_a_plain_study() -> None:
    """One objective without constraints: the losses, NaN where it did not end well."""
    history = _history()
    targets = Targets(history)
    for job, (loss, status) in enumerate(
        [(1.5, Status.OK), (None, Status.FAILED), (0.5, Status.STOPPED), (-2.0, Status.OK)]
    ):
        history.append(make_evaluation(job, loss, status=status))
    assert targets.plain
    assert (1, 0) == (targets.n_objectives, targets.n_constraints)
    np.testing.assert_array_equal([[1.5], [math.nan], [math.nan], [-2.0]], targets.values)
    assert (4, 0) == targets.violations.shape
    assert [True, False, False, True] == targets.feasible.tolist()


def test_signs_thresholds_and_what_is_missing() -> None:
    """Lower is better in every column; a missing constraint does not hold."""
    history = _history(BOTH)
    rows: list[dict[str, float]] = [
        {"accuracy": 0.9, "seconds": 12.0, "recall": 0.75},
        {"accuracy": math.inf, "seconds": 10.0, "recall": 0.5},
        {"seconds": math.inf, "recall": -math.inf},
        {"accuracy": 0.1, "seconds": 1.0},
    ]
    for job, metrics in enumerate(rows):
        history.append(make_evaluation(job, 1.0, metrics=metrics))
    history.append(make_evaluation(4, None, metrics=rows[0]))
    targets = Targets(history)
    assert (2, 2, False) == (targets.n_objectives, targets.n_constraints, targets.plain)
    nan, top = math.nan, np.finfo(np.float64).max
    np.testing.assert_array_equal(
        [[1.0, -0.9], [1.0, nan], [1.0, nan], [1.0, -0.1], [nan, nan]], targets.values
    )
    np.testing.assert_array_equal(
        [[2.0, -0.25], [0.0, 0.0], [top, top], [-9.0, nan], [nan, nan]], targets.violations
    )
    assert [False, True, False, False, False] == targets.feasible.tolist()


@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {}, optional=dict.fromkeys(("accuracy", "seconds", "recall"), FLOATS)
        ),
        max_size=40,
    ),
    data=st.data(),
)
def test_reading_on_the_way_changes_nothing(
    rows: list[dict[str, float]], data: st.DataObject
) -> None:
    """What was read in pieces equals what is read at once, and feasible is what counts."""
    history = _history(BOTH)
    targets = Targets(history)
    for job, metrics in enumerate(rows):
        history.append(make_evaluation(job, None if job % 7 == 3 else 1.0, metrics=metrics))
        if data.draw(st.booleans()):
            assert (job + 1, 2) == targets.values.shape
    fresh = Targets(history)
    np.testing.assert_array_equal(fresh.values, targets.values)
    np.testing.assert_array_equal(fresh.violations, targets.violations)
    assert [BOTH.counts(e) for e in history] == targets.feasible.tolist()
    assert not np.isinf(targets.values).any()
    assert not np.isinf(targets.violations).any()


@pytest.mark.parametrize("objectives", [Objectives(), BOTH])
def test_objectives_may_come_later(objectives: Any) -> None:
    """The study names its metrics after the optimizer was bound; before there are no rows."""
    history = _history(Objectives(["other", "another"]))
    targets = Targets(history)
    assert (0, 2) == targets.values.shape
    history.objectives = objectives
    history.append(make_evaluation(0, 2.0))
    assert (1, targets.n_objectives) == targets.values.shape
    assert 2.0 == targets.values[0, 0]
