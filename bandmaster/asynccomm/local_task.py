"""What a worker process of a local run does. It imports no study and no numpy."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bandmaster.asynccomm import protocol
from bandmaster.asynccomm.leaving import leave_when
from bandmaster.asynccomm.wire import Address, Client
from bandmaster.asynccomm.worker_loop import WorkerLoop
from bandmaster.core.evaluate import Objective
from bandmaster.core.evaluator import Evaluator, InProcess
from bandmaster.core.isolation import Isolation
from bandmaster.interrupts import Interrupts

__all__ = ["LOCAL_RUN", "LocalTask"]

logger = logging.getLogger(__name__)

LOCAL_RUN = "local"
"""The run_id of every local run; its socket tells one from the other."""


@dataclass(frozen=True, slots=True)
class LocalTask:
    """Evaluate `function` for the dispatcher at a Unix socket, until the parent is gone.

    Parameters
    ----------
    function : callable
    path : str
        Of the socket.
    key : bytes
    slot : int
        For the worker's name.
    catch : tuple of exception types
    working_directory : str
    isolation : Isolation, optional
        Evaluate in a child of the worker process, with these limits.
    """

    function: Callable[..., Any]
    path: str
    key: bytes
    slot: int
    catch: tuple[type[BaseException], ...]
    working_directory: str
    isolation: Isolation | None = None

    def __call__(self, orphaned: threading.Event) -> int:
        """Work; returns the exit code."""
        # Ctrl-C reaches the whole process group: the parent decides what becomes of us. SIGTERM
        # may come for us alone: what runs is finished, unless it is the parent's way to end us.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        loop = WorkerLoop(
            self._evaluator(),
            self._connect,
            run_id=LOCAL_RUN,
            worker=f"local.{self.slot}.{os.getpid()}",
            host=socket.gethostname(),
            pid=os.getpid(),
            working_directory=self.working_directory,
            patience=0.0,
        )
        leave_when(orphaned, loop)
        interrupts = Interrupts(
            f"Worker {self.slot}", drain=loop.drain, hurry=orphaned.is_set, sigterm_grace=None
        )
        try:
            with interrupts:
                loop.run()
        except SystemExit as error:
            return error.code if isinstance(error.code, int) else 1
        except BaseException as error:  # noqa: BLE001 - the parent has it from the goodbye, and raises it
            logger.debug("worker %d ends: %r", self.slot, error)
            return 1
        return 0

    def _evaluator(self) -> Evaluator:
        objective = Objective(self.function)
        if self.isolation is None:
            return InProcess(objective, catch=self.catch)
        from bandmaster.asynccomm.isolation import Isolated

        return Isolated(
            objective, isolation=self.isolation, catch=self.catch,
            what=f"the objective {self.function!r}",
        )  # fmt: skip

    def _connect(self) -> Client:
        client = Client(Address.unix(self.path), protocol.DISPATCHER, key=self.key)
        client.connect()
        return client
