"""Who is connected, and who has which job."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from msgspec import Struct, field

from bandmaster.asynccomm.protocol import Hello
from bandmaster.asynccomm.waiters import Waiter
from bandmaster.asynccomm.wire import Peer
from bandmaster.core.job import Job

__all__ = ["Held", "Session", "Sessions"]


class Held(Struct, frozen=True, gc=False):
    """One attempt of a job, as its worker has it.

    Parameters
    ----------
    job, attempt : int
        Their numbers.
    trial : int
        The trial's number; -1 when a worker told us of the job.
    budget : float
    since : float
        When it was handed out, by `time.monotonic`.
    """

    job: int
    attempt: int
    trial: int
    budget: float
    since: float = field(default_factory=time.monotonic)

    @classmethod
    def of(cls, job: Job) -> Held:
        """Return what there is to remember of a job."""
        return cls(job.number, job.attempt, job.trial, job.budget)


class Session:
    """One worker on one connection."""

    __slots__ = ("gone", "held", "hello", "peer", "waiter")

    def __init__(self, peer: Peer, hello: Hello) -> None:
        self.peer = peer
        self.hello = hello
        self.waiter = Waiter()
        self.held: Held | None = None
        self.gone = False

    @property
    def worker(self) -> str:
        """The worker's name."""
        return self.hello.worker

    @property
    def identity(self) -> tuple[str, int, str]:
        """What tells this worker apart, also from one that has the same name by accident."""
        return self.hello.worker, self.hello.pid, self.hello.control

    def __str__(self) -> str:
        return f"{self.worker} (pid {self.hello.pid} on {self.hello.host}, {self.peer.address})"


class Sessions:
    """The connections and the assignments, which are keyed by connection.

    A connection that ends late releases only what it still holds itself, so that it never takes
    away a job that was given to somebody else in the meantime. A worker has one connection: a new
    one takes the place of one whose end has not been noticed yet. Thread-safe.

    Attributes
    ----------
    pids : set of int
        Of all processes that ever asked for a job.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._joined = threading.Condition(self._lock)
        self._sessions: dict[int, Session] = {}
        self._holders: dict[int, Session] = {}
        self._last: dict[tuple[str, int, str], Session] = {}  # of each worker
        self.pids: set[int] = set()
        self._interrupted = False

    def __len__(self) -> int:
        return len(self._sessions)

    def add(self, session: Session) -> Session | None:
        """A worker said hello; returns the session of its last connection if that still stands.

        A job stays with its connection, so that it is not lost when that says hello again.
        """
        with self._joined:
            before = self._sessions.get(session.peer.id)
            if before is not None:
                before.waiter.close()
                if before.held is not None:
                    session.held, before.held = before.held, None
                    self._holders[session.held.job] = session
                if self._last.get(before.identity) is before:  # maybe under another name
                    del self._last[before.identity]
            last = self._last.get(session.identity)
            self._last[session.identity] = session
            self._sessions[session.peer.id] = session
            self._joined.notify_all()
            return last

    def get(self, peer: Peer) -> Session | None:
        """Return who is on a connection."""
        return self._sessions.get(peer.id)

    def remove(self, peer: Peer) -> tuple[Session, Held | None] | None:
        """A connection ended; returns who was there and what he still had."""
        with self._joined:
            session = self._sessions.pop(peer.id, None)
            if session is None:
                return None
            session.gone = True
            if self._last.get(session.identity) is session:
                del self._last[session.identity]
            held = self._release(session)
            self._joined.notify_all()
            return session, held

    def retire(self, session: Session) -> Held | None:
        """Give a connection no job any more; returns what it still had."""
        with self._lock:
            session.gone = True
            return self._release(session)

    def assign(self, session: Session, held: Held) -> bool:
        """Give a job to a connection; False when that has ended."""
        with self._lock:
            if session.gone:
                return False
            session.held = held
            self._holders[held.job] = session
            return True

    def release(self, session: Session) -> Held | None:
        """Take away what a connection holds."""
        with self._lock:
            return self._release(session)

    def take(self, job: int, attempt: int) -> Session | None:
        """Take an attempt away from whoever holds it, and return him."""
        with self._lock:
            session = self._holders.get(job)
            if session is None or session.held is None or session.held.attempt != attempt:
                return None
            self._release(session)
            return session

    def holder(self, job: int) -> Session | None:
        """Return who has a job."""
        return self._holders.get(job)

    def holding(self, job: int) -> tuple[Session, Held] | None:
        """Return who has a job, and what he has of it."""
        session = self._holders.get(job)
        held = None if session is None else session.held
        return None if session is None or held is None or held.job != job else (session, held)

    def all(self) -> list[Session]:
        """Return who is connected."""
        with self._lock:
            return list(self._sessions.values())

    def running(self) -> list[tuple[Session, Held]]:
        """Return who has what, the oldest first."""
        with self._lock:
            pairs = [(s, s.held) for s in self._holders.values() if s.held is not None]
        return sorted(pairs, key=lambda pair: pair[1].since)

    def wait_for_count(
        self,
        low: int,
        high: int | None = None,
        timeout: float | None = None,
        *,
        unless: Callable[[], bool] = lambda: False,
    ) -> bool:
        """Block until at least `low` and at most `high` workers are connected, or `interrupt`.

        Or until `unless()` holds, which is looked at after each change and `wake`.
        """
        most = 1 << 60 if high is None else high
        with self._joined:
            return self._joined.wait_for(
                lambda: self._interrupted or unless() or low <= len(self._sessions) <= most, timeout
            )

    def wake(self) -> None:
        """Have everybody who waits look again."""
        with self._joined:
            self._joined.notify_all()

    def interrupt(self) -> None:
        """Let nobody wait any more."""
        with self._joined:
            self._interrupted = True
            self._joined.notify_all()

    def _release(self, session: Session) -> Held | None:
        held, session.held = session.held, None
        if held is not None and self._holders.get(held.job) is session:
            del self._holders[held.job]
        return held
