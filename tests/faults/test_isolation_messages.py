"""What passes between a worker and the process of its evaluation."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import pytest
from faults.isolated import deadly, isolated, last_line

from bandmaster.core.context import Context
from bandmaster.core.decisions import Decision
from bandmaster.core.job import Job
from bandmaster.core.outcome import Outcome, Status
from bandmaster.errors import CodecError, CommError, ConfigurationError

MIB = 1 << 20


def test_reports_go_to_the_master_and_decisions_come_back() -> None:
    """`report`, its answer and `should_stop` work as they do without isolation."""
    heard: list[Any] = []

    def answer(metrics: Any) -> Decision:
        heard.append(metrics)
        if "wrong" in metrics:
            raise CodecError("that is no number")
        return Decision.STOP if len(heard) == 3 else Decision.CONTINUE

    def reports(config: Any, context: Any) -> dict[str, Any]:
        decisions = []
        while not context.should_stop:
            decisions.append(context.report(len(decisions), auto_stop=False).value)
        try:
            context.report({"wrong": 1.0}, auto_stop=False)
        except CodecError as error:
            decisions.append(str(error))
        return {"loss": 0.5, "info": decisions}

    with isolated(reports, answer=answer) as evaluations:
        info = evaluations.run().info
    assert ["continue", "continue", "stop", "that is no number"] == info
    assert [{"loss": 0}, {"loss": 1}, {"loss": 2}, {"wrong": 1.0}] == heard


def test_told_to_stop_an_evaluation_ends_in_its_child() -> None:
    """`report` ends it there, and the child goes on with the next job."""

    def reports(config: Any, context: Any) -> float:
        if config["do"] == "report":
            context.report({"loss": 0.25, "epoch": 1.0})
        return 0.5

    with isolated(reports, answer=lambda metrics: Decision.STOP) as evaluations:
        outcome = evaluations.run("report")
        assert (Status.STOPPED, 0.25) == (outcome.status, outcome.loss)
        assert {"epoch": 1.0} == outcome.metrics
        assert Status.OK is evaluations.run("return").status


def test_what_an_evaluation_logs_is_logged_by_the_worker(caplog: pytest.LogCaptureFixture) -> None:
    """With its name, level, place and traceback; also of one that dies, and from its threads."""
    import logging

    def talks(config: Any) -> float:
        log = logging.getLogger("users.own")
        log.debug("hidden")
        log.info("job %s at %.1f", "x", 0.5)
        thread = threading.Thread(target=log.info, args=("from a thread",))
        thread.start()
        thread.join()
        try:
            raise KeyError("a key")
        except KeyError:
            log.warning("trouble", exc_info=True)
        if config["do"] == "spin":
            while True:
                log.info("again")
        if config["do"] == "die":
            os._exit(1)
        return 0.5

    with caplog.at_level(logging.INFO), isolated(talks, time_limit=0.5) as evaluations:
        evaluations.run()
        assert ["job x at 0.5", "from a thread"] == [r.getMessage() for r in caplog.records[:2]]
        record = caplog.records[2]
        assert ("users.own", "WARNING") == (record.name, record.levelname)
        assert "test_isolation_messages.py" == record.filename
        assert "KeyError: 'a key'" in record.getMessage()
        caplog.clear()
        assert Status.CRASHED is evaluations.run("die").status
        assert 3 == len([r for r in caplog.records if r.name == "users.own"])
        assert Status.TIMEOUT is evaluations.run("spin").status
        assert evaluations.run().ok


def test_cancelling_ends_an_evaluation_at_once() -> None:
    """Status STOPPED with the reason, whatever the evaluation is doing; not the one after it."""
    with isolated(deadly()) as evaluations:
        evaluations.run()
        assert not evaluations.evaluator.cancel("too early")
        for how in ("spin", "hold the GIL", "stop"):
            timer = threading.Timer(0.1, evaluations.evaluator.cancel, ("never mind",))
            timer.start()
            began = time.monotonic()
            outcome = evaluations.run(how)
            timer.join()
            assert time.monotonic() - began < 1.0
            assert (Status.STOPPED, "never mind") == (outcome.status, outcome.error)
            assert evaluations.run().ok


def test_a_cancel_that_comes_before_the_evaluation_counts() -> None:
    """Between the worker's decision to begin and the beginning there is room for it."""
    with isolated(deadly()) as evaluations:
        job = Job(0, 0, 0, {"do": "swallow"}, 1.0)
        context = Context(job)
        context.cancelled = "never mind"
        outcome = evaluations.evaluator.run(job, context)
        assert (Status.STOPPED, "never mind") == (outcome.status, outcome.error)
        assert evaluations.run().ok


def test_limits_hold_while_a_report_is_under_way() -> None:
    """A master that does not answer keeps no evaluation alive."""
    answered = threading.Event()
    late = []

    def answer(metrics: Any) -> Decision:
        late.append(answered.wait(20))
        return Decision.CONTINUE

    def reports(config: Any, context: Any) -> float:
        if config["do"] == "report":
            context.report(0.5)
        return 0.5

    with isolated(reports, time_limit=0.5, answer=answer) as evaluations:
        outcome = evaluations.run("report")
        assert (Status.TIMEOUT, []) == (outcome.status, late)
        answered.set()
        assert evaluations.run().ok
        assert evaluations.run("report").ok


def test_large_configurations_and_results_pass() -> None:
    """Megabytes in both directions."""

    def large(config: Any) -> Any:
        if not config["text"]:
            return Outcome(Status.OK, 0.5, info=object())  # nobody has judged that
        return {"loss": 0.5, "info": config["text"] * 3}

    with isolated(large) as evaluations:
        text = "x" * (3 * MIB)
        assert 3 * text == evaluations.run(text=text).info
        assert "could not be sent" in last_line(evaluations.run(text=""))  # that is no Unicode


def test_exception_that_is_not_to_be_caught_is_raised_in_the_worker() -> None:
    """As without isolation, with the child's traceback as its cause."""
    with isolated(deadly(), catch=(ValueError,)) as evaluations:
        with pytest.raises(KeyError, match="no more than this") as caught:
            evaluations.run("raise")
        assert "in evaluate" in str(caught.value.__cause__)
        assert evaluations.run().ok


def test_exception_that_cannot_be_pickled_is_told_as_text() -> None:
    """Its traceback is in the error."""

    class Stubborn(Exception):
        def __reduce__(self) -> Any:
            raise TypeError("not me")

    def raises(config: Any) -> float:
        raise Stubborn("no way")

    with (
        isolated(raises, catch=(ValueError,)) as evaluations,
        pytest.raises(CommError, match="no way"),
    ):
        evaluations.run()


class _Unloadable:
    """Breaks where it is unpickled."""

    def __init__(self, how: str) -> None:
        self.how = how

    def __call__(self, config: Any) -> float:
        return 0.5

    def __reduce__(self) -> Any:
        if self.how == "raise":
            return int, ("not a number",)
        if self.how == "sleep":
            return time.sleep, (600,)
        return os._exit, (9,)


@pytest.mark.parametrize(("how", "message"), [("raise", "ValueError"), ("exit", "exit code 9")])
def test_objective_that_cannot_be_loaded_is_a_mistake_not_a_failure(how: str, message: str) -> None:
    """It would fail every job of the search, so the worker says so and ends."""
    with (
        isolated(_Unloadable(how)) as evaluations,
        pytest.raises(ConfigurationError, match="cannot be loaded in a process of its own") as e,
    ):
        evaluations.run()
    assert message in str(e.value)


def test_loading_has_a_limit_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """An import that hangs is a time out, not of the evaluation's `time_limit`."""
    monkeypatch.setattr("bandmaster.asynccomm.isolation.evaluator._TO_LOAD", 0.3)
    with isolated(_Unloadable("sleep"), time_limit=0.1) as evaluations:
        outcome = evaluations.run()
        assert Status.TIMEOUT is outcome.status
        assert "loading the objective took too long" == last_line(outcome)
        assert outcome.finished - outcome.started >= 0.3


def test_objective_that_cannot_be_pickled_is_refused_before_anything_starts() -> None:
    """The message says what to do."""
    lock = threading.Lock()

    def locked(config: Any) -> float:
        with lock:
            return 0.5

    with pytest.raises(ConfigurationError, match="have to be made inside the evaluation"):
        isolated(locked).__enter__()
