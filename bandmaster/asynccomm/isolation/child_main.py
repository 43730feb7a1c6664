"""What the child does: load the objective, then evaluate what comes, one job after the other."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Mapping
from typing import Any

import cloudpickle

from bandmaster.asynccomm.child import load
from bandmaster.asynccomm.isolation.channel import (
    ANSWER,
    BROKEN,
    DONE,
    FATAL,
    LINE_LOST,
    LOG,
    READY,
    REPORT,
    TROUBLE,
    Channel,
)
from bandmaster.asynccomm.isolation.checkpoints import ParentStore
from bandmaster.asynccomm.isolation.logs import forward
from bandmaster.checkpoints import StoredCheckpoints
from bandmaster.core.codec import native
from bandmaster.core.context import Context
from bandmaster.core.decisions import Decision
from bandmaster.core.evaluate import Objective
from bandmaster.core.evaluator import InProcess
from bandmaster.core.job import Job
from bandmaster.core.outcome import Outcome
from bandmaster.errors import ProtocolError

__all__ = ["run"]


def run(task: bytes, sock: socket.socket, dump: int) -> int:
    """Serve a worker until it hangs up; returns the exit code.

    Parameters
    ----------
    task : bytes
        The pickle of (Objective, exception types to catch, level of what is logged).
    sock : socket
        To the worker.
    dump : int
        Descriptor of a file for the traceback of a crash.
    """
    channel = Channel(sock)
    # Both work at C level: also when the evaluation holds the GIL or has broken the interpreter.
    faulthandler.enable(dump, all_threads=True)
    faulthandler.register(signal.SIGQUIT, dump, all_threads=True)
    try:
        objective, catch, level = load(task)
    except BaseException:  # noqa: BLE001 - unpickling imports and runs the user's code
        channel.send(BROKEN, traceback.format_exc())
        return 1
    if level is not None:
        forward(level, lambda *fields: channel.send(LOG, *fields))
    worker = _Evaluations(channel, objective, catch)
    try:
        channel.send(READY)
        while worker.serve():
            pass
    except ConnectionError:
        return 0  # the worker is gone
    except OSError:
        return LINE_LOST
    return 0


class _Evaluations:
    def __init__(
        self, channel: Channel, objective: Objective, catch: tuple[type[BaseException], ...]
    ) -> None:
        self._channel = channel
        self._evaluator = InProcess(objective, catch=catch)
        self._pid = os.getpid()
        self._talking = threading.Lock()
        store = ParentStore(self._ask)
        self._checkpoints = StoredCheckpoints(store, scratch=store.scratch)

    def serve(self) -> bool:
        """Evaluate the next job; False when there will be none."""
        message = self._channel.receive()
        if message is None:
            return False
        fields, worker, directory = message
        job = Job.from_wire(fields)
        context = Context(
            job, worker=worker, working_directory=directory, reporter=self._report,
            checkpoints=self._checkpoints,
        )  # fmt: skip
        try:
            outcome = self._evaluator.run(job, context)
        except BaseException as error:  # noqa: BLE001 - the worker raises it
            _flush()
            self._channel.send(FATAL, *_describe(error))
            return True
        # A later evaluation may end this process, and with it what this one has printed.
        _flush()
        try:
            self._channel.send(DONE, outcome.to_wire(), not _goes_on())
        except (ValueError, ProtocolError) as error:  # a CodecError is a ValueError
            failed = Outcome.failed(f"the outcome could not be sent: {error}")
            failed = failed.timed(outcome.started, outcome.finished, worker)
            self._channel.send(DONE, failed.to_wire(), not _goes_on())
        return True

    def _report(
        self, job: Job, metrics: Mapping[str, Any], step: int, checkpoint: str | None
    ) -> Decision:
        plain = native(metrics, path="metrics")
        return Decision(self._ask(REPORT, plain, step, checkpoint))

    def _ask(self, *message: Any) -> Any:
        """Say something to the worker, and return its answer."""
        if os.getpid() != self._pid:
            raise RuntimeError("only the process of the evaluation can report, not a fork of it")
        with self._talking:
            self._channel.send(*message)
            answer = self._channel.receive()
        match answer:
            case (str() as kind, value) if kind == ANSWER:
                return value
            case (str() as kind, bytes(error)) if kind == TROUBLE:
                raise load(error)
        raise SystemExit("the worker is gone")


# Where libraries note the threads of pools that shall stay warm: they end by themselves at exit.
_POOLS = {
    "concurrent.futures.process": "_threads_wakeups",
    "concurrent.futures.thread": "_threads_queues",
    "joblib.externals.loky.process_executor": "_threads_wakeups",
    "loky.process_executor": "_threads_wakeups",
}


def _goes_on() -> bool:
    """Whether the evaluation has left threads that would keep a program from ending."""
    left = {
        thread
        for thread in threading.enumerate()
        if not thread.daemon and thread is not threading.main_thread()
    }
    for module, registry in _POOLS.items() if left else ():
        left -= set(getattr(sys.modules.get(module), registry, ()))
    return bool(left)


def _describe(error: BaseException) -> tuple[str, bytes | None]:
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    try:
        return text, bytes(cloudpickle.dumps(error))
    except Exception:  # noqa: BLE001 - pickling runs the user's code; the text must do
        return text, None


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
