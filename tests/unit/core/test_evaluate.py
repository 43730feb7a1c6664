"""Calling an objective with what it names."""

import functools

import pytest

from bandmaster.core.clock import ManualClock
from bandmaster.core.context import Context
from bandmaster.core.decisions import Decision
from bandmaster.core.evaluate import Objective, evaluate
from bandmaster.core.job import Job
from bandmaster.core.outcome import Outcome, Status
from bandmaster.errors import ConfigurationError

JOB = Job(3, 0, 2, {"x": 1}, 9, {"model_based_pick": True}, bracket=4)


def call(function):
    """Call `function` as a worker would."""
    return Objective(function)(JOB, Context(JOB, worker="w", working_directory="/tmp/d"))


class Callable:
    """An objective with state."""

    def __call__(self, config):
        return ("callable", config)

    def compute(self, config_id, config, config_info, budget, working_directory):
        return (config_id, config, config_info, budget, working_directory)

    def compute_all(self, config, budget, **kwargs):
        return (config, budget, sorted(kwargs))


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda config: config, {"x": 1}),
        (lambda config, budget: (config, budget), ({"x": 1}, 9)),
        (lambda budget, config: (config, budget), ({"x": 1}, 9)),
        (lambda x: x, {"x": 1}),
        (lambda x, b: (x, b), ({"x": 1}, 9)),
        (lambda budget, x: (x, budget), ({"x": 1}, 9)),
        (lambda config, budget=1: budget, 9),
        (lambda config, other=5: other, 5),
        (lambda config, *, budget: budget, 9),
        (lambda config, other=5, budget=1: (other, budget), (5, 9)),
        (lambda *args: args, ({"x": 1},)),
        (lambda config, job, context: (job.number, context.worker), (3, "w")),
        (Callable(), ("callable", {"x": 1})),
        (
            Callable().compute,
            ((4, 0, 2), {"x": 1}, {"model_based_pick": True}, 9, "/tmp/d"),
        ),
        (
            Callable().compute_all,
            (
                {"x": 1},
                9,
                ["config_id", "config_info", "context", "job", "working_directory"],
            ),
        ),
        (functools.partial(lambda a, config: (a, config), 5), (5, {"x": 1})),
        (dict, {"x": 1}),
    ],
)
def test_an_objective_gets_what_it_names(function, expected):
    """By name where the name is known; else configuration first, budget second."""
    assert expected == call(function)


@pytest.mark.parametrize(
    "function",
    [5, None, lambda config, budget, c: 0, lambda *, other: 0, lambda a, b, c: 0],
)
def test_an_objective_that_needs_more_is_refused_before_anything_runs(function):
    """The error names the parameter nobody gives, and what there is."""
    with pytest.raises(ConfigurationError, match=r"callable|nobody gives"):
        Objective(function)


def test_an_objective_cannot_change_the_study_through_its_config():
    """It gets a dict of its own."""

    def greedy(config):
        config["x"] = 99
        return 1

    call(greedy)
    assert JOB.config == {"x": 1}


def test_exceptions_and_sys_exit_become_failed_outcomes_with_times():
    """Nothing that user code raises leaves evaluate, but Ctrl-C."""
    clock = ManualClock(10.0)

    def leave(config):
        clock.advance(5)
        raise SystemExit(3)

    outcome = evaluate(Objective(leave), JOB, Context(JOB, worker="w"), clock)
    assert Status.FAILED is outcome.status
    assert "SystemExit: 3" in outcome.error
    assert (outcome.started, outcome.finished, outcome.worker) == (10.0, 15.0, "w")


def test_ctrl_c_passes_through():
    """KeyboardInterrupt is the user's, not the objective's."""

    def interrupted(config):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate(Objective(interrupted), JOB, Context(JOB), ManualClock())


def test_a_report_counts_steps_and_remembers_to_stop():
    """Steps count from 1; an answer other than CONTINUE sets should_stop."""
    seen = []

    def reporter(job, metrics, step, checkpoint):
        seen.append((job.number, metrics, step))
        return Decision.STOP if step == 2 else Decision.CONTINUE

    context = Context(JOB, reporter=reporter)
    assert Decision.CONTINUE is context.report(0.5)
    assert not context.should_stop
    assert Decision.STOP is context.report({"loss": 0.4}, auto_stop=False)
    assert context.should_stop
    assert seen == [(3, {"loss": 0.5}, 1), (3, {"loss": 0.4}, 2)]


@pytest.mark.parametrize(
    ("decision", "status"), [(Decision.STOP, Status.STOPPED), (Decision.PAUSE, Status.OK)]
)
def test_told_to_stop_or_to_pause_an_evaluation_ends_by_itself(decision, status):
    """`report` ends it: not even ``except Exception`` keeps it, and ``finally`` blocks run.

    One that pauses has done its part: it ends well, with what it reported last.
    """
    cleaned = []

    def objective(config, context):
        for step in range(5):
            try:
                context.report({"loss": 1.0 / (step + 1), "accuracy": step})
            except Exception:  # noqa: BLE001 - as users write it
                continue
            finally:
                cleaned.append(step)
        return 0.0

    answers = iter([Decision.CONTINUE, decision])
    context = Context(JOB, worker="w", reporter=lambda *_: next(answers))
    outcome = evaluate(Objective(objective), JOB, context, ManualClock(5.0))
    assert [0, 1] == cleaned
    assert Outcome(status, 0.5, {"accuracy": 1.0}, started=5.0, finished=5.0, worker="w") == outcome


def test_what_is_reported_last_may_be_no_loss():
    """An evaluation that is stopped at a NaN has no loss."""

    def objective(config, context):
        context.report(float("nan"))

    context = Context(JOB, reporter=lambda *_: Decision.STOP)
    outcome = evaluate(Objective(objective), JOB, context, ManualClock())
    assert (Status.STOPPED, None, None) == (outcome.status, outcome.loss, outcome.error)


def test_a_parameter_that_gets_the_budget_by_its_place_is_known():
    """Whoever knows that there are no budgets can refuse it."""
    assert "epochs" == Objective(lambda config, epochs: 0.0).budget_by_place
    assert None is Objective(lambda c: 0.0).budget_by_place
    assert None is Objective(lambda config, budget: 0.0).budget_by_place
