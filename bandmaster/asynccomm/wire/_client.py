"""The calling end: one connection to one object."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
import weakref

from bandmaster.asynccomm import preamble
from bandmaster.asynccomm.addresses import Address
from bandmaster.asynccomm.frames import check_name
from bandmaster.asynccomm.wire._connection import Connection
from bandmaster.asynccomm.wire._patterns import Pattern, call_pattern
from bandmaster.asynccomm.wire._reply import decode_reply
from bandmaster.asynccomm.wire._server import MAX_MESSAGE
from bandmaster.asynccomm.wire._sockets import connect, give_up_after
from bandmaster.asynccomm.wire._tls import securing_client
from bandmaster.errors import (
    BandmasterError,
    CommError,
    CommTimeoutError,
    MasterLostError,
    ProtocolError,
)

__all__ = ["Client"]


_clients: weakref.WeakSet[Client] = weakref.WeakSet()


def _forget_in_child() -> None:
    # Its sockets are closed by now. Another thread of the parent may have held a lock at the
    # moment of the fork; that thread does not exist here.
    for client in list(_clients):
        client._start_over()


os.register_at_fork(after_in_child=_forget_in_child)


class Client:
    """Calls one object of a `Server`.

    Parameters
    ----------
    address : Address
        Where the server is, and whether it uses TLS; a wildcard host means loopback.
    object_id : str
        The name under which its handler is registered.
    key : bytes or None
        The run's key, or None when the server runs without one.
    connect_timeout : float, default 5.0
        Seconds to connect, and again for the preamble.
    patience : float, optional
        Seconds to wait for the answer to a call that has no timeout of its own. It costs no time
        in a call. Default: as long as the server lives.
    max_message : int, default 64 MiB
        The largest message either way, in bytes.

    Notes
    -----
    Calls from several threads take turns. `close` may be called from any thread and from a signal
    handler: it wakes a call that is blocked, which then raises `MasterLostError`. After any error
    that the other end did not send on purpose the connection is closed; `connect` opens a new one.
    In a forked child a client is not connected: the connection stays its parent's alone.
    """

    def __init__(
        self,
        address: Address,
        object_id: str,
        *,
        key: bytes | None,
        connect_timeout: float = 5.0,
        patience: float | None = None,
        max_message: int = MAX_MESSAGE,
    ) -> None:
        self.address = address
        self.object_id = check_name(object_id, "an object")
        self._key = key
        self._connect_timeout = connect_timeout
        self._patience = patience
        self._max_message = max_message
        self._opening: socket.socket | None = None
        self._connection: Connection | None = None
        self._hung_up: list[Connection] = []
        self._sequence = 0
        self._patterns: dict[str, Pattern] = {}
        self._closes = 0
        self._start_over()
        _clients.add(self)

    @property
    def connected(self) -> bool:
        """Whether there is a connection, as far as this end knows."""
        return self.fileno() >= 0

    def fileno(self) -> int:
        """Return the connection's descriptor, -1 without one; readable once the server left."""
        connection = self._connection
        return -1 if connection is None or connection.closed else connection.fileno()

    def connect(self) -> None:
        """Connect and authenticate; nothing to do when connected.

        Raises
        ------
        MasterLostError
            Nothing answers at the address, or `close` was called meanwhile.
        AuthenticationError
            The keys differ, or only one side has one.
        ProtocolVersionError, ProtocolError
            It speaks another version, or something else altogether.
        CommTimeoutError
            It says nothing for `connect_timeout` seconds.
        CommError
            It takes no more connections.
        """
        try:
            with self._turn:
                self._connect()
        finally:
            self._free()

    def call(self, method: str, payload: bytes = b"", *, timeout: float | None = None) -> bytes:
        """Call a method of the object and wait for the answer.

        Parameters
        ----------
        method : str
            At most 200 letters, digits and ``_ . : -``.
        payload : bytes
            Whatever the handler expects.
        timeout : float, optional
            Seconds; by default the client's patience.

        Raises
        ------
        CommTimeoutError
            No answer in time.
        MasterLostError
            There is no connection, or it broke.
        ProtocolError
            The payload is too large (the connection stays), or the answer is malformed.
        BandmasterError
            What the handler raised (the connection stays); a plain `CommError` when it failed.
        """
        if len(payload) + 1024 > self._max_message:
            raise ProtocolError(
                f"the payload of {method!r} has {len(payload)} bytes, at most "
                f"{self._max_message - 1024} are allowed"
            )
        if timeout is None and self.address.tls:
            timeout = self._patience  # OpenSSL tries again when the kernel gives up
        try:
            with self._turn:
                reply = self._call(method, payload, timeout)
        finally:
            if self._hung_up:
                self._free()
        return decode_reply(reply)

    def close(self) -> None:
        """End the connection and wake whoever is blocked on it; safe to call again."""
        with self._state:
            self._closes += 1
            opening, connection = self._opening, self._connection
            self._connection = None
        if opening is not None:
            with contextlib.suppress(OSError):
                opening.shutdown(socket.SHUT_RDWR)
        if connection is not None:
            connection.hang_up()
            self._hung_up.append(connection)
        self._free()

    def __enter__(self) -> Client:
        self.connect()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _connect(self) -> None:
        if self.connected:
            return
        closes = self._closes
        try:
            sock = connect(self.address, self._connect_timeout, self._opened)
        except TimeoutError as error:
            raise CommTimeoutError(
                f"cannot connect to {self.address}: no answer in {self._connect_timeout:g} s"
            ) from error
        except OSError as error:
            if isinstance(error, BandmasterError):
                raise
            raise MasterLostError(
                f"cannot connect to {self.address}: {error.strerror or error}"
            ) from error
        try:
            secure = None
            if self.address.tls:
                secure = securing_client(self.address.tls, self._opened)
            sock = preamble.greet_server(
                sock, self._key, timeout=self._connect_timeout, secure=secure
            )
            sock.settimeout(None)
            if self._patience is not None:
                give_up_after(sock, self._patience)
        except BaseException as error:
            sock.close()
            if self._opening is not None:
                self._opening.close()  # that of the TLS handshake
            if isinstance(error, CommError):
                raise type(error)(f"{self.address}: {error}") from error
            raise
        finally:
            self._opening = None
        connection = Connection(sock, serving=False, max_message=self._max_message)
        if secure is not None:
            connection.secured(sock)
        with self._state:
            if closes != self._closes:
                connection.close()
                raise MasterLostError(f"{self.address}: closed while connecting")
            self._connection = connection

    def _call(self, method: str, payload: bytes, timeout: float | None) -> bytes:
        connection = self._connection
        if connection is None:
            raise MasterLostError(f"not connected to {self.address}")
        connection.deadline = None if timeout is None else time.monotonic() + timeout
        try:
            return self._exchange(connection, method, payload)
        except BaseException as error:
            # Half a message may be under way: this connection is of no more use.
            self._drop(connection)
            if isinstance(error, CommError):
                raise type(error)(f"{method!r} at {self.address}: {error}") from error
            if isinstance(error, Exception):
                raise ProtocolError(f"{method!r} at {self.address}: {error!r}") from error
            raise

    def _exchange(self, connection: Connection, method: str, payload: bytes) -> bytes:
        self._sequence = sequence = (self._sequence + 1) & 0xFFFF
        pattern = self._patterns.get(method)
        if pattern is None:
            pattern = self._patterns[method] = call_pattern(self.object_id, method)
        connection.send(pattern.fill(sequence, payload))
        answers, reply = connection.read_result()
        if answers != sequence:
            raise ProtocolError("an answer to another call")
        return reply

    def _free(self) -> None:
        """Free the descriptors of what was hung up, unless somebody may be waiting on them.

        That one holds the turn, and comes here itself when it has given it back.
        """
        while self._hung_up and self._turn.acquire(blocking=False):
            try:
                while self._hung_up:
                    self._hung_up.pop().close()
            finally:
                self._turn.release()

    def _start_over(self) -> None:
        self._turn = threading.Lock()
        self._state = threading.RLock()  # reentrant for the sake of signal handlers
        for connection in (*self._hung_up, self._connection):
            if connection is not None:
                connection.abandon()
        self._hung_up.clear()
        self._opening = self._connection = None

    def _opened(self, sock: socket.socket) -> None:
        self._opening = sock

    def _drop(self, connection: Connection) -> None:
        with self._state:
            if self._connection is connection:
                self._connection = None
        connection.close()
