"""One bracket under way: its rungs, who is running, who goes on."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from fractions import Fraction

from bandmaster.core.objectives import Rank
from bandmaster.multifidelity.shapes import further_rungs

__all__ = ["Bracket", "Finisher"]

Finisher = tuple[Rank, int, "str | None"]
"""Rank, trial and checkpoint of a job that ended well; they sort, the best first."""


class Bracket:
    """The state of one bracket with synchronous rungs.

    A rung is over when as many trials as it holds have started in it and all have ended. Then the
    best of those that ended well go on, as many as the next rung holds, so a failed trial's slot
    goes to the next best. If fewer ended well, the next rung is smaller; if none did, the bracket
    has ended.

    Parameters
    ----------
    index : int
        Counts the brackets of the run from 0.
    rungs : sequence of (number of trials, budget)

    Attributes
    ----------
    rung : int
        The rung under way.
    slots : int
        How many promoted trials have still to start in this rung.
    ended : bool
        Whether nothing more can come.
    """

    __slots__ = (
        "_chosen", "_closed", "_finished", "_hopeful", "_out", "_queue", "_rungs", "_started",
        "ended", "index", "rung", "slots",
    )  # fmt: skip

    def __init__(self, index: int, rungs: Sequence[tuple[int, float]]) -> None:
        self.index = index
        self.rung = 0
        self.ended = False
        self.slots = 0
        self._rungs = rungs
        self._closed = False
        self._started = 0  # in rung 0
        self._out = 0
        # Both are heaps: ranking as results come in leaves no long sort for the end of a rung.
        self._finished: list[Finisher] = []
        self._queue: list[Finisher] = []
        self._hopeful: set[int] = set()  # the trials of `_finished`
        self._chosen: set[int] | None = None  # of the queue; made when it is asked for

    @property
    def budget(self) -> float:
        """The budget of the rung under way."""
        return self._rungs[self.rung][1]

    @property
    def best(self) -> Finisher:
        """Who is to start next in this rung; only if there are `slots`."""
        return self._queue[0]

    @property
    def accepts_new(self) -> bool:
        """Whether another new trial may start in rung 0."""
        return self.rung == 0 and not self._closed and self._started < self._rungs[0][0]

    def may_go_on(self, trial: int) -> bool:
        """Whether a trial that has ended a job may be promoted yet."""
        if self._chosen is None:
            best = heapq.nsmallest(self.slots, self._queue)
            self._chosen = {chosen for _, chosen, _ in best}
        further = self.rung + 1 < len(self._rungs)
        return trial in self._chosen or (further and trial in self._hopeful)

    @property
    def finalists(self) -> set[int]:
        """The trials that ended well in the last rung, so far; they go on if rungs are added."""
        if self.ended:
            return {trial for _, trial, _ in self._queue}
        return self._hopeful if self.rung + 1 == len(self._rungs) else set()

    def start_new(self) -> None:
        """A new trial started in rung 0."""
        self._started += 1
        self._out += 1

    def start_promoted(self) -> None:
        """The `best` started."""
        _, trial, _ = heapq.heappop(self._queue)
        if self._chosen is not None:
            self._chosen.discard(trial)
        self.slots -= 1
        self._out += 1

    def finish(self, trial: int, rank: Rank | None, checkpoint: str | None) -> None:
        """A job of the rung under way ended; badly if it has no rank."""
        self._out -= 1
        if rank is not None:
            # Of equal ranks the earlier trial is the better one.
            heapq.heappush(self._finished, (rank, trial, checkpoint))
            self._hopeful.add(trial)
        self._settle()

    def close(self) -> None:
        """Admit no new trial any more; the further rungs shrink in proportion."""
        if self.rung == 0 and not self._closed:
            self._closed = True
            (planned, lowest), *further = self._rungs
            n = self._started
            self._rungs = [(n, lowest), *((max(1, n * m // planned), b) for m, b in further)]
            self._settle()

    def extend(self, budgets: Sequence[float], eta: Fraction) -> None:
        """Add rungs on top; a bracket that has ended goes on with those that reached its end."""
        self._rungs = [*self._rungs, *further_rungs(self._rungs, budgets, eta)]
        if self.ended:
            self.slots = min(self._rungs[self.rung][0], len(self._queue))
            self.ended = self.slots == 0

    def _settle(self) -> None:
        if self._out or self.slots or self.accepts_new:
            return
        self.rung += 1
        if self.rung < len(self._rungs):
            self.slots = min(self._rungs[self.rung][0], len(self._finished))
        self._queue, self._finished = self._finished, []
        self._hopeful, self._chosen = set(), None
        self.ended = self.slots == 0
