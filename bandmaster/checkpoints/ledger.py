"""Which checkpoints there are, and which of them nobody needs any more."""

from __future__ import annotations

import heapq
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from bandmaster.checkpoints.keep import Keep
from bandmaster.checkpoints.names import is_name
from bandmaster.core.events import Event, JobFinished, JobIssued, JobReported
from bandmaster.core.objectives import Objectives

__all__ = ["Ledger"]

_FEW = 64  # places that hold no more, which need no tidying
_Standing = tuple[float, object, int]  # the lowest is the best


@dataclass(slots=True)
class _Job:
    """One that is out: where it starts from, and what each attempt has reported last."""

    trial: int
    budget: float
    start: str | None
    own: dict[int, str] = field(default_factory=dict)

    @property
    def pins(self) -> Iterable[str]:
        """What it needs."""
        if self.own:
            return self.own.values()
        return () if self.start is None else (self.start,)


@dataclass(slots=True)
class _Trial:
    names: dict[str, None] = field(default_factory=dict)  # its own, the newest last
    start: str | None = None  # of its last job, while that has left none of its own
    standing: _Standing | None = None
    best: str | None = None  # what the evaluation of that standing left

    @property
    def newest(self) -> str | None:
        return next(reversed(self.names), None)


class Ledger:
    """Keeps the books of a study's checkpoints: a fold over its events, without any I/O.

    Needed is

    - what an open job starts from, until it has reported one of its own, so that a donor's
      checkpoint is there until whoever exploits it has left its own;
    - what each attempt of an open job has reported last: another attempt starts there, and one that
      was thought lost may still end well;
    - the newest of each trial that the iteration generator may still go on from, and what its last
      job was started from while that has left none of its own;
    - what `Keep` chooses.

    Everything else that was ever reported, or came with an outcome, can be deleted by its name.

    A collection looks at the trials of which something has changed since the last one, so its time
    goes by the changes and not by what is kept. That a generator goes on from a trial no more need
    not be an event of that trial: some others are looked at each time, all of them by turns.

    Attributes
    ----------
    objectives : Objectives
        By which trials are ranked. Default: minimise ``loss``.
    listener : callable, optional
        Called by `apply` when something can have become superfluous.
    """

    def __init__(self) -> None:
        self.objectives = Objectives()
        self.listener: Callable[[], None] | None = None
        self._jobs: dict[int, _Job] = {}
        self._trials: dict[int, _Trial] = {}
        self._owners: dict[str, tuple[int, ...]] = {}  # the trials that have left it
        self._pinned: Counter[str] = Counter()  # by how many jobs
        self._started: dict[str, set[int]] = {}  # the trials whose `start` it is
        self._out: dict[int, int] = {}  # open jobs by trial
        self._changed: dict[int, None] = {}  # trials to look at
        self._turns: deque[int] = deque()  # the others, some each time
        self._placed: list[tuple[_Standing, int, str]] = []  # a heap, with some that hold no more
        self._best: dict[int, str] = {}

    @property
    def known(self) -> set[str]:
        """What there is, as far as events tell and `collect` has not given it up."""
        starts = (job.start for job in self._jobs.values() if job.start is not None)
        return {*self._owners, *starts}

    def apply(self, event: Event) -> None:
        """Take one event into account; most kinds change nothing."""
        kind = type(event)
        if kind is JobIssued:
            self._issued(event)  # type: ignore[arg-type]  # it is one
        elif kind is JobReported:
            self._reported(event)  # type: ignore[arg-type]  # as above
        elif kind is JobFinished:
            self._finished(event)  # type: ignore[arg-type]  # as above

    def collect(
        self, keep: Keep, needs: Callable[[int], bool], *, most: int | None = None
    ) -> tuple[list[str], bool]:
        """Return names that can be deleted now, and forget them.

        Parameters
        ----------
        keep : Keep
            The same each time.
        needs : callable
            Whether a trial that has no job out, or another one from there, may still go on from its
            newest checkpoint (`IterGenerator.needs_checkpoint`). Once it is False it stays so.
        most : int, optional
            How many trials to look at. Default: all there are.

        Returns
        -------
        names : list of str
        more : bool
            Whether there are further trials of which something has changed.
        """
        if keep.all:
            self._changed.clear()
            return [], False
        self._rank(keep.best)
        if most is None:
            self._changed = dict.fromkeys(self._trials)
        superfluous: list[str] = []
        looked = 0
        while self._changed and (most is None or looked < most):
            superfluous += self._look(self._changed.popitem()[0], keep, needs)
            looked += 1
        if most is not None and not self._changed:
            if not self._turns:
                self._turns.extend(self._trials)
            for _ in range(min(most - looked, len(self._turns))):
                superfluous += self._look(self._turns.popleft(), keep, needs)
        return superfluous, bool(self._changed)

    def touch(self) -> None:
        """Have the next collections look at all trials."""
        self._changed = dict.fromkeys(self._trials)

    # -- one trial ------------------------------------------------------------------------------

    def _look(self, number: int, keep: Keep, needs: Callable[[int], bool]) -> list[str]:
        """Forget, and return, what is superfluous of a trial's."""
        trial = self._trials.get(number)
        if trial is None:
            return []
        last = list(trial.names)[-keep.last :] if keep.last else ()
        gone = [name for name in trial.names if name not in last and not self._needed(name, needs)]
        for name in gone:
            del trial.names[name]
            owners = tuple(owner for owner in self._owners[name] if owner != number)
            if owners:
                self._owners[name] = owners
                self._changed.update(dict.fromkeys(owners))
            else:
                del self._owners[name]
        if trial.start is not None and not self._out.get(number) and not needs(number):
            self._start(number, trial, None)
        if not trial.names and trial.start is None:
            del self._trials[number]
        return gone

    def _needed(self, name: str, needs: Callable[[int], bool]) -> bool:
        if name in self._pinned:
            return True
        for number in self._owners[name]:  # one, unless somebody names checkpoints himself
            trial = self._trials[number]
            if self._best.get(number) == name or (trial.newest == name and needs(number)):
                return True
        return any(map(needs, self._started.get(name, ())))

    def _rank(self, n: int) -> None:
        """Find the best `n`; those that were among them are to be looked at."""
        if len(self._placed) > 2 * len(self._trials) + _FEW:
            self._placed = list({e[1]: e for e in self._placed if self._holds(*e)}.values())
            heapq.heapify(self._placed)
        best: dict[int, str] = {}
        placed = []
        while self._placed and len(best) < n:
            entry = heapq.heappop(self._placed)
            _, number, name = entry
            if number not in best and self._holds(*entry):
                best[number] = name
                placed.append(entry)
        for entry in placed:
            heapq.heappush(self._placed, entry)
        self._changed.update(dict.fromkeys(self._best.keys() - best.keys()))
        self._best = best

    def _holds(self, standing: _Standing, number: int, name: str) -> bool:
        trial = self._trials.get(number)
        if trial is None or name not in trial.names:
            return False
        return (trial.standing, trial.best) == (standing, name)

    # -- events ---------------------------------------------------------------------------------

    def _issued(self, event: JobIssued) -> None:
        start = event.checkpoint
        if event.attempt:
            job = self._jobs[event.job]
            self._unpin(job.pins)
            job.start = start or job.start
            self._pin(job.pins)
            return
        job = self._jobs[event.job] = _Job(event.trial, event.budget, start)
        self._out[event.trial] = self._out.get(event.trial, 0) + 1
        if start is not None:
            self._pin(job.pins)
            trial = self._trials.setdefault(event.trial, _Trial())
            self._start(event.trial, trial, None if start in trial.names else start)
            self._tell()

    def _reported(self, event: JobReported) -> None:
        if is_name(event.checkpoint):
            job = self._jobs[event.job]
            self._leave(job.trial, event.checkpoint)
            self._unpin(job.pins)
            job.own[event.attempt] = event.checkpoint
            self._pin(job.pins)
            self._tell()

    def _finished(self, event: JobFinished) -> None:
        job, outcome = self._jobs.pop(event.job), event.outcome
        left = self._out.pop(job.trial) - 1
        if left:
            self._out[job.trial] = left
        if is_name(outcome.checkpoint):
            trial = self._leave(job.trial, outcome.checkpoint)
            rank = self.objectives.rank(outcome)
            if rank is not None:
                trial.standing, trial.best = (-job.budget, rank, job.trial), outcome.checkpoint
                heapq.heappush(self._placed, (trial.standing, job.trial, trial.best))
        if job.own or job.start is not None:
            self._unpin(job.pins)
        if job.trial in self._trials:
            self._changed[job.trial] = None
        if self._trials:
            self._tell()

    def _leave(self, number: int, name: str) -> _Trial:
        trial = self._trials.setdefault(number, _Trial())
        trial.names.pop(name, None)
        trial.names[name] = None
        owners = self._owners.get(name, ())
        if number not in owners:
            self._owners[name] = (*owners, number)
        if trial.start is not None:
            self._start(number, trial, None)
        self._changed[number] = None
        return trial

    def _start(self, number: int, trial: _Trial, start: str | None) -> None:
        before, trial.start = trial.start, start
        if before is not None and before != start:
            users = self._started[before]
            users.discard(number)
            if not users:
                del self._started[before]
            self._changed.update(dict.fromkeys(self._owners.get(before, ())))
        if start is not None:
            self._started.setdefault(start, set()).add(number)
        self._changed[number] = None

    def _pin(self, names: Iterable[str]) -> None:
        for name in names:
            self._pinned[name] += 1

    def _unpin(self, names: Iterable[str]) -> None:
        for name in names:
            self._pinned[name] -= 1
            if not self._pinned[name]:
                del self._pinned[name]
                self._changed.update(dict.fromkeys(self._owners.get(name, ())))

    def _tell(self) -> None:
        if self.listener is not None:
            self.listener()
