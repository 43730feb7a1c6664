"""Named metrics and what each is for."""

import pytest

from bandmaster.core.objectives import Metric, Objectives
from bandmaster.core.outcome import Outcome, Status
from bandmaster.errors import ConfigurationError
from bandmaster.testing.histories import make_evaluation


def ok(loss=None, **metrics):
    """Return a good outcome."""
    return Outcome(Status.OK, loss, metrics)


def test_the_default_is_to_minimise_the_loss():
    """Without metrics an outcome passes as it is."""
    outcome = ok(0.5)
    assert outcome is Objectives().judge(outcome)


def test_a_maximised_metric_becomes_a_loss_with_its_sign_turned():
    """Everything downstream minimises."""
    judged = Objectives([{"name": "accuracy", "objective": "maximize"}]).judge(ok(accuracy=0.75))
    assert judged.loss == -0.75
    assert judged.metrics == {"accuracy": 0.75}


@pytest.mark.parametrize("returned", [ok(accuracy=0.5), ok(), ok(f1=1.0)])
def test_a_missing_metric_fails_and_names_what_is_missing(returned):
    """The message has what came and what is needed."""
    judged = Objectives(["recall"]).judge(returned)
    assert Status.FAILED is judged.status
    assert "recall" in judged.error


def test_a_stored_metric_may_be_missing():
    """Only what the search needs is demanded."""
    objectives = Objectives([Metric("loss"), Metric("memory", strategy="store")])
    assert objectives.judge(ok(1.0)).ok


def test_a_metric_that_is_not_finite_fails():
    """NaN never becomes a loss."""
    judged = Objectives(["score"]).judge(ok(score=float("nan")))
    assert (judged.status, judged.loss) == (Status.FAILED, None)


@pytest.mark.parametrize(
    ("objective", "value", "expected"),
    [("minimize", 0.1, True), ("minimize", 0.2, False), ("maximize", 0.1, True),
     ("maximize", 0.05, False)],
)  # fmt: skip
def test_a_constraint_holds_up_to_its_threshold(objective, value, expected):
    """Not worse than the threshold, on the side the objective says."""
    objectives = Objectives(
        ["loss", Metric("time", strategy="constraint", objective=objective, threshold=0.1)]
    )
    assert expected == objectives.feasible({"time": value})
    assert not objectives.feasible({})


@pytest.mark.parametrize(
    "metrics",
    [
        [{"name": "a", "strategy": "guess"}],
        [{"name": "a", "objective": "max"}],
        [{"name": ""}],
        [{"strategy": "optimize"}],
        [{"name": "a", "treshold": 1}],
        [{"name": "a", "strategy": "constraint"}],
        [{"name": "a", "strategy": "store"}],
        ["a", "a"],
    ],
)
def test_malformed_metrics_are_refused(metrics):
    """A typo does not silently become another search."""
    with pytest.raises(ConfigurationError):
        Objectives(metrics)


def test_objectives_survive_their_stored_form():
    """What the journal keeps is the whole of it."""
    objectives = Objectives(["loss", Metric("t", "constraint", "maximize", 3.0)])
    assert objectives == Objectives.from_data(objectives.to_data())


def test_what_ended_well_and_breaks_no_constraint_counts():
    """A failure never does, a constraint whose metric is missing does not hold."""
    objectives = Objectives(["loss", Metric("time", strategy="constraint", threshold=2.0)])
    for loss, time, expected in [(1.0, 2.0, True), (1.0, 2.1, False), (None, 1.0, False)]:
        assert expected == objectives.counts(make_evaluation(0, loss, metrics={"time": time}))
    assert not objectives.counts(make_evaluation(0, 1.0))
    assert Objectives().counts(make_evaluation(0, 1.0))


def test_a_loss_is_turned_back_into_the_metrics_own_value():
    """`value` undoes the sign of a maximised metric."""
    assert 0.75 == Objectives([Metric("accuracy", objective="maximize")]).value(-0.75)
    assert 0.75 == Objectives().value(0.75)
