"""One engine on one problem, from its first evaluation to its last."""

from __future__ import annotations

import math
import time
import traceback
from collections.abc import Callable

import numpy as np

from bandmaster.errors import SpaceExhaustedError
from bandmaster.optimizers.base import Optimizer
from bandmaster.testing.driver import Driver
from benchmarks.quality import suites
from benchmarks.quality.bench import Bench, Config
from benchmarks.quality.engines import engine, parse
from benchmarks.quality.store import Record, RunKey

__all__ = ["Curve", "play", "sequential"]


class Curve:
    """The true loss of the incumbent, kept where it changes, and what it cost to ask."""

    def __init__(self) -> None:
        self.x: list[float] = []
        self.y: list[float] = []
        self.losses: list[float] = []
        self.asks: list[float] = []
        self.best = math.inf
        self.capped = 0

    def see(self, x: float, loss: float, truth: Callable[[], float]) -> None:
        """Note an evaluation; `truth` is called if it is the best so far."""
        self.losses.append(loss)
        if loss < self.best:
            self.best = loss
            self.incumbent(x, truth())

    def incumbent(self, x: float, truth: float) -> None:
        """Note what is recommended from `x` on."""
        if not self.y or truth != self.y[-1]:
            self.x.append(x)
            self.y.append(truth)

    def ask_ms(self) -> list[float]:
        """Return the quantiles 0, .5, .99 and 1, and the mean, of the milliseconds of an ask."""
        if not self.asks:
            return []
        ms = 1e3 * np.array(self.asks)
        return [round(float(v), 4) for v in (*np.quantile(ms, [0, 0.5, 0.99, 1]), ms.mean())]


def play(key: RunKey, *, cap: float = math.inf, commit: str = "") -> Record:
    """Play a run and return its record; an exception becomes one with an `error`.

    Parameters
    ----------
    key : (problem, engine, seed, workers, length)
    cap : float
        Seconds of wall-clock time after which nothing more is asked.
    commit : str
        For the record.
    """
    problem, name, seed, workers, length = key
    begin = time.perf_counter()
    curve, error, versions = Curve(), "", ""
    try:
        bench = suites.load(problem)
        spec = parse(name)
        with engine(spec, seed=seed) as optimizer:
            versions = str(getattr(optimizer, "version", ""))
            sequential(
                bench, optimizer, seed,
                workers=workers, n_evaluations=int(length), curve=curve, cap=cap,
            )  # fmt: skip
    except Exception:  # noqa: BLE001 - whatever an engine raises is what came out of its run
        error = traceback.format_exc()
    return Record(
        problem, name, seed, workers, length, curve.x, curve.y, curve.ask_ms(),
        curve.losses if spec_is_random(name) else [],
        round(time.perf_counter() - begin, 3), commit, versions, error, curve.capped,
    )  # fmt: skip


def spec_is_random(name: str) -> bool:
    """Whether it is plain random search, whose losses tell the median of a problem."""
    return parse(name).name == "Random"


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
    """Evaluate at the largest budget, always `workers` at a time; first in, first out."""
    problem = bench.problem
    driver = Driver(optimizer, bench.space(), budgets=problem.budgets[-1:], seed=seed)
    deadline = time.perf_counter() + cap
    n_started = n_finished = 0
    while n_finished < n_evaluations:
        while n_started < n_evaluations and len(driver.pending) < workers:
            before = time.process_time()
            try:
                suggestion = driver.ask()
            except SpaceExhaustedError:
                n_evaluations = n_started
                break
            remote = getattr(optimizer, "remote_seconds", 0.0)
            curve.asks.append(time.process_time() - before + remote)
            driver.enqueue(suggestion.config, info=suggestion.info)
            n_started += 1
        if not driver.pending:
            break
        job = driver.pending[0]
        loss = problem(job.config)
        driver.finish(job, loss if math.isfinite(loss) else None)
        n_finished += 1
        curve.see(n_finished, loss if math.isfinite(loss) else bench.failure,
                  lambda config=job.config, loss=loss: _truth(bench, config, loss))  # fmt: skip
        if time.perf_counter() > deadline and n_finished < n_evaluations:
            curve.capped = n_finished
            break


def _truth(bench: Bench, config: Config, loss: float) -> float:
    return loss if bench.true_loss is None else bench.true_loss(config)
