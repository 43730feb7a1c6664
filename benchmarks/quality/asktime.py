"""How long an ask (with the tell before it) takes, against the number of evaluations known."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from bandmaster.testing.driver import Driver
from bandmaster.testing.problems import ackley_mixed
from benchmarks.quality.engines import engine, parse
from benchmarks.quality.sequential import cpu

__all__ = ["SIZES", "ask_times", "measure"]

SIZES = (10, 30, 100, 200, 500, 1_000, 3_000, 10_000)
REPEATS = 25
CAP = 60.0  # seconds of CPU; a size that is reached later is left out


def measure(name: str, sizes: Sequence[int] = SIZES) -> dict[int, tuple[float, float]]:
    """Return p50 and p99 of milliseconds of CPU for every size, on the mixed space of ten.

    The history is of random configurations (of its own, for a peer that does not learn from
    others); then 25 asks, each with its evaluation told.
    """
    problem = ackley_mixed()
    result: dict[int, tuple[float, float]] = {}
    with engine(parse(name), seed=0) as optimizer, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        driver = Driver(optimizer, problem.space)
        rng = np.random.default_rng(0)
        begin = cpu(optimizer)
        foreign = getattr(optimizer, "learns_foreign", True)
        for n in sizes:
            while driver.n_trials < n and cpu(optimizer) - begin < CAP:
                (config,) = driver.space.sample_configs(1, rng)
                job = driver.enqueue(config) if foreign else driver.start()
                driver.finish(job, problem(job.config))
            if driver.n_trials < n:
                break
            times = []
            for _ in range(REPEATS):
                before = cpu(optimizer)
                suggestion = driver.ask()
                times.append(cpu(optimizer) - before)
                job = driver.enqueue(suggestion.config)
                loss = problem(job.config)
                before = cpu(optimizer)
                driver.finish(job, loss)
                times[-1] += cpu(optimizer) - before
            p50, p99 = 1e3 * np.quantile(times, [0.5, 0.99])
            result[n] = (round(float(p50), 4), round(float(p99), 4))
    return result


def ask_times(engines: Iterable[str], path: Path) -> dict[str, dict[int, tuple[float, float]]]:
    """Return what the file knows about each engine, measured now where it knows nothing."""
    known: dict[str, dict[str, tuple[float, float]]] = {}
    if path.exists():
        known = json.loads(path.read_text())
    for name in engines:
        if name not in known:
            known[name] = {str(n): pair for n, pair in measure(name).items()}
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(known, indent=1))
    return {
        name: {int(n): (pair[0], pair[1]) for n, pair in known[name].items()} for name in engines
    }
