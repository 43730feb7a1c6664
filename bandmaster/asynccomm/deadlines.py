"""Deadlines and the one thread that waits for the next of them."""

from __future__ import annotations

import heapq
import logging
import threading
import time
from collections.abc import Callable, Hashable

__all__ = ["DeadlineQueue", "Deadlines"]

logger = logging.getLogger(__name__)

_FEW = 64


class DeadlineQueue:
    """When what is due; a pure value that looks at no clock.

    A key has at most one deadline. Moving it back costs nothing: the heap learns of it when the
    old deadline comes up, or when it is made anew since most of it is out of date.
    """

    def __init__(self) -> None:
        self._due: dict[Hashable, float] = {}
        self._heap: list[tuple[float, int, Hashable]] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._due)

    def set(self, key: Hashable, at: float) -> None:
        """Make `key` due at `at`, instead of whenever it was due."""
        known = self._due.get(key)
        self._due[key] = at
        if known is None or at < known:
            self._push(key, at)

    def discard(self, key: Hashable) -> None:
        """Forget `key`."""
        self._due.pop(key, None)

    def pop(self, now: float) -> list[Hashable]:
        """Remove and return what is due, the earliest first."""
        ready: list[Hashable] = []
        while self._heap and self._heap[0][0] <= now:
            _, _, key = heapq.heappop(self._heap)
            at = self._due.get(key)
            if at is None:
                continue
            if at <= now:
                del self._due[key]
                ready.append(key)
            else:
                self._push(key, at)
        return ready

    def next(self) -> float | None:
        """Return a time before which nothing is due, None when nothing is at all."""
        if not self._due:
            self._heap.clear()
        return self._heap[0][0] if self._heap else None

    def _push(self, key: Hashable, at: float) -> None:
        if len(self._heap) > 2 * len(self._due) + _FEW:
            self._heap = [(at, number, key) for number, (key, at) in enumerate(self._due.items())]
            heapq.heapify(self._heap)
            self._count = len(self._heap)
            return
        self._count += 1  # so that keys are never compared
        heapq.heappush(self._heap, (at, self._count, key))


class Deadlines:
    """Calls back when a deadline passes, from one thread that sleeps until then.

    Parameters
    ----------
    expired : callable
        Gets the key. What it raises is logged.
    name : str
        Of the thread, which is started with the first deadline.
    """

    def __init__(self, expired: Callable[[Hashable], None], *, name: str) -> None:
        self._expired = expired
        self._name = name
        self._queue = DeadlineQueue()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def set(self, key: Hashable, seconds: float) -> None:
        """Make `key` due `seconds` from now; nothing happens once closed."""
        with self._changed:
            if self._closed:
                return
            before = self._queue.next()
            self._queue.set(key, time.monotonic() + seconds)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            elif self._queue.next() != before:
                self._changed.notify()

    def discard(self, key: Hashable) -> None:
        """Forget `key`."""
        with self._changed:
            self._queue.discard(key)

    def close(self) -> None:
        """Forget everything and end the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                ready = self._queue.pop(time.monotonic())
                while not ready and not self._closed:
                    due = self._queue.next()
                    self._changed.wait(None if due is None else due - time.monotonic())
                    ready = self._queue.pop(time.monotonic())
                if self._closed:
                    return
            for key in ready:
                try:
                    self._expired(key)
                except Exception:
                    logger.exception("what follows from the deadline of %r failed", key)
