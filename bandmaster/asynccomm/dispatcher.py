"""The network face of a study: hands jobs to whoever asks, takes outcomes back."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Literal, TypeVar

from bandmaster.asynccomm import protocol
from bandmaster.asynccomm.admission import Admission
from bandmaster.asynccomm.losses import Losses
from bandmaster.asynccomm.protocol import Get, Goodbye, Put, Ticket, Welcome
from bandmaster.asynccomm.relaying import Relay
from bandmaster.asynccomm.reporting import tell_outcome, tell_reports
from bandmaster.asynccomm.sessions import Held, Session, Sessions
from bandmaster.asynccomm.storing import Storing
from bandmaster.asynccomm.waiters import Waiters
from bandmaster.asynccomm.wire import Peer
from bandmaster.core.codec import pack, unpack
from bandmaster.core.decisions import Decision
from bandmaster.core.job import Job
from bandmaster.core.outcome import Outcome
from bandmaster.core.seconds import check_seconds
from bandmaster.errors import (
    CodecError,
    ProtocolError,
    StudyError,
    StudyPoisonedError,
)
from bandmaster.study.study import Study

__all__ = ["Dispatcher"]

logger = logging.getLogger(__name__)

T = TypeVar("T")


class Dispatcher:
    """Hands out the jobs of a study; the handler behind a master's server.

    `exchange` tells the study how a job ended and asks it for the next in place, in the thread of
    the caller's connection. When there is nothing to do the caller is parked, first come first
    served, and as many are woken as there are new jobs. A connection that ends, or a job that is
    silent for too long, gives the job to somebody else.

    Parameters
    ----------
    study : Study
    run_id : str, default ""
        Workers of another run are refused.
    job_timeout : float, optional
        Seconds after which a job that neither ended nor reported is taken away, whatever its
        connection says; after the study's `max_retries` it ends with status TIMEOUT.
    poll : float, default 20
        Seconds that a caller is parked before it has to ask again.
    grace : float, optional
        Seconds in which workers may claim the jobs that a loaded study says are out, before they
        are issued again. None: they never are. Default: 30.
    on_silent : callable, optional
        Gets the Session whose job was taken away by `job_timeout`, after its connection is closed.
    on_fatal : callable, optional
        Gets the Goodbye of a worker that was ended by an exception.
    on_stop : callable, optional
        Gets the Session, and what it holds, of each evaluation that is to stop, and whether it may
        be ended, to tell its worker at once; otherwise that hears it with its next report.

    Attributes
    ----------
    relay : Relay
        Passes checkpoints on; it has no store until it is replaced.

    Notes
    -----
    Nothing is handed out before `open`. An exception of the user's optimizer or iteration
    generator is kept in `failure`; from then on nobody gets a job, and who drives the study has
    to raise it.
    """

    def __init__(
        self,
        study: Study,
        *,
        run_id: str = "",
        job_timeout: float | None = None,
        poll: float = 20.0,
        grace: float | None = 30.0,
        on_silent: Callable[[Session], None] | None = None,
        on_fatal: Callable[[Goodbye], None] | None = None,
        on_stop: Callable[[Session, Held, bool], None] | None = None,
    ) -> None:
        check_seconds("job_timeout", job_timeout, zero=False)
        self.study = study
        self.run_id = run_id
        self.poll = poll
        self.failure: BaseException | None = None
        self._admission = Admission(run_id)
        self.relay = Relay()
        self.sessions = Sessions()
        self.waiters = Waiters()
        self._token = f"{study.created!r}/{study.seed}"
        self._on_fatal = on_fatal
        self._on_stop = on_stop
        self._losses = Losses(
            study,
            self.sessions,
            lambda change: self._guarded(change, False),
            self.wake,
            job_timeout=job_timeout,
            grace=grace,
            on_silent=on_silent,
            name=f"deadlines-{run_id or 'local'}",
        )
        self._open = False
        self.draining: str | None = None  # why `drain` was called
        self.closed = False
        self._stopping: str | None = None
        self._storing = Storing(study, lambda wait: self._guarded(wait, False))
        self._asked: set[tuple[int, int]] = set()  # to stop
        self._lock = threading.Lock()
        self._calls: dict[str, Callable[[Peer, bytes], bytes]] = {
            "hello": self._hello,
            "exchange": self._exchange,
            "report": self._report,
            "put": lambda peer, payload: self._relayed(peer, Put.decode(payload)),
            "get": lambda peer, payload: self._relayed(peer, Get.decode(payload)),
            "goodbye": self._goodbye,
        }

    # -- driving --------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin the grace period of the jobs that are out already."""
        self._losses.start()

    def begin(self) -> None:
        """Forget what ended an earlier run."""
        self.draining = self.failure = None

    def open(self) -> None:
        """Hand out jobs from now on, unless it was drained meanwhile."""
        self._open = not self.draining
        self.wake()

    def pause(self) -> None:
        """Hand out no jobs until `open` is called again."""
        self._open = False

    def drain(self, reason: str) -> None:
        """Hand out nothing more, until `begin` and `open`, and let the driving thread know."""
        self.draining = reason or "drained"
        self._open = False
        self.sessions.wake()
        self.note_drain()

    def note_drain(self) -> None:
        """Have it in the journal, if it was called; a plan that is set later forgets that."""
        if (reason := self.draining) is not None:
            self._write(lambda: self.study.interrupt(reason))

    @property
    def drained(self) -> bool:
        """Whether `drain` was called, and what was out has ended or waits for another run."""
        return self.draining is not None and all(
            entry.waiting or (entry.job.number, entry.job.attempt) in self._losses.orphans
            for entry in self.study.open_jobs
        )

    @property
    def refused(self) -> tuple[float, str] | None:
        """When (seconds since the epoch) and why a worker was last refused."""
        return self._admission.refused

    @property
    def storing(self) -> list[float]:
        """Since when the storage lets answers wait, by `time.monotonic`."""
        return self._storing.since

    def wake(self) -> None:
        """Look whether there is something to do for those who wait.

        Call it after changing the study from outside (plan, requeue, stop).
        """
        if len(self.waiters) and self._ready():
            self.waiters.wake_one()

    def fail(self, error: BaseException) -> None:
        """End the run with this error: hand out nothing, and let the driving thread raise it."""
        if isinstance(error, StudyPoisonedError) and error.__cause__ is not None:
            error = error.__cause__
        with self._lock:
            if self.failure is not None:
                return
            self.failure = error
        logger.debug("Run %r fails", self.run_id, exc_info=error)
        self._write(lambda: self.study.note(f"failed: {error!r}"))

    def ask_to_stop(self, job: int, attempt: int) -> None:
        """Tell the evaluation of a job to stop; its outcome still counts."""
        with self._lock:
            self._asked.add((job, attempt))
        found = self.sessions.holding(job)
        if found is not None and found[1].attempt == attempt:
            self._tell_to_stop(*found, False)

    def cancel(self, job: Job | int, reason: str = "cancelled") -> bool:
        """End a job with status STOPPED, and tell its evaluation to stop.

        Returns
        -------
        bool
            False when it had ended before.

        Raises
        ------
        UnknownJobError
            When no such job was issued.
        """
        if not self.study.cancel(job, reason):
            return False
        number = job.number if isinstance(job, Job) else int(job)
        found = self.sessions.holding(number)
        if found is not None:
            session, held = found
            self.sessions.take(number, held.attempt)
            self._losses.settle(number, held.attempt)
            self._tell_to_stop(session, held, True)
        self.wake()  # something may start in its place
        return True

    def stop(self, reason: str, *, requeue: bool = False) -> None:
        """Tell every worker to leave, with its next call or at once when it waits.

        Parameters
        ----------
        reason : str
            For the workers' logs.
        requeue : bool, default False
            Whether jobs that are lost from now on are requeued. Not for a master that will come
            back: its workers will tell how their jobs ended.
        """
        self._open = False
        self._losses.leaving = not requeue
        self._stopping = reason
        self.waiters.wake_all()

    def detach(self) -> None:
        """Requeue nothing from now on: the workers stay, and will come to the next master."""
        self._open = False
        self._losses.leaving = True

    def close(self) -> None:
        """End the timer, and the run. Call it after the server, so that nobody is parked."""
        self._stopping = self._stopping or "the master closed"
        self.closed = True
        self.sessions.interrupt()
        self.study.wake()
        self.waiters.wake_all()
        self._losses.close()

    # -- the handler ----------------------------------------------------------------------------

    def handle(self, peer: Peer, method: str, payload: bytes) -> bytes:
        """Answer a call (`bandmaster.asynccomm.protocol`)."""
        call = self._calls.get(method)
        if call is None:
            raise ProtocolError(f"a dispatcher has no method {method!r}")
        return call(peer, payload)

    def disconnected(self, peer: Peer) -> None:
        """Requeue at once what a connection that ended still had."""
        self.relay.forget(peer)
        removed = self.sessions.remove(peer)
        if removed is None:
            return
        session, held = removed
        self.waiters.remove(session.waiter)
        session.waiter.close()
        if held is not None:
            arrived = peer.read_everything
            reason = "its connection broke" if arrived else "it never arrived there"
            self._losses.lost(session, held, reason, counted=arrived)

    def _replaced(self, last: Session) -> None:
        """A worker is back before we noticed that its last connection had ended."""
        logger.info("Worker %s is back: its last connection is closed", last)
        held = self.sessions.retire(last)
        if held is not None:
            self._losses.lost(last, held, "it has come back without it", counted=False)
        last.peer.close()

    def _hello(self, peer: Peer, payload: bytes) -> bytes:
        hello = self._admission.read(peer, payload)
        session = Session(peer, hello)
        for ticket, outcome in hello.finished:
            self._take(session, ticket, outcome)
        last = self.sessions.add(session)
        keep = hello.running is not None and self._claim(session, hello.running)
        self._losses.back(session)
        if last is not None:
            self._replaced(last)
        if hello.finished:
            self._storing.hold(peer)
        logger.info("Worker %s joined run %s", session, self.run_id)
        each = self.study.generator.needs_reports
        return Welcome(self._token, keep, self.relay.place, each).encode()

    def _exchange(self, peer: Peer, payload: bytes) -> bytes:
        session = self._session(peer)
        self.sessions.pids.add(session.hello.pid)
        if (finished := protocol.read_exchange(payload)) is not None:
            self._finished(session, *finished)
        if session.held is not None:
            self._forgotten(session, session.held)
        job = self._ask(session)
        # At the end of a run nobody waits with an outcome that is not acknowledged.
        if job is None and (finished is None or not self._over()):
            job = self._park(session)
        if finished is not None or job is not None:
            self._storing.hold(peer)
        if job is not None:
            return job
        return protocol.write_stop(self._stopping) if self._stopping else protocol.write_wait()

    def _report(self, peer: Peer, payload: bytes) -> bytes:
        session = self._session(peer)
        job, attempt, rows = protocol.read_reports(payload)
        held = session.held
        if held is None or (held.job, held.attempt) != (job, attempt):
            return pack(Decision.STOP.value)
        self._losses.heard(job, attempt)
        tell = partial(tell_reports, self.study, job, attempt, rows)
        decision = self._guarded(tell, Decision.STOP, CodecError)
        self._storing.hold(peer)
        if (job, attempt) in self._asked:
            decision = Decision.STOP
        return pack(decision.value)

    def _relayed(self, peer: Peer, part: Put | Get) -> bytes:
        held, start = self._session(peer).held, None
        if held is not None:
            self._losses.heard(held.job, held.attempt)
            entry = self.study.open_job(held.job)
            start = None if entry is None else entry.job.checkpoint
        with peer.blocked():
            return self.relay.answer(peer, held, start, part)

    def _goodbye(self, peer: Peer, payload: bytes) -> bytes:
        session = self._session(peer)
        goodbye = Goodbye.decode(unpack(payload))
        if goodbye.finished is not None:
            self._take(session, *goodbye.finished)
            self._storing.hold(peer)
        held = self.sessions.release(session)
        if held is not None:
            self._losses.lost(session, held, f"its worker left: {goodbye.reason}", counted=False)
        logger.info("Worker %s left run %s: %s", session, self.run_id, goodbye.reason)
        if goodbye.fatal is not None and self._on_fatal is not None:
            self._on_fatal(goodbye)
        return pack(None)

    # -- jobs -----------------------------------------------------------------------------------

    def _ask(self, session: Session) -> bytes | None:
        """Give a worker a job; returns the answer that tells it."""
        if not self._open or self.failure is not None:
            return None
        try:
            if (job := self.study.ask(worker=session.hello.worker, durable=False)) is None:
                return None
            told = protocol.write_job(job)
        except BaseException as error:  # noqa: BLE001 - kept, as in `_guarded`
            self._caught(error)
            return None
        held = Held.of(job)
        if not self.sessions.assign(session, held):
            self._losses.lost(session, held, "its worker was gone", counted=False)
            return None
        self._losses.heard(job.number, job.attempt)
        self.wake()  # there may be more
        return told

    def _forgotten(self, session: Session, held: Held) -> None:
        """Who asks for a job has none: what he was given, and says nothing of, is for others."""
        self.sessions.release(session)
        self._losses.lost(session, held, "it asked for another job instead", counted=True)

    def _park(self, session: Session) -> bytes | None:
        waiter, deadline, front = session.waiter, time.monotonic() + self.poll, False
        if not waiter.prepare(session.peer, min(1.0, self.poll)):
            return None
        while self._stopping is None:
            self.waiters.add(waiter, front=front)
            # Look again: it may have become ready after we asked and before we queued up.
            how: Literal["woken", "gone", "timeout"] = "timeout"
            if self._stopping is None and not self._ready():
                how = session.peer.park(waiter.wake.fileno(), deadline - time.monotonic())
            woken = not self.waiters.remove(waiter)
            if how == "gone":
                if woken:
                    self.wake()  # somebody else has to see to it
                return None
            job = self._ask(session)
            if job is not None:
                return job
            if how == "timeout" and time.monotonic() >= deadline:
                return None
            front = True
        return None

    def _finished(self, session: Session, job: int, attempt: int, outcome: Outcome) -> None:
        held = session.held
        if held is not None and (held.job, held.attempt) == (job, attempt):
            self.sessions.release(session)
        self._losses.settle(job, attempt)
        if self._asked:
            with self._lock:
                self._asked.discard((job, attempt))
        told, failing = False, self.failure is not None
        try:
            told = tell_outcome(self.study, job, attempt, outcome, failing=failing)
        except BaseException as error:  # noqa: BLE001 - kept, as in `_guarded`
            self._caught(error, StudyError)
        if not told and self.failure is None:
            logger.info("A late outcome of job %d from %s is ignored", job, session.worker)

    def _take(self, session: Session, ticket: Ticket, outcome: Outcome) -> None:
        if ticket.study != self._token:
            logger.warning(
                "Worker %s brings an outcome of another study (job %d), which is dropped",
                session, ticket.job,
            )  # fmt: skip
            return
        try:
            self._finished(session, ticket.job, ticket.attempt, outcome)
        except StudyError as error:
            logger.warning("The outcome that worker %s brings is refused: %s", session, error)
        self.wake()

    def _claim(self, session: Session, ticket: Ticket) -> bool:
        """A worker says what it is running: let it, unless the job is somebody else's by now."""
        if ticket.study != self._token:
            return False
        entry = self.study.open_job(ticket.job)
        if entry is None or entry.waiting or entry.job.attempt != ticket.attempt:
            return False
        other = self.sessions.take(ticket.job, ticket.attempt)
        if other is not None and other.worker != session.worker:
            self.sessions.assign(other, Held.of(entry.job))
            return False
        self._losses.accounted_for(ticket.job, ticket.attempt)
        if not self.sessions.assign(session, Held.of(entry.job)):
            return False
        self._losses.heard(ticket.job, ticket.attempt)
        logger.info("Worker %s goes on with job %d", session, ticket.job)
        return True

    # -- inside ---------------------------------------------------------------------------------

    def _tell_to_stop(self, session: Session, held: Held, at_once: bool) -> None:
        if self._on_stop is not None:
            self._on_stop(session, held, at_once)

    def _write(self, event: Callable[[], None]) -> None:
        """Have it in the journal, which also wakes the thread that drives the run."""
        try:
            event()
        except (StudyError, OSError) as error:
            logger.debug("no note of it: %s", error)

    def _session(self, peer: Peer) -> Session:
        session = self.sessions.get(peer)
        if session is None:
            raise ProtocolError("a worker has to say hello first")
        return session

    def _over(self) -> bool:
        return not self._open or self._guarded(lambda: self.study.finished, False)

    def _ready(self) -> bool:
        if not self._open or self.failure is not None:
            return False
        return self._guarded(lambda: self.study.ready, False)

    def _guarded(self, call: Callable[[], T], otherwise: T, *raises: type[Exception]) -> T:
        """Call the study; what a user's optimizer or a journal raises there ends the run."""
        try:
            return call()
        except BaseException as error:  # noqa: BLE001 - kept, and raised by whoever drives the run
            self._caught(error, *raises)
            return otherwise

    def _caught(self, error: BaseException, *raises: type[Exception]) -> None:
        """End the run with what the study raised, but for what its caller is to see."""
        if isinstance(error, raises) and not isinstance(error, StudyPoisonedError):
            raise error
        self.fail(error)
