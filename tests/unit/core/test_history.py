"""The columnar record of finished evaluations."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandmaster.core.evaluation import Evaluation
from bandmaster.core.history import History
from bandmaster.core.job import Job
from bandmaster.core.outcome import Outcome, Status


def row(number, budget=1.0, loss=None):
    """Return an evaluation; without a loss it failed."""
    job = Job(number, 0, number, {"x": number}, budget, vector=np.array([number / 7.0]))
    outcome = Outcome.failed("no") if loss is None else Outcome(Status.OK, loss)
    return Evaluation.of(job, outcome)


@given(
    st.lists(
        st.tuples(st.sampled_from([1.0, 3.0]), st.none() | st.floats(-9, 9, allow_subnormal=False)),
        max_size=60,
    )
)
def test_columns_rows_and_incumbents_agree(entries):
    """Every way of looking at the history tells the same."""
    history = History(1)
    rows = [row(i, budget, loss) for i, (budget, loss) in enumerate(entries)]
    for e in rows:
        history.append(e)
    assert rows == list(history)
    assert [e.trial for e in rows] == history.column("trial").tolist()
    assert [e.ok for e in rows] == history.column("ok").tolist()
    assert (len(rows), 1) == history.vectors.shape
    for budget in (1.0, 3.0):
        at = [i for i, e in enumerate(rows) if e.budget == budget]
        assert at == history.at_budget(budget).tolist()
        good = [e for e in rows if e.budget == budget and e.ok]
        best = min(good, key=lambda e: e.loss, default=None)
        assert best == history.best(budget)


def test_the_best_is_of_the_largest_budget_with_a_success():
    """A lower loss at a smaller budget says little."""
    history = History(1)
    for e in (row(0, 1.0, 0.1), row(1, 3.0, 0.5), row(2, 9.0, None)):
        history.append(e)
    assert history.best().trial == 1
    assert History(1).best() is None


def test_columns_are_read_only_and_do_not_change_under_the_reader():
    """A view taken before stays what it was while the arrays grow."""
    history = History(1)
    history.append(row(0, 1.0, 0.5))
    losses, vectors = history.losses, history.vectors
    for i in range(1, 100):
        history.append(row(i, 1.0, float(i)))
    assert losses.tolist() == [0.5]
    assert vectors.shape == (1, 1)
    with pytest.raises(ValueError, match="read-only"):
        history.losses[0] = 1.0
