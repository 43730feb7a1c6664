"""Incumbents: their policies, trajectory and log."""

from __future__ import annotations

import logging

from hypothesis import given
from hypothesis import strategies as st

from bandmaster.core.objectives import Metric, Objectives
from bandmaster.study.incumbent import POLICIES, IncumbentLog, find_trajectory
from bandmaster.testing.histories import make_evaluation, make_history, make_hyperband_history

NAME = "bandmaster.incumbent_trajectory"
rows = st.lists(
    st.tuples(
        st.sampled_from([0.25, 0.5, 1.0]),
        st.none() | st.floats(-1e6, 1e6),
        st.floats(0, 100),
    ),
    max_size=30,
)


def _history(spec):
    return make_history(
        *(
            make_evaluation(i, loss, budget=budget, started=0.0, finished=finished)
            for i, (budget, loss, finished) in enumerate(spec)
        )
    )


def _messages(caplog, *evaluations):
    log = IncumbentLog()
    with caplog.at_level(logging.INFO, logger=NAME):
        for evaluation in evaluations:
            log(evaluation)
    return [record.getMessage() for record in caplog.records]


@given(rows)
def test_the_last_incumbent_is_the_best_of_the_history(spec):
    """Trajectory and History.best agree, overall and at each budget."""
    history = _history(spec)
    for budget in (None, *history.budgets):
        trajectory = find_trajectory(history, budget=budget)
        last = trajectory.evaluations[-1] if len(trajectory) else None
        assert history.best(budget) is last


@given(rows, st.sampled_from(sorted(POLICIES)))
def test_each_incumbent_beats_the_one_before_at_a_later_time(spec, policy):
    """Every step is a better one by the policy, and times never decrease."""
    trajectory = find_trajectory(_history(spec), policy=policy)
    steps = list(zip(trajectory.evaluations, trajectory.evaluations[1:], strict=False))
    assert all(POLICIES[policy](new, old) for old, new in steps)
    assert list(trajectory.times) == sorted(trajectory.times)
    assert len(trajectory) == len(trajectory.losses) == len(trajectory.configs)
    assert len(trajectory) == len(trajectory.budgets) == len(trajectory.trials)


def test_the_policies_differ_in_how_budgets_count():
    """A larger budget always wins; or only the loss counts; or the loss at no smaller budget."""
    history = _history([(0.25, 0.5, 1), (1.0, 0.6, 2), (0.25, 0.4, 3), (1.0, 0.45, 4)])
    found = {policy: find_trajectory(history, policy=policy).losses for policy in POLICIES}
    expected = {
        "largest budget": (0.5, 0.6, 0.45),
        "any budget": (0.5, 0.4),
        "non-decreasing budget": (0.5, 0.4),
    }
    assert expected == found
    falling = _history([(1.0, 0.5, 1), (0.25, 0.4, 2)])
    assert (0.5,) == find_trajectory(falling, policy="non-decreasing budget").losses


def test_an_incumbent_cannot_have_been_known_before_what_came_before():
    """With a slow clock at one worker, a change has the time of the evaluations before it."""
    history = _history([(1.0, 0.5, 10.0), (1.0, 0.4, 7.0), (1.0, 0.3, 12.0)])
    assert (10.0, 10.0, 12.0) == find_trajectory(history).times


def test_a_change_is_logged_as_the_seed_shows(caplog):
    """The challenger, then each changed parameter; equal ones are left out, names sorted."""
    expected = [
        "Challenger (0.0184) is better than incumbent (0.0189) when budget is (1).",
        "Changes in incumbent:",
        "  n_neighbors : 5 -> 1",
        "  p : 2 -> 1",
        "  weights : 'uniform' -> 'distance'",
    ]
    old = {"same": 1, "p": 2, "n_neighbors": 5, "weights": "uniform"}
    new = {"same": 1, "p": 1, "n_neighbors": 1, "weights": "distance"}
    assert expected == _messages(
        caplog,
        make_evaluation(0, 0.01890, config=old),
        make_evaluation(1, 0.01842, config=new),
    )


def test_budgets_are_logged_as_fractions_and_kept_apart(caplog):
    """A better loss at one budget says nothing about another."""
    messages = _messages(
        caplog,
        make_evaluation(0, 0.5, budget=0.25),
        make_evaluation(1, 0.4, budget=0.5),
        make_evaluation(2, 0.3, budget=0.5),
    )
    expected = "Challenger (0.3000) is better than incumbent (0.4000) when budget is (1/2)."
    assert expected == messages[0]
    assert 3 == len(messages)


def test_what_is_no_change_is_not_logged(caplog):
    """The first incumbent, equal or worse losses, and failures log nothing."""
    assert [] == _messages(
        caplog,
        make_evaluation(0, None),
        make_evaluation(1, 0.5),
        make_evaluation(2, 0.5),
        make_evaluation(3, 0.6),
        make_evaluation(4, None),
    )


def test_an_inactive_parameter_is_a_dash_in_the_log(caplog):
    """A challenger of another branch shows what went and what came."""
    messages = _messages(
        caplog,
        make_evaluation(0, 0.5, config={"model": "svm", "C": 1.0}),
        make_evaluation(1, 0.4, config={"model": "knn", "k": 3}),
    )
    assert ["  C : 1.0 -> -", "  k : - -> 3", "  model : 'svm' -> 'knn'"] == messages[2:]


def test_the_same_configuration_again_logs_no_changes(caplog):
    """A lower loss of an equal configuration is one line."""
    config = {"x": 1}
    messages = _messages(
        caplog, make_evaluation(0, 0.5, config=config), make_evaluation(1, 0.4, config=config)
    )
    assert 1 == len(messages)


def test_losses_that_are_close_are_logged_with_enough_digits(caplog):
    """A challenger never looks equal to the incumbent it beats."""
    message = _messages(caplog, make_evaluation(0, 0.5), make_evaluation(1, 0.49999999))[0]
    assert "Challenger (0.49999999) is better than incumbent (0.5)" in message


def test_what_a_resumed_study_knew_is_not_logged_again(caplog):
    """A log over a history continues from its incumbents."""
    history = make_hyperband_history()
    log = IncumbentLog(history)
    with caplog.at_level(logging.INFO, logger=NAME):
        for evaluation in history:
            log(evaluation)
    assert [] == caplog.records


def test_a_maximised_metric_is_logged_with_its_own_value(caplog):
    """The log says what the user returned, and leaves out what breaks a constraint."""
    objectives = Objectives(
        [Metric("acc", objective="maximize"), Metric("s", strategy="constraint", threshold=2.0)]
    )
    log = IncumbentLog(objectives=objectives)
    with caplog.at_level("INFO"):
        for job, (acc, seconds) in enumerate([(0.5, 1.0), (0.9, 3.0), (0.75, 1.0)]):
            log(make_evaluation(job, -acc, metrics={"acc": acc, "s": seconds}))
    messages = [m for m in caplog.messages if m.startswith("Challenger")]
    expected = "Challenger (0.7500) is better than incumbent (0.5000) when budget is (1)."
    assert [expected] == messages
