"""One engine on one problem, from its first evaluation to its last."""

from __future__ import annotations

import math
import time
import traceback

from bandmaster.optimizers.base import Optimizer
from benchmarks.quality import suites
from benchmarks.quality.bench import Bench
from benchmarks.quality.curve import Curve
from benchmarks.quality.engines import Spec, engine, parse
from benchmarks.quality.schedulers import Scheduler, StudyScheduler
from benchmarks.quality.sequential import sequential
from benchmarks.quality.simulated import simulated
from benchmarks.quality.store import Record, RunKey

__all__ = ["play"]


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
    curve, error, version = Curve(), "", ""
    try:
        bench, spec = suites.load(problem), parse(name)
        with engine(spec, seed=seed) as optimizer:
            version = str(getattr(optimizer, "version", ""))
            if bench.eta is None:
                sequential(
                    bench, optimizer, seed,
                    workers=workers, n_evaluations=int(length), curve=curve, cap=cap,
                )  # fmt: skip
            else:
                scheduler = _scheduler(bench, spec, optimizer, seed)
                simulated(bench, scheduler, workers=workers, length=length, curve=curve, cap=cap)
    except Exception:  # noqa: BLE001 - whatever an engine raises is what came out of its run
        error = traceback.format_exc()
    return Record(
        problem, name, seed, workers, length, curve.x, curve.y, curve.ask_ms(),
        curve.losses if problem.startswith("live-") and parse(name).name == "Random" else [],
        round(time.perf_counter() - begin, 3), commit, version, error, curve.capped,
    )  # fmt: skip


def _scheduler(bench: Bench, spec: Spec, optimizer: Optimizer, seed: int) -> Scheduler:
    """Return the peer's own way with budgets, if it has one and nothing else was named."""
    own = getattr(optimizer, "scheduler", None)
    if own is not None and not spec.generator:
        made: Scheduler = own(bench)
        return made
    return StudyScheduler(bench, optimizer, spec.generator, seed)
