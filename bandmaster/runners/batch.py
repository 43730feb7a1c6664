"""MapReduce: a batch of jobs asked at once, evaluated in parallel, told together."""

from __future__ import annotations

import logging
import os
import re
import signal
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor
from typing import Any

from bandmaster.core.clock import SystemClock
from bandmaster.core.context import Context
from bandmaster.core.evaluate import Objective, evaluate
from bandmaster.core.job import Job
from bandmaster.core.outcome import Outcome
from bandmaster.interrupts import Interrupts
from bandmaster.runners.leftovers import give_back, worker_name
from bandmaster.study.follower import Follower
from bandmaster.study.study import Study

__all__ = ["run_batches"]

logger = logging.getLogger(__name__)

_EXIT = re.compile(r"[A-Z][A-Z0-9_]*\(-?\d+\)")  # as loky names it, e.g. SIGKILL(-9)


def run_batches(
    study: Study,
    function: Callable[..., Any],
    n_jobs: int,
    *,
    follower: Follower,
    timeout: float | None = None,
    catch: tuple[type[BaseException], ...] = (Exception, SystemExit),
    working_directory: str = ".",
    interrupts: Interrupts | None = None,
) -> None:
    """Run a study to its end in batches of up to `n_jobs` jobs, in joblib's worker processes.

    A batch is as long as its longest evaluation; the workers that are ready earlier idle, which
    is what the asynchronous strategy is better at. So it is at what kills its process: that ends
    the whole batch, which then runs again, one evaluation at a time.

    Parameters
    ----------
    study : Study
        With a plan that ends, or a `timeout`, or a callback that stops it.
    function : callable
        The objective; sent with cloudpickle, so it may be a lambda or a closure.
    n_jobs : int
        The size of a batch, and the number of processes; at least 1.
    follower : Follower
        Sees each evaluation when its batch is told.
    timeout : float, optional
        Start no batch after this many seconds.
    catch : tuple of exception types
        What makes an evaluation fail. Any other exception ends the run.
    interrupts : Interrupts, optional
        The run ends when it says so, after the batch that is running.
    """
    import joblib

    clock = SystemClock()
    interrupts = interrupts or Interrupts("MapReduce", enabled=False)
    worker, here = worker_name("mapreduce"), os.getpid()
    objective = Objective(function)
    deadline = None if timeout is None else clock() + timeout
    killers: set[int] = set()
    with joblib.Parallel(n_jobs=n_jobs) as parallel:
        one = joblib.delayed(_evaluate)

        def evaluate_all(jobs: list[Job]) -> list[Outcome]:
            outcomes: list[Outcome] = parallel(
                one(objective, job.to_wire(), catch, working_directory, here) for job in jobs
            )
            return outcomes

        try:
            while not interrupts.draining:
                if deadline is not None and clock() >= deadline:
                    study.stop(f"timeout of {timeout:g} s", cause="timeout")
                jobs: list[Job] = []
                while len(jobs) < n_jobs and (job := study.ask(worker=worker)) is not None:
                    jobs.append(job)
                if not jobs:
                    break
                _run_batch(study, jobs, evaluate_all, killers, interrupts)
                follower.catch_up()
            interrupts.check()
        except BaseException as error:
            give_back(study, worker, error)
            if not (interrupts.draining and isinstance(error, BrokenExecutor)):
                raise
            logger.warning("The batch was ended by the signal that interrupted the search")


def _run_batch(
    study: Study,
    jobs: list[Job],
    evaluate_all: Callable[[list[Job]], list[Outcome]],
    killers: set[int],
    interrupts: Interrupts,
) -> None:
    """Evaluate and tell; when a process dies, find out by whom, one job at a time.

    `killers` are the jobs that have killed their process when they were alone; they stay alone.
    """
    from joblib.externals.loky.process_executor import TerminatedWorkerError

    groups = [[job for job in jobs if job.number not in killers]]
    groups += [[job] for job in jobs if job.number in killers]
    groups = [group for group in groups if group]
    begun = False
    while groups:
        group = groups.pop(0)
        if begun and interrupts.draining:
            for job in group:
                study.requeue(job, "the search was interrupted", counted=False)
            continue
        begun = True
        try:
            outcomes = evaluate_all(group)
        except TerminatedWorkerError as error:
            if interrupts.draining:
                raise
            how = ", ".join(_EXIT.findall(str(error))) or "it does not say how"
            if len(group) > 1:
                logger.warning(
                    "A process died (%s) in a batch of %d: its evaluations run again one at a time",
                    how, len(group),
                )  # fmt: skip
                groups[:0] = [[job] for job in group]
                continue
            killers.add(group[0].number)
            study.requeue(group[0], f"its process died ({how})")
            continue
        for job, outcome in zip(group, outcomes, strict=True):
            study.tell(job, outcome)


def _evaluate(
    objective: Objective,
    fields: list[Any],
    catch: tuple[type[BaseException], ...],
    working_directory: str,
    parent: int,
) -> Outcome:
    if os.getpid() != parent and threading.current_thread() is threading.main_thread():
        # Ctrl-C reaches the whole process group: the parent decides what becomes of us.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    job = Job.from_wire(fields)
    context = Context(job, worker=f"mapreduce.{os.getpid()}", working_directory=working_directory)
    return evaluate(objective, job, context, SystemClock(), catch=catch)
