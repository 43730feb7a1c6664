"""A worker's loop against a dispatcher, without a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bandmaster.asynccomm.addresses import Address
from bandmaster.asynccomm.dispatcher import Dispatcher
from bandmaster.asynccomm.wire import WakeFd
from bandmaster.asynccomm.worker_loop import WorkerLoop
from bandmaster.core.context import Context
from bandmaster.core.evaluate import Objective
from bandmaster.core.evaluator import InProcess
from bandmaster.errors import (
    MasterLostError,
    ProtocolError,
)
from bandmaster.testing.fake_workers import RUN, FakePeer, make_study

MASTER = Address("10.0.0.1", 7000)


class Line:
    """Stands for a wire Client: a connection to a dispatcher that can be cut."""

    def __init__(self, dispatcher: Dispatcher) -> None:
        self.dispatcher = dispatcher
        self.address = MASTER
        self.peer = FakePeer()
        self.ended = WakeFd()
        self.connected = True
        self.calls: list[str] = []
        self.most = 1 << 30

    def call(self, method: str, payload: bytes = b"", *, timeout: float | None = None) -> bytes:
        self.calls.append(method)
        if not self.connected:
            raise MasterLostError("not connected")
        if len(payload) > self.most:
            raise ProtocolError("the payload is too large")
        answer = self.dispatcher.handle(self.peer, method, payload)
        if not self.connected:
            raise MasterLostError("the connection broke")
        return answer

    def fileno(self) -> int:
        return self.ended.fileno() if self.connected else -1

    def close(self) -> None:
        if self.connected:
            self.connected = False
            self.peer.close()
            self.dispatcher.disconnected(self.peer)
            self.peer.free()
            self.ended.close()


class Run:
    """A dispatcher that tells its workers to leave when the plan is done, and loops for it."""

    def __init__(self, n_evaluations: int = 3) -> None:
        self.study = make_study(n_evaluations)
        self.dispatcher = Dispatcher(self.study, run_id=RUN, poll=0.0)
        self.dispatcher.open()
        self.lines: list[Line] = []

    def close(self) -> None:
        """Cut the lines; nothing is requeued."""
        self.dispatcher.detach()
        for line in self.lines:
            line.close()
        self.dispatcher.close()

    def link(self) -> Any:
        self.lines.append(Line(self.dispatcher))
        return self.lines[-1]

    def loop(self, function: Callable[..., Any], **options: Any) -> WorkerLoop:
        def stop_at_the_end(config: Any, context: Context, job: Any, budget: float) -> Any:
            returned = Objective(function)(job, context)
            if self.study.n_jobs == self.study.plan.n_evaluations:
                self.dispatcher.stop("the plan is done")
            return returned

        link = options.pop("link", self.link)
        evaluator = InProcess(
            Objective(stop_at_the_end), catch=options.pop("catch", (Exception, SystemExit))
        )
        return WorkerLoop(evaluator, link, run_id=RUN, worker="w", host="h", pid=1, **options)
