"""One connection as the server's handlers see it."""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections.abc import Callable
from typing import Literal, Protocol

from bandmaster.asynccomm.wire._connection import Connection
from bandmaster.core.seconds import seconds_left

__all__ = ["Handler", "Peer"]

_HUNG_UP = select.POLLHUP | select.POLLERR | select.POLLNVAL | getattr(select, "POLLRDHUP", 0)


class Peer:
    """A connected client.

    Attributes
    ----------
    id : int
        Unique within its server and never used twice.
    address : str
        Where it connected from, for messages.
    """

    def __init__(self, connection: Connection, number: int, address: str) -> None:
        self.id = number
        self.address = address
        self._connection = connection

    @property
    def read_everything(self) -> bool:
        """Whether the client, now disconnected, had read all that was sent to it.

        A kernel that closes a socket with unread data in it resets the connection; a clean end
        means that nothing was unread.
        """
        return self._connection.ended

    def park(self, wake_fd: int, timeout: float | None) -> Literal["woken", "gone", "timeout"]:
        """Wait, within `Handler.handle`, for a wake-up or for the death of this client.

        Parameters
        ----------
        wake_fd : int
            A descriptor (of a `WakeFd`) that becomes readable to end the waiting; it is not read.
        timeout : float or None
            Seconds; None waits for ever.

        Returns
        -------
        str
            ``"woken"``, ``"gone"`` (it wins when both happened) or ``"timeout"``. A client that
            merely sends something is not gone.
        """
        with self.blocked():
            return self._park(wake_fd, timeout)

    def blocked(self) -> contextlib.AbstractContextManager[None]:
        """Return a context in which `Handler.handle` may block: others are served meanwhile."""
        return self._connection.blocked()

    def hold(self, until: Callable[[], None]) -> None:
        """Let the answer that `Handler.handle` is about to return leave only after `until()`.

        It is called when no other connection is ready, one after the other for all answers that
        are held, so that the first can do what they all wait for. It may block. When it raises,
        the connection ends without an answer.
        """
        self._connection.until = until

    def _park(self, wake_fd: int, timeout: float | None) -> Literal["woken", "gone", "timeout"]:
        deadline = None if timeout is None else time.monotonic() + timeout
        own_fd = self._connection.fileno()
        if own_fd < 0:
            return "gone"
        poller = select.poll()
        poller.register(own_fd, select.POLLIN | _HUNG_UP)
        poller.register(wake_fd, select.POLLIN)
        while True:
            left = seconds_left(deadline)
            # Rounded up: poll takes whole milliseconds, and 0.4 of one must not spin.
            ready = dict(poller.poll(None if left is None else int(left * 1000 + 0.999)))
            state = ready.pop(own_fd, 0)
            if state & _HUNG_UP:
                return "gone"
            if state & select.POLLIN:
                if self._at_end():
                    return "gone"
                # It talks out of turn; from here on only its hanging up is of interest.
                poller.modify(own_fd, _HUNG_UP)
            if ready:
                return "woken"
            if deadline is not None and time.monotonic() >= deadline:
                return "timeout"

    def close(self) -> None:
        """End the connection; safe from any thread, and more than once."""
        self._connection.hang_up()

    def _at_end(self) -> bool:
        try:
            # Of the socket itself: whether what is there is encrypted makes no difference.
            flags = socket.MSG_PEEK | socket.MSG_DONTWAIT
            return not socket.socket.recv(self._connection.sock, 1, flags)
        except BlockingIOError:
            return False
        except OSError:
            return True

    def __repr__(self) -> str:
        return f"<Peer {self.id} at {self.address}>"


class Handler(Protocol):
    """What a server does with calls.

    `handle` runs in several threads at once, but for one peer its calls come one after the other
    and `disconnected` last. One call is worked on at a time; one that blocks has to do so in
    `Peer.park` or within `Peer.blocked`, or it keeps the others waiting.
    """

    def handle(self, peer: Peer, method: str, payload: bytes) -> bytes:
        """Answer a call; it may block in `Peer.park` and within `Peer.blocked`.

        A `BandmasterError` reaches the client as itself (its class and its message). Any other
        exception is logged here with its traceback, and the client gets a `CommError`.
        """
        ...

    def disconnected(self, peer: Peer) -> None:
        """Take note that a connection has ended.

        Called exactly once for every connection that got through the preamble, whether or not it
        called this handler.
        """
        ...
