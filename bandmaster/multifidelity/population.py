"""The members of one population, and who of them may go on."""

from __future__ import annotations

import bisect
import enum
import heapq
import math
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from bandmaster.core.checkpoints import step_of
from bandmaster.core.job import Job
from bandmaster.core.objectives import Rank
from bandmaster.multifidelity.schedule import ITERATION, Schedule

__all__ = ["Member", "Population", "Rules", "State"]


class State(enum.Enum):
    """Where a member stands; `Population` draws the path."""

    RUNNING = "running"
    RESTING = "resting"
    READY = "ready"
    COMPLETE = "complete"
    DROPPED = "dropped"


Entry = tuple[bool, float, int, int]
"""A place in the queue: exploits first, then the least trained; the last number is unique."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What all populations of a generator share."""

    size: int
    schedule: Schedule
    quantile: Fraction
    synch: bool
    max_failures: int


@dataclass(slots=True, eq=False)
class Member:
    """A trial as a member of a population.

    Attributes
    ----------
    number : int
        Counts the members of the population from 0.
    time, checkpoint_time : float
        How far it has trained, and how far its newest checkpoint has.
    rank : tuple, optional
        What it came to at its last boundary; None before its first, and after an exploit until the
        next: what it was says nothing about its new configuration.
    awaited : bool
        Whether the others wait for it at the boundary.
    again : bool
        Whether it is to repeat a segment that did not end well.
    donors : list of Member
        At a synchronous boundary: whom it may exploit.
    """

    number: int
    trial: int
    config: Any
    state: State = State.RUNNING
    budget: float = 0
    time: float = 0
    rank: Rank | None = None
    checkpoint: str | None = None
    checkpoint_time: float = 0
    failures: int = 0
    awaited: bool = False
    again: bool = False
    donors: list[Member] = field(default_factory=list)
    # of the job that is out
    reported_time: float | None = None
    ended: bool = False  # a criterion to stop was met
    told_to_stop: bool = False
    entry: Entry | None = None  # its place in the queue

    @property
    def lives(self) -> bool:
        """Whether it is to train on."""
        return self.state not in (State.COMPLETE, State.DROPPED)


class Population:
    """One population.

    The path of a member::

        start → RUNNING → RESTING → READY → RUNNING → ...
                   │  └────────────→ READY (at once if nobody waits: asynchronous, or a retry)
                   ├→ COMPLETE   a criterion to stop was met
                   └→ DROPPED    it failed too often, or was cancelled

    A member trains from boundary to boundary; each stretch is a segment, with a job of its own.
    In a synchronous population members rest at a boundary until all that are awaited are there.
    Then all that rest are ranked, once, and go on, each for a segment. A member that fails is no
    longer awaited until it rests again.

    Invariants: the budgets of a member's jobs ascend, but for repeated ones; a READY member is in
    the queue; `_ranked` has the living members with a rank, best first, of an asynchronous
    population; `_awaited` counts the RUNNING and READY members that are awaited.

    Parameters
    ----------
    number : int
        Counts the populations from 0.
    rules : Rules
    """

    def __init__(self, number: int, rules: Rules) -> None:
        self.number = number
        self.members: list[Member] = []
        self._rules = rules
        self._queue: list[tuple[Entry, Member]] = []
        self._n_queued = 0
        self._ranked: list[tuple[Rank, int]] = []
        self._awaited = 0
        self._living = 0

    @property
    def full(self) -> bool:
        """Whether all members have started."""
        return len(self.members) >= self._rules.size

    @property
    def over(self) -> bool:
        """Whether no member that has started is to train on."""
        return not self._living

    def candidate(self) -> Member | None:
        """Return who goes on next: who exploits, then the least trained."""
        while self._queue:
            entry, member = self._queue[0]
            if member.state is State.READY and member.entry is entry:
                return member
            heapq.heappop(self._queue)  # it went on before its turn: an older plan said so
        return None

    def donors_of(self, member: Member) -> list[Member]:
        """Return whom a ready member may exploit: the top quantile, if it is in the bottom one."""
        if self._rules.synch or member.rank is None or member.again:
            return member.donors
        n = len(self._ranked)
        k = quantile_size(n, self._rules.quantile)
        position = bisect.bisect_left(self._ranked, (member.rank, member.number))
        if position < n - k:
            return []
        better = bisect.bisect_left(self._ranked, (member.rank, -1))
        return [self.members[number] for _, number in self._ranked[: min(k, better)]]

    def budget_after(self, time: float) -> float | None:
        """Return how far a member trains that stands at `time`; None if it is at the end."""
        return self._rules.schedule.after(time)

    # -- events ---------------------------------------------------------------------------------

    def start(self, job: Job) -> Member:
        """A new member began with `job`."""
        member = Member(len(self.members), job.trial, job.config, budget=job.budget)
        self.members.append(member)
        self._living += 1
        self._await(member)
        return member

    def resume(self, member: Member, job: Job, donor: Member | None) -> None:
        """A member went on, maybe from the checkpoint of a donor."""
        if member.state is State.RESTING:  # an older plan did not wait for so many
            self._await(member)
        if job.config != member.config or job.checkpoint != member.checkpoint:
            self._unrank(member)
            member.config, member.checkpoint = job.config, job.checkpoint
            known = donor is not None and donor.checkpoint == job.checkpoint
            time = donor.checkpoint_time if donor and known else self._time_at(job.checkpoint)
            member.checkpoint_time = time or 0
        member.state, member.budget = State.RUNNING, job.budget
        member.entry, member.donors, member.again = None, [], False
        member.reported_time, member.ended, member.told_to_stop = None, False, False

    def reported(
        self, member: Member, time: float | None, *, ended: bool, stop: bool, checkpoint: str | None
    ) -> bool:
        """A running member reported; return whether others could notice."""
        if time is not None:
            member.reported_time = time
        member.ended, member.told_to_stop = ended, stop
        return self._keep(member, checkpoint)

    def succeeded(self, member: Member, rank: Rank | None, checkpoint: str | None) -> None:
        """A segment came to its end."""
        told = member.reported_time
        # Who returns without having been told to pause has done what the budget asks for.
        member.time = max(member.budget, told or 0) if told is None or not member.ended else told
        member.reported_time = member.time
        self._keep(member, checkpoint)
        self._unrank(member)
        member.rank = rank
        self._awaits_no_more(member)
        if member.ended or self._rules.schedule.after(member.time) is None:
            self._leave(member, State.COMPLETE)
        elif self._rules.synch:
            member.state = State.RESTING
        else:
            if rank is not None:
                bisect.insort(self._ranked, (rank, member.number))
            self._line_up(member)

    def repeat(self, member: Member, checkpoint: str | None) -> None:
        """A segment did not end well and is to run again, from the newest checkpoint."""
        self._keep(member, checkpoint)
        self._awaits_no_more(member)
        member.time, member.again = member.checkpoint_time, True
        if self._rules.schedule.after(member.time) is None:  # it was at the end when that happened
            self._leave(member, State.COMPLETE)
        else:
            self._line_up(member)

    def drop(self, member: Member) -> None:
        """A member is out for good."""
        self._awaits_no_more(member)
        self._leave(member, State.DROPPED)

    def settle(self, *, intake: bool) -> None:
        """Let all that rest go on if there is nobody to wait for.

        Parameters
        ----------
        intake : bool
            Whether members may start that have not.
        """
        if not self._rules.synch or self._awaited or (intake and not self.full):
            return
        resting = [member for member in self.members if member.state is State.RESTING]
        if not resting:
            return
        ranked = sorted((m.rank, m.number) for m in resting if m.rank is not None)
        k = quantile_size(len(ranked), self._rules.quantile)
        for rank, number in ranked[len(ranked) - k :]:
            better = [other for other in ranked[:k] if other[0] < rank]
            self.members[number].donors = [self.members[other] for _, other in better]
        for member in resting:
            self._await(member)
            self._line_up(member)

    # -- inside ---------------------------------------------------------------------------------

    def _line_up(self, member: Member) -> None:
        member.state = State.READY
        # Each failure costs an interval, so that who always fails keeps nobody out.
        time = member.time + member.again * member.failures * float(self._rules.schedule.interval)
        # Who exploits goes first, before a donor leaves a newer checkpoint.
        entry = member.entry = (not member.donors, time, member.number, self._n_queued)
        self._n_queued += 1
        heapq.heappush(self._queue, (entry, member))

    def _leave(self, member: Member, state: State) -> None:
        self._unrank(member)
        member.state = state
        self._living -= 1

    def _unrank(self, member: Member) -> None:
        if member.rank is None:
            return
        i = bisect.bisect_left(self._ranked, (member.rank, member.number))
        if i < len(self._ranked) and self._ranked[i] == (member.rank, member.number):
            del self._ranked[i]
        member.rank = None

    def _await(self, member: Member) -> None:
        member.awaited = True
        self._awaited += 1

    def _awaits_no_more(self, member: Member) -> None:
        self._awaited -= member.awaited
        member.awaited = False

    def _keep(self, member: Member, checkpoint: str | None) -> bool:
        if checkpoint is None or checkpoint == member.checkpoint:
            return False
        member.checkpoint = checkpoint
        time = self._time_at(checkpoint)
        member.checkpoint_time = (member.reported_time or 0) if time is None else time
        return True

    def _time_at(self, checkpoint: str | None) -> float | None:
        """Return how far the training had come that a checkpoint has; None if it does not say."""
        return step_of(checkpoint) if self._rules.schedule.time_attr == ITERATION else None


def quantile_size(n: int, quantile: Fraction) -> int:
    """Return how many of `n` ranked members are the best (or the worst) `quantile` of them."""
    return min(math.ceil(n * quantile), n // 2)
