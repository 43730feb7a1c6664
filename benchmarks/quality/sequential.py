"""A run at one budget, with one evaluation out at a time or many."""

from __future__ import annotations

import math
import time

from bandmaster.errors import SpaceExhaustedError
from bandmaster.optimizers.base import Optimizer
from bandmaster.testing.driver import Driver
from benchmarks.quality.bench import Bench
from benchmarks.quality.curve import Curve
from benchmarks.quality.watch import watch

__all__ = ["cpu", "sequential"]


def sequential(
    bench: Bench,
    optimizer: Optimizer,
    seed: int,
    *,
    workers: int,
    n_evaluations: int,
    curve: Curve,
    cap: float = math.inf,
) -> None:
    """Evaluate at the largest budget, always `workers` at a time; first in, first out.

    Parameters
    ----------
    bench : Bench
    optimizer : Optimizer
        Not yet initialised.
    seed : int
    workers : int
    n_evaluations : int
        In all; fewer where the space runs out.
    curve : Curve
        Its x is the number of evaluations.
    cap : float
        Seconds of wall-clock time after which it ends.
    """
    problem = bench.problem
    driver = Driver(
        optimizer, bench.space(), budgets=problem.budgets[-1:], seed=seed,
        objectives=None if bench.metrics is None else bench.metrics.objectives,
    )  # fmt: skip
    watched = watch(bench, curve)
    deadline = time.perf_counter() + cap
    n_started = n_finished = 0
    while n_finished < n_evaluations:
        while n_started < n_evaluations and len(driver.pending) < workers:
            before = cpu(optimizer)
            try:
                suggestion = driver.ask()
            except SpaceExhaustedError:
                n_evaluations = n_started
                break
            curve.asks.append(cpu(optimizer) - before)
            driver.enqueue(suggestion.config, info=suggestion.info)
            n_started += 1
        if not driver.pending:
            return
        job = driver.pending[0]
        outcome = watched.evaluate(job.config)
        before = cpu(optimizer)
        driver.finish(job, outcome.loss, outcome.status, outcome.metrics)
        curve.asks[n_finished] += cpu(optimizer) - before  # some fit when they are told
        n_finished += 1
        watched.note(n_finished, job.config, outcome)
        if time.perf_counter() > deadline and n_finished < n_evaluations:
            curve.capped = n_finished
            return


def cpu(optimizer: Optimizer) -> float:
    """Return seconds of CPU, those of a peer's own process included."""
    return time.process_time() + float(getattr(optimizer, "remote_seconds", 0.0))
