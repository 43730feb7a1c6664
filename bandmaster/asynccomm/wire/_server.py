"""The listening end: accepts, counts, and has a crew of threads serve the connections."""

from __future__ import annotations

import contextlib
import errno
import itertools
import logging
import os
import select
import socket
import threading

from bandmaster.asynccomm import preamble
from bandmaster.asynccomm.addresses import Address
from bandmaster.asynccomm.certificates import Certificate
from bandmaster.asynccomm.frames import check_name
from bandmaster.asynccomm.limits import default_max_connections, raise_open_files_limit
from bandmaster.asynccomm.security import check_access
from bandmaster.asynccomm.wire._connection import Connection
from bandmaster.asynccomm.wire._crew import Crew
from bandmaster.asynccomm.wire._daemon import GuardedDaemon
from bandmaster.asynccomm.wire._lobby import Lobby
from bandmaster.asynccomm.wire._peer import Handler, Peer
from bandmaster.asynccomm.wire._sockets import describe_peer, listen, own, tune
from bandmaster.asynccomm.wire._throttle import Throttle
from bandmaster.asynccomm.wire._tls import securing_server
from bandmaster.asynccomm.wire._wake import WakeFd
from bandmaster.errors import CommTimeoutError, ConfigurationError

__all__ = ["MAX_MESSAGE", "Server"]

logger = logging.getLogger(__name__)

MAX_MESSAGE = 64 * 1024 * 1024


class Server:
    """Serves handlers to authenticated clients.

    Parameters
    ----------
    key : bytes or None
        The run's key. None lets everybody in who can reach the port; both ends must agree.
    host : str, default "127.0.0.1"
        The interface to listen on; ``"0.0.0.0"`` and ``"::"`` are all of them.
    port : int, default 0
        0 takes any free one.
    unix_path : str, optional
        Listen on this Unix socket instead.
    max_connections : int, optional
        As many as fit under the limit of open files, which `start` raises to its hard limit.
        Clients beyond it are told so. Who has not shown yet that it knows the key makes room.
    max_message : int, default 64 MiB
        The largest message either way, in bytes.
    max_request : int, optional
        The largest that may arrive, if that is less. Plain data in memory takes up to 64 times as
        much as on the wire.
    certificate : Certificate, optional
        Use TLS with it.
    insecure : bool, default False
        Allow to listen without a key where other machines may come from.
    name : str
        For the names of the threads and the log.

    Raises
    ------
    ConfigurationError
        When the options do not fit together.

    Examples
    --------
    >>> with Server(key=key) as server:                  # doctest: +SKIP
    ...     server.register("echo", handler)
    ...     client = Client(server.address, "echo", key=key)

    Notes
    -----
    The constructor opens nothing. `close` hangs up every connection and joins every thread; it
    may be called from a handler, whose own thread it then leaves alone.
    """

    def __init__(
        self,
        *,
        key: bytes | None,
        host: str = "127.0.0.1",
        port: int = 0,
        unix_path: str | None = None,
        max_connections: int | None = None,
        max_message: int = MAX_MESSAGE,
        max_request: int | None = None,
        certificate: Certificate | None = None,
        insecure: bool = False,
        name: str = "",
    ) -> None:
        if max_connections is not None and max_connections < 1:
            raise ConfigurationError(f"max_connections must be at least 1, got {max_connections}")
        if max_message < 1024:
            raise ConfigurationError(f"max_message must be at least 1024, got {max_message}")
        self.max_connections = max_connections
        self.name = name or "server"
        self._wanted = Address.unix(unix_path) if unix_path else Address(host, port)
        self._insecure = insecure
        check_access(self._wanted, key, certificate, insecure=insecure)
        self._key = key
        self._certificate = certificate
        self._max_message = max_message
        self._max_request = max_message if max_request is None else max_request
        self._handlers: dict[str, Handler] = {}
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._connections: set[Connection] = set()
        self._address: Address | None = None
        self._daemon: GuardedDaemon | None = None
        self._crew: Crew | None = None
        self._listener: socket.socket | None = None
        self._spare: int | None = None
        self._stop: WakeFd | None = None
        self._thread: threading.Thread | None = None
        self._pid = 0
        self._lobby = Lobby()
        self._log = Throttle(logger)

    @property
    def address(self) -> Address:
        """Where it listens, and its certificate; ConfigurationError before `start`."""
        if self._address is None:
            raise ConfigurationError("the server has not been started")
        certificate = self._certificate
        return self._address.secured("" if certificate is None else certificate.fingerprint)

    @property
    def trouble(self) -> tuple[float, str] | None:
        """When a connection was last refused or closed for a reason, and what the log says."""
        return self._log.last

    @property
    def connections(self) -> int:
        """How many connections there are at the moment."""
        return len(self._connections)

    def register(self, object_id: str, handler: Handler) -> None:
        """Serve `handler` under a name, before or after `start`.

        Raises
        ------
        ConfigurationError
            When the name is malformed or taken.
        """
        check_name(object_id, "an object")
        with self._lock:
            if object_id in self._handlers:
                raise ConfigurationError(f"{object_id!r} is registered already")
            self._handlers[object_id] = handler
            if self._daemon is not None:
                self._daemon.add(object_id, handler)

    def use_key(self, key: bytes | None) -> None:
        """Ask clients that connect from now on for this key; before `start` or after.

        Raises
        ------
        ConfigurationError
            When the constructor would not have taken it.
        """
        with self._lock:
            check_access(self._wanted, key, self._certificate, insecure=self._insecure)
            self._key = key
            if self._daemon is not None:
                self._daemon.key = key

    def use_certificate(self, certificate: Certificate | None) -> None:
        """Use TLS with this certificate from now on, or none; otherwise as `use_key`."""
        with self._lock:
            check_access(self._wanted, self._key, certificate, insecure=self._insecure)
            self._certificate = certificate
            if self._daemon is not None:
                self._daemon.securing = (
                    None if certificate is None else securing_server(certificate)
                )

    def start(self) -> Address:
        """Begin to listen and return the address.

        Raises
        ------
        CommError
            When the address is taken.
        ConfigurationError
            When it was started before.
        """
        if self._thread is not None:
            raise ConfigurationError("the server was started already")
        limit = raise_open_files_limit()
        if self.max_connections is None:
            self.max_connections = default_max_connections()
        elif self.max_connections + 64 > limit:
            raise ConfigurationError(
                f"max_connections={self.max_connections} does not fit under the limit of "
                f"{limit} open files: raise it with ulimit -n"
            )
        with contextlib.ExitStack() as undo:
            self._listener, address = listen(self._wanted)
            undo.callback(self._listener.close)
            self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
            undo.callback(os.close, self._spare)
            self._stop = WakeFd()
            undo.callback(self._stop.close)
            self._crew = Crew(self.name, self._serve, self._release, self._end)
            undo.callback(self._crew.close)
            self._daemon = GuardedDaemon(
                key=self._key, max_message=self._max_message, log=self._log
            )
            self.use_certificate(self._certificate)
            with self._lock:
                for object_id, handler in self._handlers.items():
                    self._daemon.add(object_id, handler)
            thread = threading.Thread(
                target=self._accept_loop, name=f"{self.name}-accept", daemon=True
            )
            thread.start()
            undo.pop_all()
        self._thread, self._pid = thread, os.getpid()
        self._address = address
        logger.debug("%s listens on %s", self.name, address)
        return address

    def close(self) -> None:
        """Stop listening, end every connection, join every thread; safe to call again."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is None or self._pid != os.getpid():
            return  # a forked child has a copy of this object, but the server is its parent's
        assert self._stop is not None
        assert self._crew is not None
        self._stop.set()
        thread.join()
        for connection in list(self._connections):
            connection.hang_up()
        for connection in self._crew.close():
            self._end(connection)
        self._stop.close()
        self._log.flush()

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # -- the accepting thread ------------------------------------------------------------------

    def _accept_loop(self) -> None:
        assert self._listener is not None
        assert self._stop is not None
        poller = select.poll()
        poller.register(self._listener.fileno(), select.POLLIN)
        poller.register(self._stop.fileno(), select.POLLIN)
        try:
            while all(fd != self._stop.fileno() for fd, _ in poller.poll()):
                self._accept()
        finally:
            self._listener.close()
            if self._wanted.is_unix:
                with contextlib.suppress(OSError):
                    os.unlink(self._wanted.path)
            if self._spare is not None:
                os.close(self._spare)
                self._spare = None

    def _accept(self) -> None:
        assert self._listener is not None
        assert self.max_connections is not None
        try:
            sock, _ = self._listener.accept()
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                self._refuse_without_descriptor(error)
            return  # otherwise the client left before we came
        own(sock)
        sock.setblocking(True)
        if len(self._connections) >= self.max_connections:
            late = self._lobby.make_room()
            if late is None:
                self._refuse(sock, f"there are {self.max_connections} already")
                return
            self._log.warning("%s is full and hung up on %s: it said nothing yet", self.name,
                              late.peer)  # fmt: skip
        with contextlib.suppress(OSError):
            tune(sock)
        assert self._crew is not None
        connection = Connection(
            sock, serving=True, max_message=self._max_request, blocked=self._crew.blocked
        )
        connection.peer = Peer(connection, next(self._numbers), describe_peer(sock))
        with self._lock:
            self._connections.add(connection)
        late = self._lobby.enter(connection)
        if late is not None:
            self._log.warning(
                "%s hung up on %s: too many say nothing at the same time", self.name, late.peer
            )
        try:
            self._crew.run(lambda: self._greet(connection))
        except RuntimeError as error:  # the system starts no more threads
            self._lobby.leave(connection)
            self._forget(connection)
            self._refuse(sock, str(error))

    def _refuse(self, sock: socket.socket, reason: str) -> None:
        self._log.warning("%s refused %s: %s", self.name, describe_peer(sock), reason)
        preamble.refuse_full(sock)
        sock.close()

    def _refuse_without_descriptor(self, error: OSError) -> None:
        # Left alone, the connection would stay in the queue and wake us again and again: give
        # up the spare descriptor for as long as it takes to say no.
        assert self._listener is not None
        assert self._stop is not None
        if self._spare is not None:
            os.close(self._spare)
            self._spare = None
        try:
            sock, _ = self._listener.accept()
            self._refuse(sock, error.strerror or str(error))
        except OSError:
            self._log.warning("%s cannot accept: %s", self.name, error)
            waiting = select.poll()  # the listener would be ready at once
            waiting.register(self._stop.fileno(), select.POLLIN)
            waiting.poll(200)
        with contextlib.suppress(OSError):
            self._spare = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)

    # -- the crew ------------------------------------------------------------------------------

    def _greet(self, connection: Connection) -> None:
        """Let a new connection through the preamble, which may take a while."""
        assert self._daemon is not None
        assert self._crew is not None
        admitted = False
        try:
            admitted = self._daemon.greet(connection)
        finally:
            self._lobby.leave(connection)
            if admitted:
                self._crew.watch(connection)
            else:
                connection.close()
                self._forget(connection)

    def _serve(self, connection: Connection) -> bool:
        """Answer one call; False when the connection has ended."""
        assert self._daemon is not None
        try:
            self._daemon.answer(connection)
        except BaseException as error:  # noqa: BLE001 - looked at there
            return self._broken(connection, error)
        return True

    def _release(self, connection: Connection) -> bool:
        """Send the answer that was held back; False when the connection has ended."""
        try:
            connection.release()
        except BaseException as error:  # noqa: BLE001 - looked at there
            return self._broken(connection, error)
        return True

    def _broken(self, connection: Connection, error: BaseException) -> bool:
        """End a connection, and return False; what is no error of a connection is raised."""
        try:
            if isinstance(error, CommTimeoutError):
                self._log.warning("closing the connection of %s: %s", connection.peer, error)
            elif isinstance(error, OSError):  # all of our own errors here are of this kind
                logger.debug("%s is gone", connection.peer)
            else:
                raise error
        finally:
            self._end(connection)
        return False

    def _end(self, connection: Connection) -> None:
        # The place is free before anybody hears of it, so that a handler can count on it.
        assert self._daemon is not None
        connection.close()
        self._forget(connection)
        self._daemon.gone(connection)

    def _forget(self, connection: Connection) -> None:
        with self._lock:
            self._connections.discard(connection)
