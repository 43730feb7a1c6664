"""What all generators of brackets with synchronous rungs share."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

from bandmaster.core.decisions import Action, Done, New, Promote, Wait
from bandmaster.core.job import Job
from bandmaster.core.objectives import Rank
from bandmaster.multifidelity.bracket import Bracket
from bandmaster.multifidelity.budgets import exact_eta
from bandmaster.multifidelity.tabled import TabledIterGenerator

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
        self._n_new = 0
        self._intake: Bracket | None = None  # the youngest bracket
        self._open: dict[int, Bracket] = {}
        self._over: dict[int, Bracket] = {}  # those that have ended; a larger budget reopens them
        self._home: dict[int, int] = {}  # trial → bracket
        self._ready: list[int] = []  # a heap of the open brackets that have slots to fill

    def close_intake(self) -> None:
        """Learn that no new trial may start any more; called again it changes nothing."""
        super().close_intake()
        if self._intake is not None:
            slots = self._intake.slots
            self._intake.close()
            self._sort_in(self._intake, slots)

    def needs_checkpoint(self, trial: int) -> bool:
        """Return whether a trial that has no job out may be promoted yet.

        Those that reached the end of a bracket are, when a larger budget comes.
        """
        home = self._home.get(trial, -1)
        bracket = self._open.get(home) or self._over.get(home)
        if bracket is None:
            return False
        return bracket.may_go_on(trial) or (self.extensible and trial in bracket.finalists)

    def _decide_next(self) -> Action:
        if self._ready:
            bracket = self._open[self._ready[0]]
            _, trial, checkpoint = bracket.best
            return Promote(trial, bracket.budget, bracket.index, bracket.rung, checkpoint)
        # A bracket does not accept any once the intake is closed.
        if self._intake is not None and self._intake.accepts_new:
            bracket = self._intake
            return New(bracket.budget, self._source(self._n_new), bracket.index)
        if self._may_begin:
            budget = self._eras.rungs(self._begun)[0][1]
            return New(budget, self._source(self._n_new), self._begun)
        return _WAIT if self._out else _DONE

    def _started(self, job: Job, *, new: bool) -> int:
        if new:
            bracket = self._bracket_for_new()
            bracket.start_new()
            self._home[job.trial] = bracket.index
            self._n_new += 1
        else:
            bracket = self._open[self._ready[0]]
            bracket.start_promoted()
            if not bracket.slots:
                heapq.heappop(self._ready)
        return bracket.index

    def _ended(self, bracket: int, job: Job, rank: Rank | None, checkpoint: str | None) -> None:
        under_way = self._open[bracket]
        slots = under_way.slots
        under_way.finish(job.trial, rank, checkpoint)
        self._sort_in(under_way, slots)

    def _extended(self, budgets: list[float]) -> None:
        for bracket in self._open.values():
            bracket.extend(budgets, exact_eta(self.eta))
        over, self._over = self._over, {}
        for bracket in over.values():
            bracket.extend(budgets, exact_eta(self.eta))
            self._open[bracket.index] = bracket
            self._sort_in(bracket, 0)

    def _source(self, number: int) -> str:
        """Return who proposes the configuration of new trial `number` of this generator."""
        return "model"

    def _bracket_for_new(self) -> Bracket:
        if self._intake is None or not self._intake.accepts_new:
            self._intake = Bracket(self._begun, self._eras.rungs(self._begun))
            self._open[self._begun] = self._intake
            self._begun += 1
        return self._intake

    def _sort_in(self, bracket: Bracket, slots_before: int) -> None:
        """Drop a bracket that has ended; queue one that has slots to fill since now."""
        if bracket.ended:
            known = self._open.pop(bracket.index, None)
            if known is not None and self.extensible:
                self._over[bracket.index] = bracket
            if self._intake is bracket:
                self._intake = None
        elif bracket.slots and not slots_before:
            heapq.heappush(self._ready, bracket.index)
