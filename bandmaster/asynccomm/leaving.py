"""How a child process leaves when its parent is gone, or says so by closing the pipe."""

from __future__ import annotations

import os
import signal
import threading

from bandmaster.asynccomm.worker_loop import WorkerLoop
from bandmaster.interrupts import signal_main_thread

__all__ = ["leave_when"]

_PATIENCE = 3.0


def leave_when(orphaned: threading.Event, loop: WorkerLoop) -> None:
    """Stop `loop` when the event comes; interrupt an evaluation that is running in the main thread.

    An evaluation that does not let itself be interrupted ends with the process, 3 s later.
    """
    finished = threading.Event()

    def watch() -> None:
        orphaned.wait()
        loop.stop("the parent process ended it")
        if loop.busy:
            signal_main_thread(signal.SIGTERM)
        if not finished.wait(_PATIENCE):
            os._exit(143)

    threading.Thread(target=watch, name="leave", daemon=True).start()
