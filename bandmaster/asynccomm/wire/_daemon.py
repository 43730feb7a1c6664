"""Answers Pyro's messages, behind our preamble and our guard."""

from __future__ import annotations

import logging
from collections.abc import Callable

from bandmaster.asynccomm import preamble
from bandmaster.asynccomm.preamble import Secure
from bandmaster.asynccomm.wire._connection import Connection
from bandmaster.asynccomm.wire._patterns import ANSWER
from bandmaster.asynccomm.wire._peer import Handler
from bandmaster.asynccomm.wire._reply import Reply, encode_error, encode_reply
from bandmaster.asynccomm.wire._throttle import Throttle
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
"""Seconds; twice as many with TLS, whose handshake is some milliseconds of work for both ends."""


class GuardedDaemon:
    """Serves `Handler` objects to connections that are brought to it.

    It speaks Pyro's protocol. Pyro's `Daemon` would do the same and more: look objects and methods
    up by name, send exceptions, stream, batch. The guard lets none of that in, and it costs half of
    an answer's time (docs/adr/0005).

    Parameters
    ----------
    key : bytes or None
        The run's key.
    max_message : int
        The largest payload in bytes.
    log : Throttle
        For what strangers can cause.
    """

    def __init__(self, *, key: bytes | None, max_message: int, log: Throttle) -> None:
        self._log = log
        self.max_message = max_message
        self.key = key
        self.securing: Callable[[Opened], Secure] | None = None
        self._handlers: dict[str, Handler] = {}

    def add(self, object_id: str, handler: Handler) -> None:
        """Serve `handler` under a name."""
        self._handlers[object_id] = handler

    def greet(self, conn: Connection) -> bool:
        """Go through the preamble; False when the connection is refused."""
        try:
            securing = self.securing
            secure = None if securing is None else securing(conn.secured)
            timeout = PREAMBLE_TIMEOUT if secure is None else 2 * PREAMBLE_TIMEOUT
            preamble.accept_client(conn.sock, self.key, timeout=timeout, secure=secure).settimeout(
                None
            )
        except MasterLostError as error:
            logger.debug("%s left early: %s", conn.peer, error)
            return False
        except (BandmasterError, OSError) as error:
            self._log.warning("refused %s: %s", conn.peer, error)
            return False
        return True

    def answer(self, conn: Connection) -> None:
        """Read one call and answer it.

        Raises
        ------
        CommError
            When the connection is of no more use.
        """
        try:
            call = conn.read_call()
        except ProtocolError as error:
            self._log.warning("closing the connection of %s: %s", conn.peer, error)
            raise
        how, reply = self._reply(conn, call.target, call.method, call.payload)
        data = ANSWER.fill(call.sequence, reply, how)
        if conn.until is None:
            conn.send(data)
        else:
            conn.held = data

    def _reply(self, conn: Connection, name: str, method: str, payload: bytes) -> Reply:
        assert conn.peer is not None
        try:
            handler = self._handlers.get(name)
            if handler is None:
                raise CommError(f"nothing is called {name!r} here")
            answer = handler.handle(conn.peer, method, payload)
            if len(answer) + 16 > self.max_message:
                raise ProtocolError(
                    f"the answer to {method!r} has {len(answer)} bytes, at most "
                    f"{self.max_message - 16} are allowed"
                )
            return encode_reply(bytes(answer))
        except BandmasterError as error:
            return encode_error(error)
        except BaseException as error:  # noqa: BLE001 - logged with its traceback, and answered
            self._log.exception("%s: %s of %s failed", name, method, conn.peer)
            return encode_error(
                CommError(
                    f"the other end failed in {method!r} with {type(error).__name__}; its log "
                    "has the traceback"
                )
            )

    def gone(self, conn: Connection) -> None:
        """Tell every handler that a connection has ended."""
        for object_id, handler in list(self._handlers.items()):
            try:
                assert conn.peer is not None
                handler.disconnected(conn.peer)
            except Exception:
                logger.exception("%s failed to take leave of %s", object_id, conn.peer)
