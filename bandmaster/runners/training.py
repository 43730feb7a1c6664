"""Trainings that go on from checkpoints, for simulations that run none."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from msgspec.structs import replace

from bandmaster.core.checkpoints import checkpoint_name, step_of
from bandmaster.core.job import Job
from bandmaster.errors import ConfigurationError
from bandmaster.runners.workload import LogNormal, Run, Seconds

__all__ = ["Trained"]


class Trained:
    """A workload whose evaluations train on, a step for each unit of budget.

    An evaluation begins with the state in its job's checkpoint, trains up to the budget, reports
    each step and saves the state with it. So successive halving promotes what it has trained, and
    populations exploit.

    Parameters
    ----------
    step : callable
        ``step(config, state)`` returns the next state and what is reported: a loss or a mapping.
        The state before the first step is None. It must not change a state in place.
    seconds : Seconds, default LogNormal()
        How long the steps of an evaluation take together: the budget that it is asked about is how
        many there are.
    save_every : int, default 1
        The state is saved when so many steps more are done.

    Notes
    -----
    It keeps all states that were saved, for one simulation.
    """

    def __init__(
        self,
        step: Callable[[Mapping[str, Any], Any], tuple[Any, Any]],
        *,
        seconds: Seconds | None = None,
        save_every: int = 1,
    ) -> None:
        if type(save_every) is not int or save_every < 1:
            raise ConfigurationError(f"save_every must be a whole number ≥ 1, got {save_every!r}")
        self.step = step
        self.seconds: Seconds = seconds or LogNormal()
        self.save_every = save_every
        self._states: dict[str, Any] = {}

    def __call__(self, job: Job, rng: np.random.Generator) -> Run:
        """Train one evaluation."""
        begin = step_of(job.checkpoint)
        state = None if job.checkpoint is None else self._states[job.checkpoint]
        end = max(math.ceil(job.budget), begin + 1)
        took = self.seconds(replace(job, budget=end - begin), rng)
        reports: list[tuple[float, Mapping[str, float]]] = []
        saved: list[str | None] = []
        for step in range(begin + 1, end + 1):
            state, told = self.step(job.config, state)
            metrics = told if isinstance(told, Mapping) else {"loss": told}
            reports.append((took * (step - begin) / (end - begin), metrics))
            saved.append(None)
            if step % self.save_every == 0:
                name = checkpoint_name(step, f"{job.number:08x}{job.attempt:08x}")
                saved[-1], self._states[name] = name, state
        return Run(took, reports[-1][1], reports, saved=saved)
