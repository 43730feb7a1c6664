"""A connection on which only frames of ours are read."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from bandmaster.asynccomm import frames
from bandmaster.errors import CommTimeoutError, MasterLostError, ProtocolError

if TYPE_CHECKING:
    from bandmaster.asynccomm.wire._peer import Peer

__all__ = ["Connection"]

_FIRST, _CHUNK = 1 << 14, 1 << 18  # most frames are small, and a large buffer costs time

PATIENCE = 30.0
"""Seconds that a server waits for the rest of a frame, and for a client that reads nothing."""
SLOWEST = 1 << 13
"""Bytes a second; what a large frame may take beyond `PATIENCE`."""


class Connection:
    """Wraps a socket; a frame is read and checked whole before anybody sees its first byte.

    Parameters
    ----------
    sock : socket.socket
        Connected; owned by this object from now on.
    serving : bool
        Whether requests (True) or replies (False) are what may arrive.
    max_message : int
        The largest payload in bytes.
    blocked : callable, optional
        Returns a context manager in which the thread may block for long.

    Notes
    -----
    `hang_up` may be called from any thread and from a signal handler, everything else from the
    thread that uses the connection. It does not free the descriptor, which another thread may be
    about to wait on; `close` does.
    """

    def __init__(
        self,
        sock: socket.socket,
        *,
        serving: bool,
        max_message: int,
        blocked: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext,
    ) -> None:
        self.sock = sock
        self.blocked = blocked
        self.peer: Peer | None = None
        self.ended = False
        self.deadline: float | None = None
        self.until: Callable[[], None] | None = None
        self.held: bytes | None = None  # an answer that is to leave after `until`
        self.max_message = max_message
        self._serving = serving
        self._check = frames.check_call_header if serving else frames.check_result_header
        self._calls = frames.CallReader()
        self._closing = threading.RLock()
        self._closed = False
        self._tls = False

    def fileno(self) -> int:
        """Return the socket's descriptor, -1 when it is closed."""
        return self.sock.fileno()

    def read_call(self) -> frames.Call:
        """Return the next request."""
        return self._calls.read(self._read_frame())

    def read_result(self) -> tuple[int, bytes]:
        """Return the next reply: which call it answers, and its data."""
        return frames.read_result(self._read_frame())

    def send(self, data: bytes) -> None:
        """Send a whole frame."""
        try:
            if not self._serving:
                if self.deadline is not None or self.sock.gettimeout() is not None:
                    self._set_timeout()
                self.sock.sendall(data)
                return
            sent = self._send_what_fits(data)
            if sent < len(data):
                rest = memoryview(data)[sent:]
                with self._waiting(len(rest)):
                    self._set_timeout()
                    self.sock.sendall(rest)
        except OSError as error:
            if _is_deadline(error):
                raise CommTimeoutError("the other end reads nothing") from error
            raise MasterLostError(f"the connection broke while sending: {error}") from error

    def release(self) -> None:
        """Send the answer that is held back, once it may leave."""
        until, data = self.until, self.held
        self.until = self.held = None
        if until is not None and data is not None:
            until()
            self.send(data)

    def hang_up(self) -> None:
        """Wake whoever waits for this connection, here and at the other end."""
        with self._closing:
            if not self._closed:
                with contextlib.suppress(OSError):
                    self.sock.shutdown(socket.SHUT_RDWR)

    def secured(self, sock: socket.socket) -> None:
        """Go on with the socket of the TLS handshake, which has taken the place of ours."""
        with self._closing:
            self.sock = sock
            self._tls = True
            if self._closed:
                sock.close()

    @property
    def pending(self) -> bool:
        """Whether there is something to read that the kernel does not know of any more."""
        return self._tls and self.sock.pending() > 0  # type: ignore[attr-defined]  # it is TLS's

    def close(self) -> None:
        """Hang up and free the descriptor."""
        with self._closing:
            self.hang_up()
            self._closed = True
            with contextlib.suppress(OSError):
                self.sock.close()

    def abandon(self) -> None:
        """Forget the socket, which is closed already, in a forked child."""
        self._closing = threading.RLock()
        self._closed = True

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def _read_frame(self) -> bytes:
        data = self._receive_ready() if self._tls and self._serving else self._receive(_FIRST)
        if len(data) < frames.HEADER_SIZE:
            with self._waiting(frames.HEADER_SIZE):
                while len(data) < frames.HEADER_SIZE:
                    data += self._receive(_FIRST)
        size = frames.HEADER_SIZE + self._check(data, self.max_message)
        if len(data) < size:
            # It grows as the bytes arrive: a header alone makes nobody allocate anything.
            parts = [data]
            missing = size - len(data)
            with self._waiting(missing):
                while missing:
                    parts.append(self._receive(min(missing, _CHUNK)))
                    missing -= len(parts[-1])
            data = b"".join(parts)
        elif len(data) > size:
            raise ProtocolError("more than one frame at once: we have one call open at a time")
        return data

    def _send_what_fits(self, data: bytes) -> int:
        """Send what the kernel takes at once, usually all; returns how many bytes that was."""
        sock, sent = self.sock, 0
        if not self._tls:
            if sock.gettimeout() is not None:
                sock.settimeout(None)
            try:
                return sock.send(data, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return 0
        if sock.gettimeout() != 0.0:
            sock.settimeout(0.0)
        try:
            while sent < len(data):  # each time a record of TLS
                sent += sock.send(memoryview(data)[sent:])
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
            pass  # it wants the same bytes again, which is what it gets
        return sent

    def _receive_ready(self) -> bytes:
        """Return what there is; what has come of a TLS record is nothing until all of it has."""
        try:
            self.sock.settimeout(0.0)
            chunk: bytes = self.sock.recv(_FIRST)
        except ssl.SSLWantReadError:
            with self._waiting(_FIRST):
                return self._receive(_FIRST)
        except OSError as error:
            raise MasterLostError(f"the connection broke: {error}") from error
        return chunk or self._end()

    @contextlib.contextmanager
    def _waiting(self, size: int) -> Iterator[None]:
        """Let others work while we wait for a peer, whom a server gives a bounded time only."""
        if self._serving:
            self.deadline = time.monotonic() + PATIENCE + size / SLOWEST
        try:
            with self.blocked():
                yield
        finally:
            if self._serving:
                self.deadline = None

    def _receive(self, size: int) -> bytes:
        try:
            if self.deadline is not None or self.sock.gettimeout() is not None:
                self._set_timeout()
            chunk: bytes = self.sock.recv(size)
        except OSError as error:
            if _is_deadline(error):
                what = "the rest of a message did not come" if self._serving else "no answer"
                raise CommTimeoutError(f"{what} in time") from error
            raise MasterLostError(f"the connection broke: {error}") from error
        return chunk or self._end()

    def _end(self) -> bytes:
        self.ended = True
        raise MasterLostError("the other end hung up")

    def _set_timeout(self) -> None:
        if self.deadline is None:
            self.sock.settimeout(None)
            return
        remaining = self.deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError
        self.sock.settimeout(remaining)


def _is_deadline(error: OSError) -> bool:
    # The kernel's ETIMEDOUT is a TimeoutError too, but means that the link or the peer is dead.
    # A socket that blocks raises BlockingIOError when the kernel gives up (a client's patience).
    return isinstance(error, BlockingIOError) or (
        isinstance(error, TimeoutError) and error.errno is None
    )
