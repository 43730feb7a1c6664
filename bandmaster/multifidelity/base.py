"""What an iteration generator is."""

from __future__ import annotations

import abc
import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from bandmaster.core.decisions import Action, Decision
from bandmaster.core.job import Job
from bandmaster.core.objectives import Metric, Objectives
from bandmaster.core.outcome import Outcome
from bandmaster.errors import StudyError

if TYPE_CHECKING:
    from bandmaster.space import Space

__all__ = ["IterGenerator"]


class IterGenerator(abc.ABC):
    """Decides which trial runs next at which budget.

    A pure state machine: it sees no clock, no thread and no socket, and draws no random numbers
    but from the keys it is given. One study drives it. A call sequence::

        generator.plan(n_iterations=3)
        action = generator.next()            # New(budget=1, bracket=0, rung=0)
        generator.issued(job)                # the study made `job` of that action
        generator.observe(job, outcome)      # it ended, well or badly
        generator.next()                     # ... Promote(trial=4, budget=3, bracket=0, rung=1)

    - `next` is pure: called twice it answers the same. State advances in `plan`, `issued`,
      `reported`, `observe` and `close_intake` only, because a loaded study replays these alone.
    - Every job that was issued is observed exactly once (a requeued job stays issued; only its
      last attempt ends it).
    - Trials are compared by `objectives.rank(outcome)`, which puts those that miss a constraint
      behind the others.
    - `Wait` is answered only while jobs are out; `Done` is final unless `plan` extends it.

    Attributes
    ----------
    objectives : Objectives
        The metrics of the study, which sets it. Default: minimise ``loss``.
    study_seed : int
        The seed of the study, which sets it. Who draws keys each draw by it and by what it is for.
    study_stopped : bool
        Whether the study was stopped, which sets it: what ends as stopped then ends with the study.
    space : Space or None
        The search space of the study, which sets it.
    default_iterations : int or None
        How many iterations a search has that was given no limit; None: such a search has no end.
    needs_reports : bool
        Whether it decides by what evaluations report while they run.
    """

    objectives = Objectives()
    study_seed: int = 0
    study_stopped: bool = False
    space: Space | None = None
    default_iterations: ClassVar[int | None] = None
    needs_reports: ClassVar[bool] = False

    @abc.abstractmethod
    def get_budgets(self) -> tuple[float, ...]:
        """Return all budgets that occur, ascending."""

    @abc.abstractmethod
    def next(self) -> Action:
        """Return what may run now: New, Promote, Exploit, Wait or Done."""

    @abc.abstractmethod
    def observe(self, job: Job, outcome: Outcome) -> None:
        """Learn how a job ended."""

    @abc.abstractmethod
    def issued(self, job: Job) -> None:
        """Learn that the last answer of `next` became `job` (see `Job.bracket`, `Job.rung`)."""

    @abc.abstractmethod
    def plan(self, n_iterations: int | None) -> None:
        """Say how many brackets to run in all; None is no limit.

        A later call may raise it, and takes `close_intake` back for brackets that have not begun
        (rungs that were cut short stay so).
        """

    @abc.abstractmethod
    def close_intake(self) -> None:
        """Learn that no new trial may start any more.

        Rungs that are not full run with what they have: the next rung gets the planned share of
        the trials that did start, at least one.
        """

    @abc.abstractmethod
    def num_all_configs(self, n_iterations: int) -> int:
        """Return how many evaluations (jobs) `n_iterations` brackets make in all."""

    @abc.abstractmethod
    def total_budget(self, n_iterations: int) -> float:
        """Return the sum of the budgets of all evaluations of `n_iterations` brackets."""

    def effort(self, job: Job) -> float:
        """Return how much of a job's budget it is to spend itself. Default: all of it."""
        return job.budget

    @abc.abstractmethod
    def get_table(self) -> list[list[tuple[int, float]]]:
        """Return for each bracket of one cycle its rungs as (number of trials, budget)."""

    def wrong_report(self, metrics: Mapping[str, Any]) -> str | None:
        """Return why a report fails its evaluation: what it lacks that this generator goes by."""
        return None

    def wrong_outcome(self, outcome: Outcome) -> str | None:
        """Return why an evaluation that ended well for the study's objectives has failed yet."""
        return None

    def evaluation_hint(self) -> str | None:
        """Return how evaluations go here, for who returned what the study's objectives lack."""
        if not self.needs_reports:
            return None
        return (
            "here an evaluation trains in a loop that tells each step with "
            "context.report(metrics), which ends it when it is enough"
        )

    def decide(
        self, job: Job, metrics: Mapping[str, Any], loss: float | None, step: int
    ) -> Decision:
        """Answer an intermediate report, without changing anything. Default: CONTINUE."""
        return Decision.CONTINUE

    def reported(  # noqa: B027 - not abstract: most generators have nothing to learn of a report
        self,
        job: Job,
        metrics: Mapping[str, Any],
        loss: float | None,
        step: int,
        *,
        decision: Decision,
        checkpoint: str | None,
    ) -> None:
        """Learn of a report, of what was answered, and of the checkpoint that it left."""

    def search_space(self) -> Space | None:
        """Return the search space that it brings itself, for a study that is given none."""
        return None

    def own_metric(self) -> Metric | None:
        """Return the metric that it optimises, for a study that is given none."""
        return None

    @property
    def signature(self) -> str:
        """What it was made with, in a line: the first of its repr."""
        return repr(self).partition("\n")[0]

    @property
    def under_way_as(self) -> str:
        """The signature that its study knows; not its own while it has still to be extended."""
        return self.signature

    def begin_as(self, signature: str) -> bool:
        """Be, until `extend` says more, the generator with which a stored study began.

        Called once, before anything else. Returns False when it is none that can go on from there.
        """
        return signature == self.signature

    def extend(self, signature: str) -> None:
        """Go on as the generator of this signature, itself or one that lies between.

        Raises
        ------
        StudyError
            When that cannot be.
        """
        raise StudyError(f"a study with {self.under_way_as} cannot go on with {signature}")

    def rehearsal(self) -> IterGenerator:
        """Return a copy on which a plan is played through, to count what it takes.

        Its jobs have no configurations, and all end well.
        """
        return copy.deepcopy(self)

    def needs_checkpoint(self, trial: int) -> bool:
        """Return whether a trial that has no job out may still go on from its newest checkpoint.

        Or another one from there. What is not needed may be deleted. Default: True.
        """
        return True
