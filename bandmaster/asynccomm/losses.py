"""Jobs that are lost: with their worker, by silence, or on their way; what is done about them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Hashable

from bandmaster.asynccomm.deadlines import Deadlines
from bandmaster.asynccomm.sessions import Held, Session, Sessions
from bandmaster.core.outcome import Outcome, Status
from bandmaster.study.study import Study

__all__ = ["Losses"]

logger = logging.getLogger(__name__)

_MOST_FREE_LOSSES = 10
"""How often a job may get lost on its way at no cost, before it counts as lost at a worker."""


class Losses:
    """Has the study issue a job again that its worker will not end.

    Parameters
    ----------
    study : Study
    sessions : Sessions
    call : callable
        Calls a function that changes the study, and sees to what that raises.
    wake : callable
        Called when a job may have come back.
    job_timeout, grace, on_silent
        As in `Dispatcher`.
    name : str
        Of the thread that keeps the time.

    Attributes
    ----------
    leaving : bool
        Whether lost jobs are left to the next master.
    orphans : set of (int, int)
        Jobs and attempts that a loaded study says are out, and of which nothing was heard yet.
    """

    def __init__(
        self,
        study: Study,
        sessions: Sessions,
        call: Callable[[Callable[[], bool]], object],
        wake: Callable[[], None],
        *,
        job_timeout: float | None,
        grace: float | None,
        on_silent: Callable[[Session], None] | None,
        name: str,
    ) -> None:
        self.leaving = False
        self.orphans: set[tuple[int, int]] = set()
        self._study = study
        self._sessions = sessions
        self._call = call
        self._wake = wake
        self._job_timeout = job_timeout
        self._grace = grace
        self._on_silent = on_silent
        self._deadlines = Deadlines(self._expired, name=name)
        self._free: dict[int, int] = {}
        self._lock = threading.Lock()

    def start(self) -> None:
        """Begin the grace period of the jobs that are out already."""
        if self._grace is None:
            return
        for entry in self._study.open_jobs:
            if not entry.waiting:
                job, attempt = entry.job.number, entry.job.attempt
                self.orphans.add((job, attempt))
                self._deadlines.set(("orphan", job, attempt), self._grace)

    def close(self) -> None:
        """End the thread that keeps the time."""
        self._deadlines.close()

    def heard(self, job: int, attempt: int) -> None:
        """A job went out, or was reported on: its time begins anew."""
        if self._job_timeout is not None:
            self._deadlines.set(("job", job, attempt), self._job_timeout)

    def settle(self, job: int, attempt: int) -> None:
        """A job is out no longer."""
        if self.orphans:
            self.accounted_for(job, attempt)
        if self._job_timeout is not None:
            self._deadlines.discard(("job", job, attempt))

    def accounted_for(self, job: int, attempt: int) -> None:
        """Nobody has to wait any more for who had this job before the study was loaded."""
        if (job, attempt) in self.orphans:
            self.orphans.discard((job, attempt))
            self._deadlines.discard(("orphan", job, attempt))

    def lost(self, session: Session, held: Held, reason: str, *, counted: bool) -> None:
        """A worker will not end what it held; `counted` if that is its job's fault, maybe."""
        self.settle(held.job, held.attempt)
        if self.leaving:
            return
        if not counted:
            with self._lock:
                losses = self._free[held.job] = self._free.get(held.job, 0) + 1
            counted = losses > _MOST_FREE_LOSSES
        self._requeue(held.job, held.attempt, f"{session}: {reason}", counted=counted)

    def back(self, session: Session) -> None:
        """A worker is back: what it is said to have, and does not claim, never arrived there."""
        if not self.orphans:
            return
        for entry in self._study.open_jobs:
            job = entry.job
            if (job.number, job.attempt) not in self.orphans or entry.worker != session.worker:
                continue
            if not entry.waiting and self._sessions.holder(job.number) is None:
                self.lost(session, Held.of(job), "it has come back without it", counted=False)

    def _requeue(self, job: int, attempt: int, reason: str, *, counted: bool) -> None:
        self._call(lambda: self._study.requeue(job, reason, attempt=attempt, counted=counted))
        self._wake()

    def _expired(self, key: Hashable) -> None:
        assert isinstance(key, tuple)
        kind, job, attempt = key
        if kind == "orphan":
            self.accounted_for(job, attempt)
            if self._sessions.holder(job) is None:
                reason = f"nobody came back with it within {self._grace:g} s"
                self._requeue(job, attempt, reason, counted=False)
            return
        session = self._sessions.take(job, attempt)
        if session is None:
            return
        self._timed_out(session, job, attempt)
        session.peer.close()
        self._wake()
        if self._on_silent is not None:
            self._on_silent(session)

    def _timed_out(self, session: Session, job: int, attempt: int) -> None:
        reason = f"{session} was silent for {self._job_timeout:g} s (job_timeout)"
        entry = self._study.open_job(job)
        if entry is not None and entry.lost >= self._study.max_retries:
            logger.error("Job %d (trial %d) timed out: %s", job, entry.job.trial, reason)
            outcome = Outcome.failed(reason, status=Status.TIMEOUT, worker=session.worker)
            self._call(lambda: self._study.tell(job, outcome, attempt=attempt, durable=False))
        else:
            self._call(lambda: self._study.requeue(job, reason, attempt=attempt))
