"""How a worker comes to its end: told to stop, drained, refused, out of patience."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from unit.asynccomm.worker_runs import Line, Run

from bandmaster.asynccomm.worker_loop import WorkerLoop
from bandmaster.core.context import Context
from bandmaster.core.decisions import Decision
from bandmaster.core.evaluate import Objective
from bandmaster.core.evaluator import InProcess
from bandmaster.core.job import Job
from bandmaster.core.outcome import Outcome, Status
from bandmaster.core.plan import Plan
from bandmaster.errors import (
    AuthenticationError,
    CommError,
    ConfigurationError,
    NameServerError,
    ProtocolVersionError,
)
from bandmaster.testing.fake_workers import RUN


@pytest.fixture
def run() -> Iterator[Run]:
    """Return a run, whose lines are cut at the end."""
    with closing(Run()) as made:
        yield made


def test_drain_does_not_disturb_the_running_evaluation(run: Run) -> None:
    """It may go on reporting, its outcome goes with the goodbye, and nothing else is run."""
    seen: list[Any] = []

    def drained(config: Any, context: Context) -> float:
        loop.drain("Ctrl-C")
        seen.append((context.should_stop, context.report(1.0, auto_stop=False)))
        loop.stop("the master ended the run")
        seen.append((context.should_stop, context.report(1.0, auto_stop=False)))
        return 0.5

    loop = run.loop(drained)
    assert "Ctrl-C" == loop.run()
    assert [(False, Decision.CONTINUE), (True, Decision.STOP)] == seen
    assert ["hello", "exchange", "report", "goodbye"] == run.lines[0].calls
    assert [0.5] == [e.loss for e in run.study.history]


def test_a_job_that_comes_while_a_worker_drains_is_given_back(run: Run) -> None:
    """It was on its way; the goodbye returns it, and it costs no retry."""
    began: list[Any] = []

    class Slow(Line):
        def call(self, method: str, payload: bytes = b"", **options: Any) -> bytes:
            answer = super().call(method, payload, **options)
            if method == "exchange":
                threading.Thread(target=loop.drain, args=["Ctrl-C"]).start()
                while "stopped" not in loop.state:
                    loop._kick.wait(0.001)
            return answer

    def link() -> Any:
        run.lines.append(Slow(run.dispatcher))
        return run.lines[-1]

    loop = run.loop(began.append, link=link)
    loop.run()
    assert ([], ["hello", "exchange", "goodbye"]) == (began, run.lines[0].calls)
    assert [(True, 0)] == [(entry.waiting, entry.lost) for entry in run.study.open_jobs]


def test_an_outcome_is_handed_over_by_who_leaves_after_losing_its_master(run: Run) -> None:
    """It connects once more, for that alone."""

    def cut(config: Any) -> float:
        run.lines[0].close()
        loop.drain("Ctrl-C")
        return 0.5

    loop = run.loop(cut)
    loop.run()
    assert [0.5] == [e.loss for e in run.study.history]


def test_who_leaves_is_not_cut_off(run: Run) -> None:
    """An end that comes while the last outcome is handed over changes nothing."""

    class Stopped(Line):
        def call(self, method: str, payload: bytes = b"", **options: Any) -> bytes:
            if method == "hello" and len(run.lines) == 2:
                loop.stop("drained for too long")
            return super().call(method, payload, **options)

    def link() -> Any:
        run.lines.append(Stopped(run.dispatcher))
        return run.lines[-1]

    def cut(config: Any) -> float:
        run.lines[0].close()
        loop.drain("Ctrl-C")
        return 0.5

    loop = run.loop(cut, link=link)
    loop.run()
    assert [0.5] == [e.loss for e in run.study.history]


class Endable(InProcess):
    """Ends an evaluation only before it begins, which is when the worker is told to."""

    def __init__(self, about_to_begin: Callable[[], object]) -> None:
        super().__init__(Objective(lambda config: 0.5))
        self._about_to_begin = about_to_begin

    def run(self, job: Job, context: Context) -> Outcome:
        self._about_to_begin()
        if context.cancelled:
            return Outcome.failed(context.cancelled, status=Status.STOPPED)
        return super().run(job, context)


def test_a_job_that_is_about_to_begin_is_given_back_by_who_stops(run: Run) -> None:
    """The evaluator does not know of it yet; its context does."""
    loop = WorkerLoop(
        Endable(lambda: loop.stop("enough")), run.link, run_id=RUN, worker="w", host="h", pid=1
    )
    loop.run()
    assert [] == list(run.study.history)
    assert [(True, 0)] == [(entry.waiting, entry.lost) for entry in run.study.open_jobs]


def test_a_job_that_is_about_to_begin_is_cancelled(run: Run) -> None:
    """Its outcome is what the evaluator says of it; the next job runs."""
    loop = WorkerLoop(
        Endable(lambda: loop.cancel(0, 0)), run.link, run_id=RUN, worker="w", host="h", pid=1
    )
    run.study.set_plan(Plan(n_evaluations=2))
    thread = threading.Thread(target=loop.run)
    thread.start()
    assert run.study.wait_for(lambda: len(run.study.history) == 2, 10)
    run.dispatcher.stop("the plan is done")
    thread.join()
    assert [Status.STOPPED, Status.OK] == [e.status for e in run.study.history]


def test_stop_lets_the_running_evaluation_finish(run: Run) -> None:
    """`stop` in an evaluation: its outcome goes with the goodbye, and nothing else is run."""

    def stopping(config: Any, context: Context) -> float:
        loop.stop("enough")
        assert context.should_stop
        return 0.5

    loop = run.loop(stopping)
    assert "enough" == loop.run()
    assert [0] == [e.job for e in run.study.history]


@pytest.mark.parametrize(
    ("error", "n_tries"),
    [
        (ProtocolVersionError("another version"), 1),
        (ConfigurationError("another run"), 1),
        (AuthenticationError("another key"), 3),
    ],
)
def test_refusals_end_the_worker(run: Run, error: Exception, n_tries: int) -> None:
    """What waiting cannot mend is raised: another version at once, another key the third time."""
    tries = []

    def link() -> Any:
        tries.append(1)
        raise error

    with pytest.raises(type(error)):
        run.loop(lambda config: 0.0, link=link).run()
    assert n_tries == len(tries)


def test_patience_ends(run: Run) -> None:
    """With patience 0 the first failure to find a master is raised."""

    def link() -> Any:
        raise NameServerError("nobody there")

    with pytest.raises(CommError, match="nobody there"):
        run.loop(lambda config: 0.0, link=link, patience=0.0).run()


def test_stop_ends_the_search_for_a_master(run: Run) -> None:
    """A worker that waits for its master leaves at once when it is told to."""
    tried = threading.Event()

    def link() -> Any:
        tried.set()
        raise NameServerError("nobody there")

    loop = run.loop(lambda config: 0.0, link=link)
    said: list[str] = []
    thread = threading.Thread(target=lambda: said.append(loop.run()))
    thread.start()
    assert tried.wait(5)
    loop.stop("never mind")
    thread.join(5)
    assert ["never mind"] == said
