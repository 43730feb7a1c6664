"""What one can see of a study."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

from bandmaster.checkpoints import Keep
from bandmaster.core.history import History
from bandmaster.core.objectives import Objectives
from bandmaster.core.plan import Plan
from bandmaster.core.trial import OpenJob
from bandmaster.errors import StorageError, StudyPoisonedError, UnknownJobError
from bandmaster.multifidelity.base import IterGenerator
from bandmaster.optimizers.base import Optimizer
from bandmaster.space import Space
from bandmaster.storage import Journal
from bandmaster.study.ending import Ending, LastEnding, ending_of
from bandmaster.study.proposing import finished, propose
from bandmaster.study.reported import Reported
from bandmaster.study.state import StudyState
from bandmaster.study.timings import Timings

__all__ = ["StudyView"]

logger = logging.getLogger(__name__)

_AT_ONCE = 1_000  # trials whose checkpoints are looked at before others may have the study


class StudyView:
    """The part of `Study` that changes nothing: looking, and waiting for a change.

    Parameters
    ----------
    state : StudyState
    journal : Journal

    Attributes
    ----------
    timings : Timings
        What proposals cost in this process.
    """

    def __init__(self, state: StudyState, journal: Journal) -> None:
        self.timings = Timings()
        self._state = state
        self._journal = journal
        state.history.reported = Reported(journal.read)
        self._position = 0
        # Taken by itself: entering a Condition is Python code, where Ctrl-C would leave it locked.
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._watching = 0  # how many wait for a change; under the lock
        self._poison: BaseException | None = None
        self._last: LastEnding | None = None  # once somebody has a result
        journal.watch(self._journal_failed)

    def __repr__(self) -> str:
        state = self._state
        end = "" if state.stopped is None else f", stopped: {state.stopped}"
        return (
            f"<Study {self.name!r}: {state.n_trials} trials, {len(state.history)} evaluations, "
            f"{len(state.open)} open{end}>"
        )

    @property
    def name(self) -> str:
        """The study's name."""
        return self._state.name

    @property
    def seed(self) -> int:
        """What all randomness is keyed by."""
        return self._state.seed

    @property
    def space(self) -> Space:
        """The search space."""
        return self._state.space

    @property
    def optimizer(self) -> Optimizer:
        """Who proposes; do not drive it past the study."""
        return self._state.optimizer

    @property
    def proposers(self) -> Sequence[tuple[int, str]]:
        """From which trial on which optimizer proposed (its class and options); it may grow."""
        return self._state.proposers

    @property
    def generator(self) -> IterGenerator:
        """Who decides at which budget; do not drive it past the study."""
        return self._state.generator

    @property
    def budgets(self) -> tuple[float, ...]:
        """All budgets that are planned, ascending."""
        return self._state.generator.get_budgets()

    @property
    def objectives(self) -> Objectives:
        """The metrics and what each is for."""
        return self._state.objectives

    @property
    def plan(self) -> Plan:
        """The limits."""
        return self._state.plan

    @property
    def history(self) -> History:
        """What has finished. It grows; rows never change."""
        return self._state.history

    @property
    def n_trials(self) -> int:
        """How many configurations were issued."""
        return self._state.n_trials

    @property
    def n_jobs(self) -> int:
        """How many jobs were issued (a requeued job counts once)."""
        return self._state.n_jobs

    @property
    def n_enqueued(self) -> int:
        """How many configurations wait to be proposed first."""
        return len(self._state.enqueued)

    @property
    def stopped(self) -> str | None:
        """Why the study was stopped, or None."""
        return self._state.stopped

    @property
    def ending(self) -> Ending | None:
        """Why the search has ended; None while something is out or may start."""
        with self._lock:
            return ending_of(self._state, self._finished)

    @property
    def last_ending(self) -> LastEnding:
        """`ending`, kept up to date as long as the study lives, and there when it is gone."""
        with self._lock:
            if self._last is None:
                self._last = LastEnding()
                self._note_ending()
            return self._last

    @property
    def position(self) -> int:
        """How many events the journal was given; see `wait_durable`."""
        return self._position

    @property
    def open_jobs(self) -> list[OpenJob]:
        """Copies of what is out or waiting, by job number."""
        with self._lock:
            return [_copy(entry) for entry in self._state.open.values()]

    def open_job(self, number: int) -> OpenJob | None:
        """Return a copy of one job that is out or waits; None when it is neither."""
        with self._lock:
            entry = self._state.open.get(number)
            return None if entry is None else _copy(entry)

    def open_jobs_of(self, trial: int) -> list[OpenJob]:
        """Return copies of a trial's jobs that are out or waiting.

        Raises
        ------
        UnknownJobError
            When there is no such trial.
        """
        with self._lock:
            if not 0 <= trial < self._state.n_trials:
                raise UnknownJobError(
                    f"trial {trial} was never issued; the study {self.name!r} has issued "
                    f"{self._state.n_trials} trials"
                )
            return [_copy(e) for e in self._state.open.values() if e.job.trial == trial]

    @property
    def finished(self) -> bool:
        """Whether nothing is out and nothing will start."""
        with self._lock:
            return self._finished()

    @property
    def ready(self) -> bool:
        """Whether `ask` would give a job now (unless the space has just run out).

        Raises
        ------
        StudyPoisonedError
            As `Study.ask`.
        """
        with self._lock:
            self._check()
            state = self._state
            if state.stopped is not None:
                return False
            if state.waiting:
                return True
            return not state.reserved and propose(state, probe=True) is not None

    @property
    def created(self) -> float:
        """When the study was created, by its clock; a study that is loaded keeps it."""
        return self._state.created

    @property
    def waits_for_storage(self) -> bool:
        """Whether `wait_durable` may block."""
        return not self._journal.immediate

    @property
    def poisoned(self) -> bool:
        """Whether an event could not be stored or applied, so that nothing more can happen."""
        return self._poison is not None

    def wait_durable(self, position: int) -> None:
        """Return when the journal keeps everything before `position`.

        Raises
        ------
        StorageError
            When it never will; the study is poisoned then.
        StudyPoisonedError
            When an event could not be stored: what was to be told may never have come so far.
        """
        try:
            self._journal.wait(position)
        except StorageError as error:
            self._journal_failed(error)
            raise
        self._check()

    def wait_for(self, predicate: Callable[[], bool], timeout: float | None = None) -> bool:
        """Block until `predicate()` holds, looked at after each change, under the lock.

        Returns
        -------
        bool
            False when `timeout` seconds passed first.
        """
        with self._lock:
            self._watching += 1
            try:
                return self._changed.wait_for(
                    lambda: self._poison is not None or predicate(), timeout
                )
            finally:
                self._watching -= 1

    def wake(self) -> None:
        """Have everybody in `wait_for` look again: what is not of the study has changed."""
        with self._lock:
            self._changed.notify_all()

    def wait_finished(self, timeout: float | None = None) -> bool:
        """Block until the study is over; False when `timeout` seconds passed first."""
        return self.wait_for(self._finished, timeout)

    def watch_checkpoints(self, listener: Callable[[], None] | None) -> None:
        """Have `listener` called, under the lock, when checkpoints may be superfluous by now."""
        with self._lock:
            self._state.ledger.listener = listener

    def superfluous_checkpoints(
        self, keep: Keep, *, all_trials: bool = False
    ) -> tuple[list[str], int, bool]:
        """Return the names of checkpoints that nobody needs any more, and forget them.

        They may be deleted once the journal keeps everything before the position that comes with
        them (`wait_durable`). The study is held for a moment only, so there may be more: the third
        says so. `all_trials` looks not only at those of which something has changed, but, with the
        calls that follow, at all.
        """
        with self._lock:
            ledger = self._state.ledger
            if all_trials:
                ledger.touch()
            needs = self._state.generator.needs_checkpoint
            names, more = ledger.collect(keep, needs, most=_AT_ONCE)
            return names, self._position, more

    def known_checkpoints(self) -> set[str]:
        """Return the names of all checkpoints that were told of and are not superfluous."""
        with self._lock:
            return self._state.ledger.known

    def _journal_failed(self, error: StorageError) -> None:
        with self._lock:
            self._poison = self._poison or error
            self._changed.notify_all()

    def _check(self) -> None:
        if self._poison is not None:
            raise StudyPoisonedError(
                f"study {self.name!r} could not store an event ({self._poison}); load it again"
            ) from self._poison

    def _note_ending(self) -> None:
        if self._last is None:
            return
        try:
            self._last.ending = ending_of(self._state, self._finished)
        except Exception:  # a generator's: who asks for the next job gets it
            self._last.ending = None
            logger.debug("whether study %r is over is not known", self.name, exc_info=True)

    def _finished(self) -> bool:
        return finished(self._state)


def _copy(entry: OpenJob) -> OpenJob:
    return OpenJob(
        entry.job, entry.worker, entry.waiting, entry.lost, entry.reason, entry.reports,
        entry.failed, entry.checkpoint, entry.paused, entry.again,
    )  # fmt: skip
