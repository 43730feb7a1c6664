"""Which of many connections has something to read: told to one of several waiting threads."""

from __future__ import annotations

import collections
import select
import sys

from bandmaster.asynccomm.wire._wake import WakeFd

__all__ = ["NOTHING", "Ready"]

NOTHING = -1
"""In place of a descriptor: none is ready."""

_MOST = 16
"""Descriptors that one call of the system tells; a call for each would cost as much as its work."""

if sys.platform == "linux":

    class _Poller:
        """What is common to the systems' ways of watching many descriptors."""

        def __init__(self) -> None:
            self._epoll = select.epoll()

        def always(self, fd: int) -> None:
            self._epoll.register(fd, select.EPOLLIN)

        def add(self, fd: int) -> None:
            self._epoll.register(fd, select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLONESHOT)

        def arm(self, fd: int) -> None:
            self._epoll.modify(fd, select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLONESHOT)

        def wait(self, timeout: float | None) -> list[int]:
            return [fd for fd, _ in self._epoll.poll(timeout, _MOST)]

        def close(self) -> None:
            self._epoll.close()

else:  # BSD and macOS

    class _Poller:
        def __init__(self) -> None:
            self._kqueue = select.kqueue()

        def always(self, fd: int) -> None:
            self._change(fd, select.KQ_EV_ADD)

        def add(self, fd: int) -> None:
            self._change(fd, select.KQ_EV_ADD | select.KQ_EV_ONESHOT)

        arm = add

        def wait(self, timeout: float | None) -> list[int]:
            return [event.ident for event in self._kqueue.control(None, _MOST, timeout)]

        def close(self) -> None:
            self._kqueue.close()

        def _change(self, fd: int, flags: int) -> None:
            self._kqueue.control([select.kevent(fd, select.KQ_FILTER_READ, flags)], 0)


class Ready:
    """A set of descriptors that several threads wait on at once.

    A descriptor that becomes readable, or whose other end hangs up, is told to one thread, and to
    nobody again until it is armed anew. One that is closed is forgotten by the system.
    """

    def __init__(self) -> None:
        self._poller = _Poller()
        self._told: collections.deque[int] = collections.deque()
        self._stop = WakeFd()
        self._poller.always(self._stop.fileno())

    def add(self, fd: int) -> None:
        """Watch a descriptor."""
        self._poller.add(fd)

    def arm(self, fd: int) -> None:
        """Watch a descriptor again after it was told."""
        self._poller.arm(fd)

    def wait(self, *, blocking: bool = True) -> int | None:
        """Return a descriptor that is ready; None once stopped.

        Not `blocking`, it returns `NOTHING` when there is none.
        """
        while True:
            try:
                fd = self._told.popleft()
            except IndexError:
                found = self._poller.wait(None if blocking else 0)
                self._told.extend(found)
                if found or blocking:  # nothing found means that a signal came
                    continue
                return NOTHING
            if fd != self._stop.fileno():
                return fd
            self._told.append(fd)
            return None

    def stop(self) -> None:
        """Let everybody who waits return, now and from now on."""
        self._stop.set()

    def close(self) -> None:
        """Free what is held; nobody may be waiting any more."""
        self._poller.close()
        self._stop.close()
