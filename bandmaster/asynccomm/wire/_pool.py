"""The threads of a server: one a connection, made on demand, all joined at the end."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from typing import Any

from bandmaster.asynccomm.wire._pyro import Pool, PoolWorker

__all__ = ["ConnectionPool"]

logger = logging.getLogger(__name__)

_IDLE = 4


class ConnectionPool(Pool):  # type: ignore[misc]  # Pyro5 has no types
    """Pyro's pool with a size of its own instead of the global setting.

    Parameters
    ----------
    name : str
        What its threads are called.

    Notes
    -----
    It has no upper bound: the server counts connections and refuses what is too much, because
    the stock pool would do so from inside the accepting thread.
    """

    def __init__(self, name: str) -> None:
        # Not super().__init__(), which reads the global settings and starts threads.
        self.idle: set[Any] = set()
        self.busy: set[Any] = set()
        self.closed = False
        self.count_lock = threading.Lock()
        self._name = name
        self._all: set[Any] = set()
        self._numbers = itertools.count(1)

    def process(self, job: Any) -> None:
        """Run `job` in an idle or a new thread; RuntimeError when no thread can be started."""
        with self.count_lock:
            if self.closed:
                raise RuntimeError("the server is closed")
            if self.idle:
                worker = self.idle.pop()
            else:
                worker = PoolWorker(self)
                worker.name = f"{self._name}-connection-{next(self._numbers)}"
                worker.start()
                self._all.add(worker)
            self.busy.add(worker)
        worker.process(job)

    def notify_done(self, worker: Any) -> None:
        """Take a thread back; called by the thread itself."""
        with self.count_lock:
            self.busy.discard(worker)
            if not self.closed and len(self.idle) < _IDLE:
                self.idle.add(worker)
                return
            if not self.closed:
                self._all.discard(worker)
        worker.process(None)

    def close(self, timeout: float = 10.0) -> None:
        """End all threads and wait for them; the connections must have been hung up before."""
        with self.count_lock:
            self.closed = True
            idle, self.idle = self.idle, set()
            threads, self._all = self._all, set()
        for worker in idle:
            worker.process(None)
        deadline = time.monotonic() + timeout
        for worker in threads:
            if worker is not threading.current_thread():
                worker.join(max(0.0, deadline - time.monotonic()))
        stuck = sorted(worker.name for worker in threads if worker.is_alive())
        if threading.current_thread().name in stuck:
            stuck.remove(threading.current_thread().name)
        if stuck:
            logger.warning("%d handlers did not return in %g s: %s", len(stuck), timeout, stuck)
