"""Who decides what runs next, on which budget: the one interface of the virtual clock's loop."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from bandmaster.core.job import Job
from bandmaster.core.outcome import Outcome, Status
from bandmaster.multifidelity import IterGenerator, iter_generator_class
from bandmaster.optimizers.base import Optimizer
from bandmaster.study import Study
from benchmarks.quality.bench import Bench

__all__ = ["Scheduler", "StudyScheduler", "Task", "make_generator"]


@dataclass(frozen=True, slots=True)
class Task:
    """What a worker is to evaluate; `handle` is the scheduler's own."""

    config: Mapping[str, Any]
    budget: float
    handle: Any


class Scheduler(Protocol):
    """Plays a search with several budgets."""

    def next(self) -> Task | None:
        """Return what to run now, or None as long as nothing may start."""

    def tell(self, task: Task, loss: float, seconds: float) -> None:
        """Hand over a loss, and how long that took; NaN is a failure."""


class StudyScheduler:
    """A study of ours: an optimizer (a peer's too) and an iteration generator."""

    def __init__(self, bench: Bench, optimizer: Optimizer, generator: str, seed: int) -> None:
        made = make_generator(generator or "HyperBand", bench, seed)
        self.study = Study(
            bench.space(), optimizer=optimizer, generator=made, seed=seed, clock=lambda: 0.0
        )

    def next(self) -> Task | None:
        """Ask the study."""
        job = self.study.ask()
        return None if job is None else Task(job.config, job.budget, job)

    def tell(self, task: Task, loss: float, seconds: float) -> None:
        """Tell the study."""
        job: Job = task.handle
        ok = math.isfinite(loss)
        outcome = Outcome(Status.OK if ok else Status.FAILED, loss if ok else None)
        self.study.tell(job, outcome.timed(0.0, seconds, ""))


def make_generator(name: str, bench: Bench, seed: int) -> IterGenerator:
    """Return an iteration generator over the budgets of a problem."""
    kind = iter_generator_class(name)
    known: dict[str, Any] = {
        "budget": bench.problem.budgets[-1],
        "min_budget": bench.problem.budgets[0],
        "max_budget": bench.problem.budgets[-1],
        "eta": bench.eta,
        "seed": seed,
    }
    wanted = inspect.signature(kind).parameters
    return kind(**{key: value for key, value in known.items() if key in wanted})
