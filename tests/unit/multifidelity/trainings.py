"""Populations that are trained without processes: what the tests of PBT play with."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from bandmaster.core.checkpoints import checkpoint_name, step_of
from bandmaster.core.decisions import Action, Decision, Done, Exploit, New, Wait
from bandmaster.core.job import Job
from bandmaster.core.objectives import Metric, Objectives
from bandmaster.core.outcome import Outcome, Status
from bandmaster.multifidelity import (
    PBTIterGenerator,
    grid_search,
    qloguniform,
    sample_from,
    uniform,
)

__all__ = ["Trainings", "climb", "reached", "toy"]

Train = Callable[[Mapping[str, Any], Any, int], tuple[Any, float]]


class Trainings:
    """Trains members step by step; `train(config, state, step)` gives the next state and score.

    Attributes
    ----------
    jobs, actions : list
        What was issued, and the answers of `next` that led to it.
    rows : dict of trial to list of (step, score)
    """

    def __init__(
        self,
        generator: PBTIterGenerator,
        train: Train,
        *,
        workers: int = 100,
        seed: int = 0,
        save_every: int = 1,
        n_iterations: int = 1,
    ) -> None:
        generator.objectives = Objectives([Metric("score", objective="maximize")])
        generator.study_seed = seed
        space = generator.search_space()
        if space is not None:
            generator.space = space
        generator.plan(n_iterations)
        self.generator = generator
        self.train = train
        self.workers = workers
        self.save_every = save_every
        self.jobs: list[Job] = []
        self.actions: list[Action] = []
        self.running: list[Job] = []
        self.rows: dict[int, list[tuple[int, float]]] = {}
        self.configs: dict[int, Mapping[str, Any]] = {}
        self._saved: dict[str, Any] = {}
        self._at: dict[int, tuple[int, Any, str | None]] = {}  # job → step, state, newest

    def run(self) -> Trainings:
        """Train until nothing is left to do, the longest running job first."""
        self.fill()
        while self.running:
            self.segment(0)
            self.fill()
        assert Done() == self.generator.next()
        return self

    def fill(self) -> None:
        """Let all workers begin."""
        while len(self.running) < self.workers and self.begin() is not None:
            pass

    def begin(self) -> Job | None:
        """Begin what is next."""
        action = self.generator.next()
        if isinstance(action, (Wait, Done)):
            return None
        info: dict[str, Any] = {}
        if isinstance(action, New):
            trial = len(self.configs)
            self.configs[trial] = {"x": trial} if isinstance(action.source, str) else action.source
        else:
            trial = action.trial
        if isinstance(action, Exploit):
            self.configs[trial], info = action.config, {"exploits": action.donor}
        start = None if isinstance(action, New) else action.checkpoint
        job = Job(
            len(self.jobs), 0, trial, self.configs[trial], action.budget, info, action.bracket,
            action.rung, start,
        )  # fmt: skip
        self.generator.issued(job)
        self.jobs.append(job)
        self.actions.append(action)
        self.running.append(job)
        self._at[job.number] = (step_of(start), self._saved.get(start or ""), None)
        return job

    def step(self, position: int) -> Decision:
        """Train one step; ends the segment when it is told to pause."""
        job = self.running[position]
        step, state, newest = self._at[job.number]
        step += 1
        state, score = self.train(job.config, state, step)
        self.rows.setdefault(job.trial, []).append((step, score))
        name = None
        if step % self.save_every == 0:
            name = newest = checkpoint_name(step, f"{job.number:016x}")
            self._saved[name] = state
        self._at[job.number] = (step, state, newest)
        metrics = {"score": score}
        decision = self.generator.decide(job, metrics, -score, step)
        self.generator.reported(job, metrics, -score, step, decision=decision, checkpoint=name)
        if decision is not Decision.CONTINUE:
            assert decision is Decision.PAUSE
            self.running.pop(position)
            outcome = Outcome(Status.OK, -score, metrics, checkpoint=newest)
            self.generator.observe(job, outcome)
        return decision

    def segment(self, position: int) -> None:
        """Train to the boundary."""
        while self.step(position) is Decision.CONTINUE:
            pass

    def fail(self, position: int, status: Status = Status.FAILED) -> Job:
        """End a job badly; what it has saved is there."""
        job = self.running.pop(position)
        outcome = Outcome(status, error="made to fail", checkpoint=self._at[job.number][2])
        self.generator.observe(job, outcome)
        return job

    @property
    def exploits(self) -> list[tuple[int, int, float]]:
        """Who exploited whom, and up to which budget it trains then."""
        return [(a.trial, a.donor, a.budget) for a in self.actions if isinstance(a, Exploit)]


def climb(config: Mapping[str, Any], theta: Any, step: int) -> tuple[Any, float]:
    """Climb the surrogate; the score is the true function."""
    theta = (0.9, 0.9) if theta is None else theta
    lr, h = config["lr"], (config["h0"], config["h1"])
    theta = (theta[0] * (1 - 1.5 * lr * h[0]), theta[1] * (1 - 2 * lr * h[1]))
    return theta, 1.2 - (0.75 * theta[0] ** 2 + theta[1] ** 2)


def toy(seed: int, h0: list[float], lr: Any, *, quantile: float = 0.5) -> Trainings:
    """Play the toy problem of Jaderberg et al. 2017, section 4.1, as synchronous PBT."""
    generator = PBTIterGenerator(
        4,
        quantile_fraction=quantile,
        resample_probability=0.5,
        hyperparam_mutations={
            "lr": qloguniform(5e-3, 1e-1, 5e-4), "h0": uniform(0, 1), "h1": uniform(0, 1),
        },
        param_space={
            "lr": lr, "h0": grid_search(h0), "h1": sample_from(lambda c: 1.0 - c.config["h0"]),
        },
        synch=True,
        stop={"training_iteration": 100},
    )  # fmt: skip
    return Trainings(generator, climb, seed=seed, save_every=4).run()


def reached(play: Trainings, trial: int, score: float = 1.19) -> float:
    """Return the first step at which a member reaches a score."""
    return next((step for step, value in play.rows[trial] if value >= score), math.inf)
