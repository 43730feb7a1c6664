"""Many workers on a virtual clock: each evaluation takes as long as the problem says."""

from __future__ import annotations

import heapq
import math
import time

from benchmarks.quality.bench import Bench
from benchmarks.quality.curve import Curve
from benchmarks.quality.schedulers import Scheduler, Task

__all__ = ["simulated"]


def simulated(
    bench: Bench,
    scheduler: Scheduler,
    *,
    workers: int,
    length: float,
    curve: Curve,
    cap: float = math.inf,
) -> None:
    """Play until `length` times the duration of a full evaluation is over.

    The incumbent is the best at the largest budget that was evaluated so far. An ask takes no
    virtual time; a trial that is promoted pays its new budget in full.

    Parameters
    ----------
    bench : Bench
    scheduler : Scheduler
    workers : int
    length : float
    curve : Curve
        Its x is in durations of a full evaluation.
    cap : float
        Seconds of wall-clock time.
    """
    unit = bench.full_seconds()
    running: list[tuple[float, int, Task, float]] = []
    now, n_started, n_finished = 0.0, 0, 0
    best, best_budget = math.inf, -math.inf
    deadline = time.perf_counter() + cap
    while True:
        while len(running) < workers:
            before = time.process_time()
            task = scheduler.next()
            if task is None:
                break
            curve.asks.append(time.process_time() - before)
            seconds = bench.seconds(task.config, task.budget)
            heapq.heappush(running, (now + seconds / unit, n_started, task, seconds))
            n_started += 1
        if not running:
            return
        now, _, task, seconds = heapq.heappop(running)
        if now > length * (1 + 1e-9):
            return
        n_finished += 1
        loss = bench.problem(task.config, task.budget)
        scheduler.tell(task, loss, seconds)
        if task.budget >= best_budget and math.isfinite(loss):
            if task.budget > best_budget or loss < best:
                best, best_budget = loss, task.budget
                curve.incumbent(now, bench.truth(task.config))
            curve.losses += [loss] * (task.budget >= bench.problem.budgets[-1])
        if time.perf_counter() > deadline:
            curve.capped = n_finished
            return
