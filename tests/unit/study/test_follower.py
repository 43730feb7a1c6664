"""What watches a study from the driving thread."""

import logging
import math

import pytest

from bandmaster.core.outcome import Outcome, Status
from bandmaster.core.plan import Plan
from bandmaster.errors import AllFailedError, ConfigurationError
from bandmaster.facade import Study
from bandmaster.runners import run_serial
from bandmaster.study.follower import Follower

SPACE = {"x": {"_type": "uniform", "_value": [0.0, 1.0]}}


def test_the_same_traceback_is_logged_in_full_once(caplog):
    """A hundred equal failures are one traceback and a line each."""

    def broken(config):
        raise RuntimeError("no data")

    study = Study(SPACE, optimizer="Random")
    study.set_plan(Plan(n_trials=5))
    with caplog.at_level(logging.WARNING):
        run_serial(study, broken, follower=Follower(study))
    messages = [record.getMessage() for record in caplog.records]
    assert 5 == len(messages)
    assert ["Traceback" in message for message in messages] == [True, False, False, False, False]
    assert all(message.endswith("RuntimeError: no data (as before)") for message in messages[1:])
    assert "Traceback" in study.history[4].error


def test_each_evaluation_is_shown_once():
    """Catching up twice shows nothing twice, and what was there before is not shown."""
    study = Study(SPACE, optimizer="Random")
    study.tell(study.ask(), 1.0)
    seen = []
    follower = Follower(study, callbacks=[lambda s, e: seen.append(e.job)])
    study.tell(study.ask(), 1.0)
    assert (1, 0) == (follower.catch_up(), follower.catch_up())
    assert [1] == seen


def tell(study, follower, *results):
    """Tell results one after the other, as a runner does."""
    for result in results:
        study.tell(study.ask(), result)
        follower.catch_up()


def test_a_run_that_begins_with_failures_only_is_ended_with_the_last_error():
    """Stopped evaluations count neither way; the study itself is not stopped."""
    study = Study(SPACE, optimizer="Random")
    follower = Follower(study, max_initial_failures=3)
    stopped = Outcome.failed("cancelled", status=Status.STOPPED)
    tell(study, follower, math.nan, stopped, math.nan, stopped)
    with pytest.raises(AllFailedError, match="the first 3 evaluations have all failed") as caught:
        tell(study, follower, Outcome.failed("no data"))
    assert (3, "no data") == (caught.value.count, caught.value.last)
    assert (None, False) == (study.stopped, study.finished)
    tell(study, Follower(study, max_initial_failures=2), math.nan)  # each run counts for itself


def test_one_success_ends_the_counting_of_failures():
    """Later failures are data, however many; so are those of a study that had a success before."""
    study = Study(SPACE, optimizer="Random")
    tell(study, Follower(study, max_initial_failures=2), math.nan, 0.5, *[math.nan] * 5)
    tell(study, Follower(study, max_initial_failures=2), *[math.nan] * 5)
    other = Study(SPACE, optimizer="Random")
    other.learn_from(study.history)
    with pytest.raises(AllFailedError):
        tell(other, Follower(other, max_initial_failures=2), math.nan, math.nan)


@pytest.mark.parametrize("value", [0, -1, 2.0, True, "3"])
def test_a_number_of_failures_that_is_none_is_refused(value):
    """Before anything runs."""
    with pytest.raises(ConfigurationError, match="max_initial_failures"):
        Follower(Study(SPACE, optimizer="Random"), max_initial_failures=value)
