"""What watches a study from the driving thread."""

import logging

from bandmaster.core.plan import Plan
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
