"""The worker's loop, against a dispatcher in the same process and without sockets."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from unit.asynccomm.worker_runs import MASTER, Line, Run

from bandmaster.asynccomm import waiters
from bandmaster.asynccomm.addresses import Address
from bandmaster.asynccomm.dispatcher import Dispatcher
from bandmaster.asynccomm.wire import WakeFd
from bandmaster.core.context import Context
from bandmaster.core.decisions import Decision
from bandmaster.core.events import JobReported
from bandmaster.core.outcome import Status
from bandmaster.core.plan import Plan
from bandmaster.errors import (
    CommError,
)
from bandmaster.testing.fake_workers import RUN


@pytest.fixture
def run() -> Iterator[Run]:
    """Return a run, whose lines are cut at the end."""
    with closing(Run()) as made:
        yield made


def test_jobs_are_run_until_the_master_says_stop(run: Run) -> None:
    """One hello, an exchange a job, a goodbye; the reason to stop is returned."""
    assert "the plan is done" == run.loop(lambda config: config["x"]).run()
    assert ["hello", *["exchange"] * 4, "goodbye"] == run.lines[0].calls
    assert [True] * 3 == [e.ok for e in run.study.history]
    assert {"w"} == {e.worker for e in run.study.history}


def test_outcome_is_kept_when_the_connection_breaks(run: Run) -> None:
    """The outcome that could not be handed over comes with the next hello."""

    def cut(config: Any, job: Any) -> float:
        if job.number == 0 and len(run.lines) == 1:
            run.lines[0].close()
        return 0.5

    run.loop(cut).run()
    assert 2 == len(run.lines)
    assert [(0, 0), (1, 0), (2, 0)] == sorted((e.job, e.attempt) for e in run.study.history)


def test_outcome_of_another_study_is_not_handed_over(run: Run) -> None:
    """A master that began another study under the same run_id does not get it."""
    other = Run(1)
    try:

        def replaced(config: Any) -> float:
            if len(run.lines) == 1 and not other.lines:
                run.lines[0].close()
            return 0.5

        def link() -> Any:
            return run.link() if not run.lines else other.link()

        loop = run.loop(replaced, link=link)
        other.dispatcher.stop("over")
        assert "over" == loop.run()
        assert [] == list(other.study.history)
    finally:
        for line in other.lines:
            line.close()
        other.dispatcher.close()


def test_waking_tells_a_new_master_what_is_running(run: Run) -> None:
    """A worker that is woken while it computes reconnects at once and keeps its job."""

    def woken(config: Any, job: Any) -> float:
        if job.number == 0:
            line = run.lines[0]
            line.ended.set()  # as the kernel shows that the master is gone
            line.connected = False
            loop.wake(MASTER)
            line.connected = True
        return 0.5

    loop = run.loop(woken)
    loop.run()
    assert 2 == len(run.lines)
    assert [(0, 0), (1, 0), (2, 0)] == sorted((e.job, e.attempt) for e in run.study.history)


@pytest.mark.parametrize(("port", "lines"), [(7000, 1), (7001, 2)])
def test_a_connection_to_another_master_is_given_up(run: Run, port: int, lines: int) -> None:
    """However well it looks: the last master may be stopped. The job goes along."""

    def woken(config: Any, job: Any) -> float:
        if job.number == 0:
            loop.wake(Address("10.0.0.1", port))
        return 0.5

    loop = run.loop(woken)
    loop.run()
    assert lines == len(run.lines)
    assert [(0, 0), (1, 0), (2, 0)] == sorted((e.job, e.attempt) for e in run.study.history)


def test_cancelled_evaluation_is_told_so(run: Run) -> None:
    """`cancel` names a job; the evaluation sees it in its context and with its next report."""
    seen: list[Any] = []

    def cancelled(config: Any, job: Any, context: Context) -> float:
        if job.number == 1:
            seen.append(loop.cancel(0, 0))
            seen.append(context.should_stop)
            seen.append(loop.cancel(1, 0))
            seen.append(context.should_stop)
            seen.append(context.report(0.5, auto_stop=False))
        else:
            seen.append(context.report(0.5, auto_stop=False))
        return 0.5

    loop = run.loop(cancelled)
    loop.run()
    going = Decision.CONTINUE
    assert [going, False, False, True, True, Decision.STOP, going] == seen


def test_reports_survive_a_lost_master(run: Run) -> None:
    """Without a master a report is answered CONTINUE: the computation may still be of use."""
    seen: list[Decision] = []

    def lonely(config: Any, job: Any, context: Context) -> float:
        if job.number == 0:
            run.lines[0].close()
        seen.append(context.report({"loss": 1.0}))
        return 0.5

    run.loop(lonely).run()
    assert [Decision.CONTINUE] * 3 == seen


@pytest.mark.parametrize("before", [1, 3])
def test_reports_reach_the_next_master(run: Run, before: int) -> None:
    """What was reported while there was none is told before the outcome, in order, once."""

    def lonely(config: Any, job: Any, context: Context) -> float:
        for step in range(1, 6):
            if job.number == 0 and step == before:
                run.dispatcher.detach()
                run.lines[0].close()
                run.dispatcher = Dispatcher(run.study, run_id=RUN, poll=0.0)
                run.dispatcher.open()
            context.report(1.0 / step)
        return 0.5

    run.loop(lonely).run()
    told = [e for e in run.study._journal.read(0) if isinstance(e, JobReported)]
    assert [(job, 0, step) for job in range(3) for step in range(1, 6)] == [
        (e.job, e.attempt, e.step) for e in told
    ]
    assert [0, 0, 0] == [e.attempt for e in run.study.history]


def test_outcome_that_cannot_be_sent_becomes_a_failure(run: Run) -> None:
    """Too large for a message: a failed outcome says so, and the worker goes on."""

    def large(config: Any, job: Any) -> Any:
        run.lines[0].most = 2000
        return {"loss": 0.5, "info": "x" * (5000 if job.number == 0 else 1)}

    run.loop(large).run()
    first, *others = sorted(run.study.history, key=lambda e: e.job)
    assert "could not be sent: the payload is too large" in str(first.error)
    assert [Status.OK] * 2 == [e.status for e in others]


def test_a_failure_of_the_master_that_nobody_has_foreseen_ends_no_worker(run: Run) -> None:
    """It connects anew after a pause, and hands over what it has."""

    class Failing(Line):
        def call(self, method: str, payload: bytes = b"", **options: Any) -> bytes:
            if method != "hello" and len(run.lines) < 3:
                self.calls.append(method)
                raise CommError("the other end failed in 'exchange' with OSError")
            return super().call(method, payload, **options)

    def link() -> Any:
        run.lines.append(Failing(run.dispatcher))
        return run.lines[-1]

    run.loop(lambda config: 0.5, link=link).run()
    assert [["hello", "exchange"]] * 2 == [line.calls for line in run.lines[:2]]
    assert [0.5] * 3 == [e.loss for e in run.study.history]


def test_who_cannot_wait_for_want_of_a_descriptor_asks_again(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The master's system has none left for a moment: nobody is sent away."""
    refused: list[int] = []
    made = threading.Event()

    def scarce() -> WakeFd:
        if len(refused) < 2:
            refused.append(1)
            raise OSError(24, "Too many open files")
        made.set()
        return WakeFd()

    monkeypatch.setattr(waiters, "WakeFd", scarce)
    run.dispatcher.pause()
    loop = run.loop(lambda config: 0.5)
    thread = threading.Thread(target=loop.run)
    thread.start()
    assert made.wait(10)
    run.dispatcher.open()
    thread.join()
    assert 3 == len(run.study.history)


def test_exception_not_to_be_caught_is_told_and_raised(run: Run) -> None:
    """With `catch`, another exception ends the worker; the job goes back at no cost."""

    def wrong(config: Any) -> float:
        raise KeyError("not to be caught")

    with pytest.raises(KeyError):
        run.loop(wrong, catch=(ValueError,)).run()
    [entry] = run.study.open_jobs
    assert (True, 0) == (entry.waiting, entry.lost)
    run.study.set_plan(Plan(n_evaluations=0))


def test_its_state_can_be_read(run: Run) -> None:
    """Before, during and after the run, also when an error ended it."""
    seen: list[str] = []

    def look(config: Any, job: Any) -> float:
        seen.append(loop.state)
        if job.number == 1:
            raise KeyboardInterrupt("enough")
        return 0.5

    loop = run.loop(look)
    assert "looks for its master" == loop.state
    with pytest.raises(KeyboardInterrupt):
        loop.run()
    assert ["evaluates job 0", "evaluates job 1"] == seen
    assert "stopped: KeyboardInterrupt: enough" == loop.state
