"""Pyro's daemon behind our preamble and our guard."""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Callable
from typing import Any

from bandmaster.asynccomm import preamble
from bandmaster.asynccomm.preamble import Secure
from bandmaster.asynccomm.wire._connection import Connection
from bandmaster.asynccomm.wire._peer import Handler, Peer
from bandmaster.asynccomm.wire._pyro import Daemon, call_context, config
from bandmaster.asynccomm.wire._reply import encode_error, encode_reply
from bandmaster.asynccomm.wire._tls import Opened
from bandmaster.errors import (
    BandmasterError,
    CommError,
    MasterLostError,
    ProtocolError,
)

__all__ = ["PREAMBLE_TIMEOUT", "GuardedDaemon"]

logger = logging.getLogger(__name__)

PREAMBLE_TIMEOUT = 2.0


class _Exchange:
    """The Pyro object that stands for a handler; `exchange` is all that can be called."""

    def __init__(self, handler: Handler | None, name: str, max_message: int) -> None:
        self._handler = handler
        self._name = name
        self._max_message = max_message

    def exchange(self, method: str, payload: bytes) -> bytes:
        """Answer one call; never raises, so that Pyro has no exception to send."""
        peer: Peer = call_context.client.peer
        try:
            if self._handler is None:
                raise CommError(f"nothing is called {self._name!r} here")
            answer = self._handler.handle(peer, method, payload)
            if len(answer) + 16 > self._max_message:
                raise ProtocolError(
                    f"the answer to {method!r} has {len(answer)} bytes, at most "
                    f"{self._max_message - 16} are allowed"
                )
            return encode_reply(bytes(answer))
        except BandmasterError as error:
            return encode_error(error)
        except BaseException as error:
            logger.exception("%s: %s of %s failed", self._name, method, peer)
            return encode_error(
                CommError(
                    f"the other end failed in {method!r} with {type(error).__name__}; its log "
                    "has the traceback"
                )
            )

    exchange._pyroExposed = True  # type: ignore[attr-defined]  # what Pyro5's @expose does


class _Objects(dict[str, Any]):
    """Pyro's table of objects; an unknown name finds one that says so to the client."""

    def get(self, key: str, default: Any = None) -> Any:
        found = super().get(key, default)
        return found if isinstance(found, _Exchange) else _Exchange(None, key, 1 << 20)


class GuardedDaemon(Daemon):  # type: ignore[misc]  # Pyro5 has no types
    """Serves `Handler` objects; it does not listen, connections are brought to it.

    Parameters
    ----------
    key : bytes or None
        The run's key.
    max_message : int
        The largest payload in bytes.
    """

    def __init__(self, *, key: bytes | None, max_message: int) -> None:
        # Given a connected socket, Pyro's constructor neither listens nor reads the global
        # settings for it (kind of server, size of the pool, timeouts).
        ours, theirs = socket.socketpair()
        with theirs, _placeholder(ours) as connected:
            super().__init__(connected_socket=connected)
        self.transportServer = None
        self.objectsById = _Objects()
        self.max_message = max_message
        self.key = key
        self.securing: Callable[[Opened], Secure] | None = None
        self._handlers: dict[str, Handler] = {}

    def add(self, object_id: str, handler: Handler) -> None:
        """Serve `handler` under a name (Pyro's own `register` would change global tables)."""
        self._handlers[object_id] = handler
        self.objectsById[object_id] = _Exchange(handler, object_id, self.max_message)

    def _handshake(self, conn: Connection, denied_reason: str | None = None) -> bool:
        try:
            securing = self.securing
            secure = None if securing is None else securing(conn.secured)
            preamble.accept_client(
                conn.sock, self.key, timeout=PREAMBLE_TIMEOUT, secure=secure
            ).settimeout(None)
        except MasterLostError as error:
            logger.debug("%s left early: %s", conn.peer, error)
            return False
        except (BandmasterError, OSError) as error:
            logger.warning("refused %s: %s", conn.peer, error)
            return False
        return True

    def handleRequest(self, conn: Connection) -> None:
        try:
            super().handleRequest(conn)
        except ProtocolError as error:
            logger.warning("closing the connection of %s: %s", conn.peer, error)
            raise

    def _sendExceptionResponse(
        self, connection: Connection, _seq: int, _serializer: int, exc_value: Exception, *_rest: Any
    ) -> None:
        if isinstance(exc_value, CommError):
            raise exc_value  # the client left before its answer came
        # Reached only when Pyro itself fails; its exceptions never cross our wire.
        logger.error("Pyro cannot answer %s", connection.peer, exc_info=exc_value)
        raise ProtocolError("Pyro cannot answer")

    def clientDisconnect(self, conn: Connection) -> None:
        """Tell every handler that a connection has ended."""
        for object_id, handler in list(self._handlers.items()):
            try:
                assert conn.peer is not None
                handler.disconnected(conn.peer)
            except Exception:
                logger.exception("%s failed to take leave of %s", object_id, conn.peer)


def _placeholder(sock: socket.socket) -> socket.socket:
    if not config.SSL:
        return sock
    # Pyro's constructor insists on a TLS socket when the process uses Pyro with TLS.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    return context.wrap_socket(sock, do_handshake_on_connect=False)
