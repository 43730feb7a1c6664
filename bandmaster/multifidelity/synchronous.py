"""What all generators of brackets with synchronous rungs share."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from bandmaster.core.decisions import Action, Done, New, Promote, Wait
from bandmaster.core.job import Job
from bandmaster.core.outcome import Outcome
from bandmaster.errors import StudyError, UnknownJobError
from bandmaster.multifidelity.bracket import Bracket
from bandmaster.multifidelity.budgets import as_count
from bandmaster.multifidelity.tabled import TabledIterGenerator, fits, name_of

__all__ = ["SynchronousIterGenerator"]

_WAIT, _DONE = Wait(), Done()


class SynchronousIterGenerator(TabledIterGenerator):
    """Runs a cycle of brackets again and again, each rung by rung.

    Several brackets may be open at once. A promotion comes before a new trial, and the promotions
    of older brackets come first. While the open brackets wait for running jobs, the next bracket
    starts, so nothing idles before the last bracket. Every call is O(log n) in the number of open
    brackets and the size of a rung.

    Parameters
    ----------
    table : sequence of brackets
        Each a sequence of rungs (number of trials, budget). Bracket i of a run has the shape
        ``table[i % len(table)]``.
    """

    def __init__(self, table: Sequence[Sequence[tuple[int, float]]]) -> None:
        super().__init__(table)
        self._n_iterations: int | None = None
        self._closed = False
        self._begun = 0
        self._n_new = 0
        self._last_job = -1
        self._intake: Bracket | None = None  # the youngest bracket
        self._open: dict[int, Bracket] = {}
        self._ready: list[int] = []  # a heap of the open brackets that have slots to fill
        self._out: dict[int, int] = {}  # job number → bracket
        self._action: Action | None = None  # what `next` answers until the state changes

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
        if self._intake is not None:
            slots = self._intake.slots
            self._intake.close()
            self._sort_in(self._intake, slots)

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
        action = self.next()
        if not fits(job, action) or job.number in self._out:
            out = "it is out already; " if job.number in self._out else ""
            raise StudyError(f"{name_of(job)} was issued, but {out}the next action is {action!r}")
        if isinstance(action, New):
            bracket = self._bracket_for_new()
            bracket.start_new()
            self._n_new += 1
        else:
            bracket = self._open[self._ready[0]]
            bracket.start_promoted()
            if not bracket.slots:
                heapq.heappop(self._ready)
        self._out[job.number] = bracket.index
        self._last_job = max(self._last_job, job.number)
        self._action = None

    def observe(self, job: Job, outcome: Outcome) -> None:
        """Learn how a job ended.

        Raises
        ------
        UnknownJobError
            When no such job is out.
        """
        index = self._out.pop(job.number, None)
        if index is None:
            raise UnknownJobError(
                f"{name_of(job)} ended with {outcome.status.value!r}, but it is not out: "
                + (
                    "it has ended before"
                    if job.number <= self._last_job
                    else f"the last job issued is {self._last_job}"
                    if self._last_job >= 0
                    else "no job was issued yet"
                )
            )
        bracket = self._open[index]
        slots = bracket.slots
        bracket.finish(job.trial, self.objectives.rank(outcome), outcome.checkpoint)
        self._sort_in(bracket, slots)
        self._action = None

    def _decide_next(self) -> Action:
        if self._ready:
            bracket = self._open[self._ready[0]]
            _, trial, checkpoint = bracket.best
            return Promote(trial, bracket.budget, bracket.index, bracket.rung, checkpoint)
        if not self._closed:
            if self._intake is not None and self._intake.accepts_new:
                bracket = self._intake
                return New(bracket.budget, self._source(self._n_new), bracket.index)
            if self._n_iterations is None or self._begun < self._n_iterations:
                budget = self._table[self._begun % len(self._table)][0][1]
                return New(budget, self._source(self._n_new), self._begun)
        return _WAIT if self._out else _DONE

    def _source(self, number: int) -> str:
        """Return who proposes the configuration of new trial `number` of this generator."""
        return "model"

    def _bracket_for_new(self) -> Bracket:
        if self._intake is None or not self._intake.accepts_new:
            self._intake = Bracket(self._begun, self._table[self._begun % len(self._table)])
            self._open[self._begun] = self._intake
            self._begun += 1
        return self._intake

    def _sort_in(self, bracket: Bracket, slots_before: int) -> None:
        """Drop a bracket that has ended; queue one that has slots to fill since now."""
        if bracket.ended:
            self._open.pop(bracket.index, None)
            if self._intake is bracket:
                self._intake = None
        elif bracket.slots and not slots_before:
            heapq.heappush(self._ready, bracket.index)
