"""How much a study is going to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bandmaster.core.checkpoints import checkpoint_name
from bandmaster.core.decisions import Done, New, Promote, Wait
from bandmaster.core.formatting import format_budget
from bandmaster.core.job import Job
from bandmaster.core.outcome import Outcome, Status
from bandmaster.core.plan import Plan
from bandmaster.multifidelity.base import IterGenerator
from bandmaster.study.view import StudyView

__all__ = ["Forecast", "forecast", "forecast_study"]

_MOST = 50_000  # jobs that are played through; beyond that nobody needs the exact number


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is planned if nothing fails, and nothing stops it early.

    Parameters
    ----------
    n_evaluations : int
        Jobs that are yet to be issued.
    total_budget : float
        The sum of their budgets, as far as they spend them themselves.
    """

    n_evaluations: int
    total_budget: float

    def __str__(self) -> str:
        return (
            f"{self.n_evaluations} evaluations planned, total budget "
            f"{format_budget(self.total_budget)}"
        )


def forecast_study(study: StudyView) -> Forecast | None:
    """Return what is left of a study's plan."""
    return forecast(
        study.generator, study.plan, n_trials=study.n_trials, n_jobs=study.n_jobs,
        out=[entry.job for entry in study.open_jobs],
    )  # fmt: skip


def forecast(
    generator: IterGenerator,
    plan: Plan,
    *,
    n_trials: int = 0,
    n_jobs: int = 0,
    out: Sequence[Job] = (),
) -> Forecast | None:
    """Play a plan through on a copy of its generator, with every job succeeding.

    Parameters
    ----------
    generator : IterGenerator
        Planned already; not changed.
    plan : Plan
    n_trials, n_jobs : int, default 0
        What was issued before.
    out : sequence of Job
        Those of them that have not ended; they count as planned.

    Returns
    -------
    Forecast or None
        None when the plan has no end, or none that is near.
    """
    if not plan.bounded:
        return None
    if (n_trials, n_jobs, plan.n_trials, plan.n_evaluations) == (0, 0, None, None):
        n = plan.n_iterations or 0
        return Forecast(generator.num_all_configs(n), generator.total_budget(n))
    if len(generator.get_budgets()) == 1 and all(len(r) == 1 for r in generator.get_table()):
        return _flat(generator, plan, n_trials, n_jobs, len(out))
    generator = generator.rehearsal()
    # For generators that go by a metric.
    metrics = {metric.name: 0.0 for metric in generator.objectives.metrics}
    first, total = n_jobs - len(out), sum(generator.effort(job) for job in out)
    for job in out:
        generator.observe(job, _success(job, metrics))
    while n_jobs - first < _MOST:
        if plan.n_evaluations is not None and n_jobs >= plan.n_evaluations:
            break
        if plan.n_trials is not None and n_trials >= plan.n_trials:
            generator.close_intake()
        action = generator.next()
        if isinstance(action, (Wait, Done)):
            break
        if isinstance(action, New):
            trial, n_trials = n_trials, n_trials + 1
        else:
            trial = action.trial
        checkpoint = action.checkpoint if isinstance(action, Promote) else None
        job = Job(n_jobs, 0, trial, {}, action.budget, {}, action.bracket, action.rung, checkpoint)
        total += generator.effort(job)
        generator.issued(job)
        generator.observe(job, _success(job, metrics))
        n_jobs += 1
    else:
        return None
    return Forecast(n_jobs - first, total)


def _success(job: Job, metrics: Mapping[str, float]) -> Outcome:
    """Return how a job ends in the forecast: with a state to go on from, as it is meant."""
    checkpoint = checkpoint_name(int(job.budget), "0" * 16)
    return Outcome(Status.OK, 0.0, metrics, checkpoint=checkpoint)


def _flat(generator: IterGenerator, plan: Plan, n_trials: int, n_jobs: int, n_out: int) -> Forecast:
    """Count where every trial is one job, at the one budget."""
    left = []
    if plan.n_trials is not None:
        left.append(plan.n_trials - n_trials)
    if plan.n_evaluations is not None:
        left.append(plan.n_evaluations - n_jobs)
    if plan.n_iterations is not None:
        left.append(generator.num_all_configs(plan.n_iterations) - n_jobs)
    n = max(0, min(left)) + n_out
    return Forecast(n, n * generator.get_budgets()[0])
