"""What generators share whose brackets repeat in a cycle, as a table says."""

from __future__ import annotations

import abc
import re
from collections.abc import Sequence
from fractions import Fraction
from typing import ClassVar

from bandmaster.core.decisions import Action, New, Promote
from bandmaster.core.job import Job
from bandmaster.core.objectives import Rank
from bandmaster.core.outcome import Outcome
from bandmaster.errors import ConfigurationError, StudyError, UnknownJobError
from bandmaster.multifidelity.base import IterGenerator
from bandmaster.multifidelity.budgets import as_count, exact, exact_eta
from bandmaster.multifidelity.eras import Eras, Table
from bandmaster.multifidelity.stories import story_of
from bandmaster.multifidelity.table import render

__all__ = ["TabledIterGenerator"]

_MAX_BUDGET = re.compile(r"\bmax_budget=([0-9.e+-]+)[,)]")


class TabledIterGenerator(IterGenerator):
    """Knows how much work a number of brackets is, which jobs are out, and what is allowed.

    Subclasses say what comes next (`_decide_next`), and what a job's start and end change.

    Parameters
    ----------
    table : sequence of brackets
        Each a sequence of rungs (number of trials, budget). Bracket i of a run has the shape
        ``table[i % len(table)]``.
    """

    eta: float  # of those that are extensible
    extensible: ClassVar[bool] = False  # whether a larger budget may come

    def __init__(self, table: Sequence[Sequence[tuple[int, float]]]) -> None:
        self._eras = Eras(table)
        self._became = ""  # the signature as which it is under way; by default its own
        self._n_iterations: int | None = None
        self._closed = False
        self._begun = 0  # brackets
        self._out: dict[int, int] = {}  # job number → bracket
        self._last_job = -1
        self._action: Action | None = None  # what `next` answers until the state changes

    def get_budgets(self) -> tuple[float, ...]:
        """Return all budgets that occur, ascending."""
        return tuple(sorted({budget for rungs in self._table for _, budget in rungs}))

    @property
    def _table(self) -> Table:
        return self._eras.table

    def get_table(self) -> list[list[tuple[int, float]]]:
        """Return for each bracket of one cycle its rungs as (number of trials, budget)."""
        return [list(rungs) for rungs in self._table]

    def num_all_configs(self, n_iterations: int) -> int:
        """Return how many evaluations (jobs) `n_iterations` brackets make in all."""
        return sum(self.configs_per_budget(n_iterations).values())

    def configs_per_budget(self, n_iterations: int) -> dict[float, int]:
        """Return how many evaluations `n_iterations` brackets make at each budget, ascending."""
        n_iterations = as_count(n_iterations, "n_iterations", least=0)
        counts = dict.fromkeys(self.get_budgets(), 0)
        for rungs, _, times in self._eras.times(n_iterations):
            for n, budget in rungs:
                counts[budget] += n * times
        return counts

    def total_budget(self, n_iterations: int) -> float:
        """Return the sum of the budgets of all evaluations of `n_iterations` brackets."""
        counts = self.configs_per_budget(n_iterations)
        total = sum((n * exact(b, "budget") for b, n in counts.items()), Fraction(0))
        return int(total) if all(isinstance(b, int) for b in counts) else float(total)

    def plan(self, n_iterations: int | None) -> None:
        """Say how many brackets to run in all; None is no limit (also before the first call).

        Brackets that have begun are finished, even if there are more of them. `close_intake` is
        taken back for brackets that have not begun.

        Raises
        ------
        ConfigurationError
            When it is no count.
        """
        if n_iterations is not None:
            n_iterations = as_count(n_iterations, "n_iterations", least=0)
        self._n_iterations = n_iterations
        self._closed = False
        self._action = None

    def close_intake(self) -> None:
        """Learn that no new trial may start any more; called again it changes nothing."""
        self._closed = True
        self._action = None

    def next(self) -> Action:
        """Return New, Promote, Wait (while jobs are out and nothing may start) or Done."""
        if self._action is None:
            self._action = self._decide_next()
        return self._action

    def issued(self, job: Job) -> None:
        """Learn that the last answer of `next` became `job`.

        Raises
        ------
        StudyError
            When the job is not what `next` answers.
        """
        action, number = self.next(), job.number
        if not _fits(job, action) or number in self._out:
            out = "it is out already; " if number in self._out else ""
            raise StudyError(f"{story_of(job)} was issued, but {out}the next action is {action!r}")
        self._out[number] = self._started(job, new=type(action) is New)
        self._last_job = max(self._last_job, number)
        self._action = None

    def observe(self, job: Job, outcome: Outcome) -> None:
        """Learn how a job ended.

        Raises
        ------
        UnknownJobError
            When no such job is out.
        """
        bracket = self._out.pop(job.number, None)
        if bracket is None:
            raise UnknownJobError(
                f"{story_of(job)} ended with {outcome.status.value!r}, but it is not out: "
                + (
                    "it has ended before"
                    if job.number <= self._last_job
                    else f"the last job issued is {self._last_job}"
                    if self._last_job >= 0
                    else "no job was issued yet"
                )
            )
        self._ended(bracket, job, self.objectives.rank(outcome), outcome.checkpoint)
        self._action = None

    def begin_as(self, signature: str) -> bool:
        """Become the same generator with a lower `max_budget`, if the rungs allow it."""
        if signature == self.signature:
            return True
        lower = self._twin(signature)
        if lower is None or not _begins_with(self.get_budgets(), lower.get_budgets()):
            return False
        self._became = signature
        self._eras = lower._eras
        self._laid_out(self.get_budgets())
        return True

    def extend(self, signature: str) -> None:
        """Go on with a higher `max_budget`: of what has ended, one in eta goes on."""
        higher = self._twin(signature)
        before = self.get_budgets()
        if higher is None or not before[-1] < higher.get_budgets()[-1]:
            raise StudyError(f"a study with {self.under_way_as} cannot go on with {signature}")
        self._became = signature
        new = self._eras.extend(self._begun, higher.get_table(), exact_eta(self.eta))
        self._action = None
        self._extended(new)

    @property
    def under_way_as(self) -> str:
        """The signature that its study knows; not its own while it has still to be extended."""
        return self._became or self.signature

    def _twin(self, signature: str) -> TabledIterGenerator | None:
        """Return a fresh generator with this signature, if it differs in its `max_budget` alone."""
        match = _MAX_BUDGET.search(signature)
        if match is None:
            return None
        text = match[1]
        try:
            twin = self._with_max_budget(int(text) if text.isdigit() else float(text))
        except ConfigurationError:
            return None
        return twin if twin is not None and twin.signature == signature else None

    def _with_max_budget(self, max_budget: float) -> TabledIterGenerator | None:
        """Return a fresh generator that differs in its largest budget; None if not extensible."""
        return None

    def _laid_out(self, budgets: tuple[float, ...]) -> None:
        """Adapt to a table that was replaced before anything began; it has these budgets."""

    def _extended(self, budgets: list[float]) -> None:
        """Let what has begun go on with further budgets."""

    @property
    def _may_begin(self) -> bool:
        """Whether another bracket may begin."""
        planned = self._n_iterations
        return not self._closed and (planned is None or self._begun < planned)

    @abc.abstractmethod
    def _decide_next(self) -> Action:
        """Return what `next` answers in this state."""

    @abc.abstractmethod
    def _started(self, job: Job, *, new: bool) -> int:
        """Count a job in, which is what `next` answered; return its bracket."""

    @abc.abstractmethod
    def _ended(self, bracket: int, job: Job, rank: Rank | None, checkpoint: str | None) -> None:
        """Count a job out; it ended badly if it has no rank."""

    def _signature(self) -> str:
        return f"{type(self).__name__}()"

    def __repr__(self) -> str:
        return f"{self._signature()}\n{render(self._table)}"


def _begins_with(budgets: tuple[float, ...], lower: tuple[float, ...]) -> bool:
    return lower == budgets[: len(lower)]


def _fits(job: Job, action: Action) -> bool:
    if type(action) is Promote:
        if job.trial != action.trial:
            return False
    elif type(action) is not New:
        return False
    return job.bracket == action.bracket and job.rung == action.rung and job.budget == action.budget
