"""Which checkpoints there are, and which of them nobody needs any more."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from bandmaster.checkpoints.keep import Keep
from bandmaster.checkpoints.names import is_name
from bandmaster.core.events import Event, JobFinished, JobIssued, JobReported
from bandmaster.core.objectives import Objectives

__all__ = ["Ledger"]


@dataclass(slots=True)
class _Job:
    """One that is out: where it starts from, and what each attempt has reported last."""

    trial: int
    budget: float
    start: str | None
    own: dict[int, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Trial:
    names: dict[str, None] = field(default_factory=dict)  # its own, the newest last
    start: str | None = None  # of its last job, while that has left none of its own
    standing: tuple[float, object, int] | None = None  # the lowest is the best
    best: str | None = None  # what the evaluation of that standing left


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

    @property
    def known(self) -> set[str]:
        """What there is, as far as events tell and `collect` has not given it up."""
        names = {name for trial in self._trials.values() for name in trial.names}
        return names | {job.start for job in self._jobs.values() if job.start is not None}

    def apply(self, event: Event) -> None:
        """Take one event into account; most kinds change nothing."""
        if isinstance(event, JobIssued):
            self._issued(event)
        elif isinstance(event, JobReported):
            self._reported(event)
        elif isinstance(event, JobFinished):
            self._finished(event)

    def collect(self, keep: Keep, needs: Callable[[int], bool]) -> list[str]:
        """Return the names that can be deleted now, and forget them.

        Parameters
        ----------
        keep : Keep
        needs : callable
            Whether a trial, or another one from there, may still go on from its newest checkpoint
            (`IterGenerator.needs_checkpoint`). Once it is False it stays so.
        """
        if keep.all:
            return []
        needed = {*self._of_jobs(), *self._of_policy(keep)}
        for number, trial in self._trials.items():
            if needs(number):
                if trial.names:
                    needed.add(next(reversed(trial.names)))
                if trial.start is not None:
                    needed.add(trial.start)
        superfluous = []
        for number, trial in list(self._trials.items()):
            gone = [name for name in trial.names if name not in needed]
            for name in gone:
                del trial.names[name]
            superfluous += gone
            if not trial.names and (trial.start is None or trial.start not in needed):
                del self._trials[number]
        return superfluous

    def _of_jobs(self) -> Iterable[str]:
        for job in self._jobs.values():
            if job.own:
                yield from job.own.values()
            elif job.start is not None:
                yield job.start

    def _of_policy(self, keep: Keep) -> Iterable[str]:
        if keep.last:
            for trial in self._trials.values():
                yield from list(trial.names)[-keep.last :]
        if keep.best:
            placed = [
                (trial.standing, trial.best)
                for trial in self._trials.values()
                if trial.standing is not None and trial.best in trial.names
            ]
            yield from (name for _, name in heapq.nsmallest(keep.best, placed) if name is not None)

    def _issued(self, event: JobIssued) -> None:
        start = event.checkpoint
        if event.attempt:
            job = self._jobs[event.job]
            job.start = start or job.start
            return
        self._jobs[event.job] = _Job(event.trial, event.budget, start)
        if start is not None:
            trial = self._trials.setdefault(event.trial, _Trial())
            trial.start = None if start in trial.names else start
            self._tell()

    def _reported(self, event: JobReported) -> None:
        if is_name(event.checkpoint):
            job = self._jobs[event.job]
            job.own[event.attempt] = event.checkpoint
            self._leave(job.trial, event.checkpoint)
            self._tell()

    def _finished(self, event: JobFinished) -> None:
        job, outcome = self._jobs.pop(event.job), event.outcome
        if is_name(outcome.checkpoint):
            trial = self._leave(job.trial, outcome.checkpoint)
            rank = self.objectives.rank(outcome)
            if rank is not None:
                trial.standing, trial.best = (-job.budget, rank, job.trial), outcome.checkpoint
        if self._trials:
            self._tell()

    def _leave(self, number: int, name: str) -> _Trial:
        trial = self._trials.setdefault(number, _Trial())
        trial.names.pop(name, None)
        trial.names[name] = None
        trial.start = None
        return trial

    def _tell(self) -> None:
        if self.listener is not None:
            self.listener()
