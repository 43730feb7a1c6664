"""A descriptor that one thread sets and another waits for in `poll`."""

from __future__ import annotations

import contextlib
import os
import threading

__all__ = ["WakeFd"]


class WakeFd:
    """A flag with a descriptor: an eventfd, or a pipe where the system has no eventfd.

    `set` is safe from any thread and at any time, also after `close`.
    """

    def __init__(self) -> None:
        if hasattr(os, "eventfd"):
            self._read = self._write = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        else:
            self._read, self._write = os.pipe()
            os.set_blocking(self._read, False)
            os.set_blocking(self._write, False)
        self._lock = threading.Lock()
        self._closed = False

    def fileno(self) -> int:
        """Return the descriptor that is readable while the flag is set, -1 once closed."""
        return -1 if self._closed else self._read

    def set(self) -> None:
        """Set the flag."""
        with self._lock:
            if not self._closed:
                with contextlib.suppress(BlockingIOError):  # a full pipe is set already
                    os.write(self._write, (1).to_bytes(8, "little"))

    def clear(self) -> None:
        """Clear the flag."""
        with self._lock:
            if not self._closed:
                with contextlib.suppress(BlockingIOError):
                    while len(os.read(self._read, 4096)) == 4096:
                        pass  # only a pipe can hold so much

    def close(self) -> None:
        """Free the descriptor; nobody may be waiting for it any more."""
        with self._lock:
            if not self._closed:
                self._closed = True
                os.close(self._read)
                if self._write != self._read:
                    os.close(self._write)
