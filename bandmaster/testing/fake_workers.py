"""Fakes that talk to a dispatcher as workers do, without sockets."""

from __future__ import annotations

import contextlib
import itertools
import select
import threading
from collections.abc import Callable
from typing import Any, Literal

from bandmaster.asynccomm import protocol
from bandmaster.asynccomm.dispatcher import Dispatcher
from bandmaster.asynccomm.protocol import Goodbye, Hello, Welcome
from bandmaster.asynccomm.wire import Peer, WakeFd
from bandmaster.core.codec import unpack
from bandmaster.core.decisions import Decision
from bandmaster.core.job import Job
from bandmaster.core.outcome import Outcome, Status
from bandmaster.core.plan import Plan
from bandmaster.multifidelity import FlatIterGenerator
from bandmaster.optimizers import RandomOptimizer
from bandmaster.study.study import Study

__all__ = ["RUN", "FakePeer", "FakeWorker", "make_study"]

RUN = "suite"
"""The run_id of the workers that are faked here."""

_numbers = itertools.count(1)


def make_study(n_evaluations: int | None = None, **options: Any) -> Study:
    """Return a study of one float that every worker can evaluate."""
    study = Study(
        {"x": {"_type": "uniform", "_value": [0, 1]}},
        optimizer=options.pop("optimizer", None) or RandomOptimizer(),
        generator=FlatIterGenerator(),
        **options,
    )
    study.set_plan(Plan(n_evaluations=n_evaluations))
    return study


class FakePeer(Peer):
    """A connection that exists in this process only.

    Attributes
    ----------
    parked : threading.Event
        Set while somebody is parked on it.
    closed : bool
        Whether the dispatcher closed it.
    """

    def __init__(self) -> None:
        self.id = next(_numbers)
        self.address = "nowhere"
        self.parked = threading.Event()
        self.closed = False
        self._reads = True
        self._gone = WakeFd()

    @property
    def read_everything(self) -> bool:
        """As the test wants it."""
        return self._reads

    def blocked(self) -> contextlib.AbstractContextManager[None]:
        """Nobody else has to be served."""
        return contextlib.nullcontext()

    def hold(self, until: Callable[[], None]) -> None:
        """Nobody else is ready, so there is nothing to wait for."""
        until()

    def park(self, wake_fd: int, timeout: float | None) -> Literal["woken", "gone", "timeout"]:
        """Wait as the real one does."""
        poller = select.poll()
        poller.register(wake_fd, select.POLLIN)
        poller.register(self._gone.fileno(), select.POLLIN)
        self.parked.set()
        ready = dict(poller.poll(None if timeout is None else max(0, int(timeout * 1000))))
        self.parked.clear()
        if self._gone.fileno() in ready:
            return "gone"
        return "woken" if ready else "timeout"

    def close(self) -> None:
        """Hang up."""
        self.closed = True
        self._gone.set()

    def free(self) -> None:
        """Free the descriptor."""
        self._gone.close()


class FakeWorker:
    """Says to a dispatcher what a worker would, in the calling thread.

    Parameters
    ----------
    dispatcher : Dispatcher
    name : str, default "w"
    """

    def __init__(self, dispatcher: Dispatcher, name: str = "w") -> None:
        self.dispatcher = dispatcher
        self.name = name
        self.peer = FakePeer()

    def hello(self, **fields: Any) -> Welcome:
        """Introduce yourself."""
        hello = Hello(RUN, self.name, "host", 1, **fields)
        return Welcome.decode(self.dispatcher.handle(self.peer, "hello", hello.encode()))

    def exchange(self, job: Job | None = None, outcome: Outcome | float | None = None) -> Any:
        """Hand an outcome over; returns the next Job, None for "wait", or why to stop."""
        payload = b""
        if job is not None:
            if not isinstance(outcome, Outcome):
                outcome = Outcome(Status.OK, float(outcome or 0.0), worker=self.name)
            payload = protocol.write_exchange(job.number, job.attempt, outcome)
        kind, content = unpack(self.dispatcher.handle(self.peer, "exchange", payload))
        return Job.from_wire(content) if kind == protocol.JOB else content

    def report(self, job: Job, **metrics: float) -> Decision:
        """Report; returns what to do."""
        payload = protocol.write_reports(job.number, job.attempt, [(metrics, 1, None)])
        return Decision(unpack(self.dispatcher.handle(self.peer, "report", payload)))

    def goodbye(self, reason: str = "test", **fields: Any) -> None:
        """Leave."""
        self.dispatcher.handle(self.peer, "goodbye", Goodbye(reason, **fields).encode())

    def drop(self, *, read_everything: bool = True) -> None:
        """Let the connection end."""
        self.peer._reads = read_everything
        self.peer.close()
        self.dispatcher.disconnected(self.peer)
        self.peer.free()
