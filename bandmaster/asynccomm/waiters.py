"""Workers that wait for a job, first come, first served."""

from __future__ import annotations

import logging
import threading
from collections import deque

from bandmaster.asynccomm.wire import Peer, Throttle, WakeFd

__all__ = ["Waiter", "Waiters"]

_log = Throttle(logging.getLogger(__name__))


class Waiter:
    """One worker's place to wait; the descriptor is made when it waits for the first time."""

    def __init__(self) -> None:
        self._wake: WakeFd | None = None

    @property
    def wake(self) -> WakeFd:
        """What ends the waiting."""
        if self._wake is None:
            self._wake = WakeFd()
        return self._wake

    def prepare(self, peer: Peer, pause: float) -> bool:
        """Get ready; False, after a pause, when the system has no descriptor left for it."""
        try:
            return self.wake is not None
        except OSError as error:
            _log.warning("%r cannot wait for a job, and asks again: %s", peer, error)
        with peer.blocked():
            threading.Event().wait(pause)
        return False

    def close(self) -> None:
        """Free the descriptor; nobody may be waiting on it."""
        if self._wake is not None:
            self._wake.close()


class Waiters:
    """The queue of those who wait.

    Who is woken has been taken out of the queue and holds the baton: he asks for a job, and
    whoever gets one wakes the next if there is more. A woken waiter that cannot ask any more
    passes the baton on.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queue: deque[Waiter] = deque()
        self.n_woken = 0

    def __len__(self) -> int:
        return len(self._queue)

    def add(self, waiter: Waiter, *, front: bool = False) -> None:
        """Queue up, at the front if it was woken for nothing."""
        waiter.wake.clear()
        with self._lock:
            if front:
                self._queue.appendleft(waiter)
            else:
                self._queue.append(waiter)

    def remove(self, waiter: Waiter) -> bool:
        """Leave the queue; False when somebody took it out, that is woke it."""
        with self._lock:
            try:
                self._queue.remove(waiter)
            except ValueError:
                return False
            return True

    def wake_one(self) -> bool:
        """Wake the first; False when nobody waits."""
        with self._lock:
            if not self._queue:
                return False
            self._queue.popleft().wake.set()
            self.n_woken += 1
            return True

    def wake_all(self) -> None:
        """Wake everybody."""
        with self._lock:
            while self._queue:
                self._queue.popleft().wake.set()
