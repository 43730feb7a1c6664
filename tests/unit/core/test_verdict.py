"""What an evaluation returned, judged."""

import fractions
import math

import numpy as np
import pytest

from bandmaster.core.outcome import Outcome, Status
from bandmaster.core.verdict import failure_of, outcome_of


class Tensor:
    """Stands for a one-element tensor of a library."""

    def __float__(self):
        return 0.25


@pytest.mark.parametrize(
    ("returned", "loss"),
    [
        (1, 1.0),
        (0.5, 0.5),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3.0),
        (np.array(0.5), 0.5),
        (np.array([0.5]), 0.5),
        (fractions.Fraction(1, 4), 0.25),
        (Tensor(), 0.25),
        ({"loss": np.float64(2.0)}, 2.0),
        ({"loss": 1, "info": {"a": 1}}, 1.0),
    ],
)
def test_numbers_of_all_kinds_are_losses(returned, loss):
    """Whatever is one real number becomes a native float."""
    outcome = outcome_of(returned)
    assert (Status.OK, loss, float) == (outcome.status, outcome.loss, type(outcome.loss))


@pytest.mark.parametrize(
    ("returned", "says"),
    [
        (None, "None"),
        ("0.5", "'0.5'"),
        (True, "bool"),
        (np.bool_(False), "bool"),
        (1j, "complex"),
        (np.array([1, 2]), "array"),
        (object(), "object"),
        (math.nan, "nan"),
        (math.inf, "inf"),
        (10**400, "inf"),
        ({"loss": None}, "None"),
        ({"loss": "x"}, "'x'"),
        ({"loss": math.nan}, "nan"),
        ({"loss": 1.0, "info": object()}, "info"),
        ({"loss": 1.0, "model": open}, "model"),
    ],
)
def test_anything_else_is_a_failure_that_says_what_came(returned, says):
    """A failed outcome names what was found; it never raises."""
    outcome = outcome_of(returned)
    assert Status.FAILED is outcome.status
    assert outcome.loss is None
    assert says in outcome.error


def test_numbers_beside_the_loss_are_metrics_and_the_rest_is_info():
    """Nothing that was returned is dropped."""
    outcome = outcome_of(
        {"loss": 1, "accuracy": np.float32(0.5), "note": "x", "metrics": {"f1": 0.25}, "info": 7}
    )
    assert outcome.metrics == {"accuracy": 0.5, "f1": 0.25}
    assert outcome.info == {"note": "x", "info": 7}


def test_a_dict_without_loss_leaves_the_judgement_to_the_objectives():
    """The worker does not know the study's metrics."""
    outcome = outcome_of({"accuracy": 0.5})
    assert (outcome.status, outcome.loss, outcome.metrics) == (Status.OK, None, {"accuracy": 0.5})


def test_an_outcome_passes_through():
    """One who makes an Outcome means it."""
    outcome = Outcome(Status.OK, 1.0)
    assert outcome is outcome_of(outcome)


def test_a_failure_carries_its_traceback_of_bounded_length():
    """The traceback names type, message and line; a giant message is cut in the middle."""
    try:
        raise ValueError("x" * 100_000 + "end")
    except ValueError as error:
        outcome = failure_of(error)
    assert Status.FAILED is outcome.status
    assert "test_verdict.py" in outcome.error
    assert outcome.error.rstrip().endswith("end")
    assert len(outcome.error) < 30_000


def test_text_that_is_no_unicode_does_not_get_into_an_outcome():
    """A file's name that is no UTF-8 is a failure in `info`, and escaped in a traceback."""
    outcome = outcome_of({"loss": 1.0, "info": ["\udc80.csv"]})
    assert Status.FAILED is outcome.status
    assert "info[0] is no valid text" in outcome.error
    assert "no file \\udc80.csv" in failure_of(OSError("no file \udc80.csv")).error


def test_an_exception_that_is_returned_or_told_is_a_failure():
    """So `tell(job, error)` says why there is no loss."""
    outcome = outcome_of(ValueError("no disk"), started=1.0, finished=2.0, worker="w")
    assert (Status.FAILED, 1.0, 2.0, "w") == (
        outcome.status, outcome.started, outcome.finished, outcome.worker,
    )  # fmt: skip
    assert "ValueError: no disk\n" == outcome.error
