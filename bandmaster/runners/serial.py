"""One evaluation after the other, in the calling thread."""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable
from typing import Any

from bandmaster.core.checkpoints import Checkpoints
from bandmaster.core.clock import Clock, SystemClock
from bandmaster.core.context import Context
from bandmaster.core.decisions import Decision
from bandmaster.core.evaluate import Objective
from bandmaster.core.evaluator import InProcess
from bandmaster.core.job import Job
from bandmaster.core.outcome import Status
from bandmaster.interrupts import Interrupts
from bandmaster.runners.leftovers import give_back, worker_name
from bandmaster.study.follower import Follower
from bandmaster.study.study import Study

__all__ = ["run_serial"]

logger = logging.getLogger(__name__)


def run_serial(
    study: Study,
    function: Callable[..., Any],
    *,
    follower: Follower,
    timeout: float | None = None,
    catch: tuple[type[BaseException], ...] = (Exception, SystemExit),
    working_directory: str = ".",
    clock: Clock | None = None,
    interrupts: Interrupts | None = None,
    checkpoints: Checkpoints | None = None,
) -> None:
    """Run a study to its end.

    Parameters
    ----------
    study : Study
        With a plan that ends, or a `timeout`, or a callback that stops it.
    function : callable
        The objective; it gets what its parameters name (`Objective`).
    follower : Follower
        Sees each evaluation when it is told.
    timeout : float, optional
        Start no evaluation after this many seconds, and answer STOP to reports of one that runs.
    catch : tuple of exception types
        What makes an evaluation fail. Any other exception ends the run; its job is requeued, so
        that the study can go on later.
    interrupts : Interrupts, optional
        The run ends when it says so, after the evaluation that is running. If that fails after
        Ctrl-C, it is left to the next run.
    checkpoints : Checkpoints, optional
        For evaluations that save their state.
    """
    clock = clock or SystemClock()
    interrupts = interrupts or Interrupts("Serial", enabled=False)
    evaluator = InProcess(Objective(function), catch=catch, clock=clock)
    worker = worker_name("serial")
    deadline = None if timeout is None else clock() + timeout

    def keep_time() -> None:
        if deadline is not None and clock() >= deadline:
            study.stop(f"timeout of {timeout:g} s", cause="timeout")

    def reporter(job: Job, metrics: Any, step: int, checkpoint: str | None) -> Decision:
        interrupts.check()
        keep_time()
        return study.report(job, metrics, step=step, checkpoint=checkpoint)

    try:
        while not interrupts.draining:
            keep_time()
            job = study.ask(worker=worker)
            if job is None:
                break
            context = Context(
                job, worker=worker, working_directory=working_directory, reporter=reporter,
                checkpoints=checkpoints,
            )  # fmt: skip
            outcome = evaluator.run(job, context)
            if outcome.status is Status.FAILED and interrupts.signum == signal.SIGINT:
                # In a terminal Ctrl-C also reaches the processes that an evaluation has started.
                logger.warning(
                    "Job %d failed after Ctrl-C, which may be why, so it is to run again: %s",
                    job.number, outcome.error,
                )  # fmt: skip
                study.requeue(job, "it failed after Ctrl-C", counted=False)
            else:
                study.tell(job, outcome)
            follower.catch_up()
        interrupts.check()
    except BaseException as error:
        give_back(study, worker, error)
        raise
