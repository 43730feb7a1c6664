"""Rungs that trials climb one by one, without waiting for each other."""

from __future__ import annotations

import bisect
import heapq
from collections.abc import Sequence
from fractions import Fraction

from bandmaster.core.objectives import Rank
from bandmaster.multifidelity.bracket import Finisher

__all__ = ["Ladder"]


class _Rung:
    """Who has finished here, who of them went on, and how many are running."""

    __slots__ = ("ended", "out", "promoted", "waiting")

    def __init__(self) -> None:
        self.out = 0
        self.ended = 0  # well or badly
        self.waiting: list[Finisher] = []  # a heap of those that ended well and did not go on
        self.promoted: list[tuple[Rank, int]] = []  # ascending

    def may_promote(self, quota: int, *, delayed: bool) -> bool:
        """Whether the best of those who wait is among the best `quota` of all."""
        if not self.waiting or (delayed and len(self.promoted) >= quota):
            return False
        rank, trial, _ = self.waiting[0]
        # All who are better than the best of those who wait went on.
        return bisect.bisect_left(self.promoted, (rank, trial)) < quota


class Ladder:
    """Rungs of one asynchronous bracket (Li et al. 2020, Algorithm 2).

    A trial may leave a rung when it is among the best 1/eta of all that ended there so far. Failed
    trials count among all, and never go on.

    Parameters
    ----------
    n_rungs : int
    eta : Fraction
    delayed : bool
        Let no more trials leave a rung than 1/eta of those that ended there. Without it a rung
        that began with bad luck lets more go: each that is the best when it comes.
    """

    def __init__(self, n_rungs: int, eta: Fraction, *, delayed: bool) -> None:
        self._rungs = [_Rung() for _ in range(n_rungs)]
        self._hopeful: set[int] = set()  # the trials that wait, in the last rung too
        self._eta = eta
        self._delayed = delayed

    def extend(self, n_rungs: int) -> None:
        """Add rungs on top; those who wait in the one that was the last may go on."""
        self._rungs.extend(_Rung() for _ in range(n_rungs))

    def start(self) -> None:
        """A new trial started in the lowest rung."""
        self._rungs[0].out += 1

    def finish(self, rung: int, trial: int, rank: Rank | None, checkpoint: str | None) -> None:
        """A job ended; badly if it has no rank."""
        here = self._rungs[rung]
        here.out -= 1
        here.ended += 1
        if rank is not None:
            heapq.heappush(here.waiting, (rank, trial, checkpoint))
            self._hopeful.add(trial)

    def may_go_on(self, trial: int) -> bool:
        """Whether a trial that has no job out may be promoted yet, if only when rungs are added."""
        return trial in self._hopeful

    def best(self, rung: int) -> Finisher:
        """Return who is the next to leave a rung."""
        return self._rungs[rung].waiting[0]

    def promote(self, rung: int) -> None:
        """The `best` of a rung started in the next one."""
        here = self._rungs[rung]
        rank, trial, _ = heapq.heappop(here.waiting)
        bisect.insort(here.promoted, (rank, trial))
        self._hopeful.discard(trial)
        self._rungs[rung + 1].out += 1

    def promotable(
        self, most: Sequence[int] | None, *, final: bool, top: int | None = None
    ) -> int | None:
        """Return the highest rung that a trial may leave now.

        Parameters
        ----------
        most : sequence of int, optional
            How many may be promoted into each rung in all (the lowest included, which is
            skipped).
        final : bool
            Whether no new trial will start. Then a rung to which nobody can come any more lets at
            least one go, so that one reaches the top.
        top : int, optional
            The highest rung that may be reached. Default: the last.
        """
        found = None
        for rung, here in enumerate(self._rungs[: -1 if top is None else top]):
            final = final and not here.out
            quota = here.ended * self._eta.denominator // self._eta.numerator
            if final:
                quota = max(quota, 1)
            if most is not None and len(here.promoted) >= most[rung + 1]:
                continue
            if here.may_promote(quota, delayed=self._delayed):
                found, final = rung, False
        return found
