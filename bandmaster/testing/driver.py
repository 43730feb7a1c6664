"""Drives an optimizer as a study does, and replays what it did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bandmaster.core.evaluation import Evaluation
from bandmaster.core.job import Job
from bandmaster.core.objectives import Objectives
from bandmaster.core.outcome import Outcome, Status
from bandmaster.core.randomness import Key
from bandmaster.optimizers.base import Optimizer, Suggestion
from bandmaster.space import Space

__all__ = ["Driver"]


class Driver:
    """Plays a study around one optimizer, without generator, storage or workers.

    Parameters
    ----------
    optimizer : Optimizer
        Not yet initialised.
    space : Space or HDL mapping
    budgets : sequence of float, default (1.0,)
    seed : int, default 0
    objectives : Objectives, optional
        What evaluations return; by default a loss.

    Attributes
    ----------
    pending : list of Job
        Issued and not finished.
    events : list of Job or Evaluation
        What happened: a job that was issued, an evaluation that was told.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        space: Space | Mapping[str, Any],
        *,
        budgets: Sequence[float] = (1.0,),
        seed: int = 0,
        objectives: Objectives | None = None,
    ) -> None:
        optimizer.initialize(space, budgets)
        if objectives is not None:  # after it is bound, as a study does
            optimizer.history.objectives = objectives
        self.optimizer = optimizer
        self.space = optimizer.space
        self.seed = seed
        self.pending: list[Job] = []
        self.events: list[Job | Evaluation] = []
        self.n_jobs = self.n_trials = self.n_borrowed = 0

    @property
    def key(self) -> Key:
        """The key of the next proposal."""
        return Key(self.seed, self.n_trials)

    def ask(self, budget: float | None = None) -> Suggestion:
        """Return the next proposal; nothing changes. Default budget: the smallest."""
        budget = self.optimizer.budgets[0] if budget is None else budget
        return self.optimizer.ask(budget, tuple(self.pending), self.key)

    def start(self, budget: float | None = None) -> Job:
        """Make a job of the next proposal, which must be legal."""
        suggestion = self.ask(budget)
        return self.enqueue(suggestion.config, budget=budget, info=suggestion.info)

    def enqueue(
        self,
        config: Mapping[str, Any],
        *,
        budget: float | None = None,
        info: Mapping[str, Any] | None = None,
    ) -> Job:
        """Make a job of a new trial with this configuration."""
        self.space.validate(config)
        budget = self.optimizer.budgets[0] if budget is None else budget
        vector = self.space.encode_one(config)
        trial = self.n_trials
        job = Job(self.n_jobs, 0, trial, dict(config), budget, dict(info or {}), vector=vector)
        self._issue(job)
        return job

    def promote(self, job: Job, budget: float) -> Job:
        """Run a trial again at another budget: for the optimizer no new trial."""
        again = Job(
            self.n_jobs, 0, job.trial, job.config, budget, job.config_info, rung=job.rung + 1,
            vector=job.vector,
        )  # fmt: skip
        self._issue(again)
        return again

    def finish(
        self,
        job: Job,
        loss: float | None,
        status: Status | None = None,
        metrics: Mapping[str, float] | None = None,
        *,
        finished: float = 0.0,
    ) -> Evaluation:
        """End a job with a loss, or as failed where it is None; it started at second 0."""
        if status is None:
            status = Status.FAILED if loss is None else Status.OK
        evaluation = Evaluation.of(job, Outcome(status, loss, metrics or {}, finished=finished))
        self._tell(evaluation)
        return evaluation

    def borrow(
        self, config: Mapping[str, Any], loss: float | None, *, budget: float | None = None
    ) -> Evaluation:
        """Take over an evaluation of another study."""
        self.n_borrowed += 1
        budget = self.optimizer.budgets[-1] if budget is None else budget
        job = Job(
            -self.n_borrowed, 0, -self.n_borrowed, dict(config), budget, bracket=-1,
            vector=self.space.encode_one(config),
        )  # fmt: skip
        status = Status.FAILED if loss is None else Status.OK
        evaluation = Evaluation.of(job, Outcome(status, loss))
        self._tell(evaluation)
        return evaluation

    def step(self, loss: float | None) -> Evaluation:
        """Start a job and finish it."""
        return self.finish(self.start(), loss)

    def replay(self, optimizer: Optimizer, n_events: int | None = None) -> Driver:
        """Return a driver of a new optimizer after the first `n_events` events of this one."""
        twin = Driver(
            optimizer, self.space, budgets=self.optimizer.budgets, seed=self.seed,
            objectives=self.optimizer.history.objectives,
        )  # fmt: skip
        for event in self.events[:n_events]:
            if isinstance(event, Job):
                twin._issue(event)
            else:
                twin._tell(event)
        return twin

    def _issue(self, job: Job) -> None:
        self.pending.append(job)
        self.events.append(job)
        self.n_jobs += 1
        if job.trial == self.n_trials:
            self.n_trials += 1
            self.optimizer.issued(job)

    def _tell(self, evaluation: Evaluation) -> None:
        self.pending = [job for job in self.pending if job.number != evaluation.job]
        self.events.append(evaluation)
        if evaluation.trial < 0:  # of another study: nobody has issued it here
            self.optimizer.issued(_job_of(evaluation))
        self.optimizer.history.append(evaluation)
        self.optimizer.tell(evaluation)


def _job_of(e: Evaluation) -> Job:
    return Job(e.job, 0, e.trial, e.config, e.budget, bracket=e.bracket, vector=e.vector)
