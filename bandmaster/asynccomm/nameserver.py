"""The name server: where the processes of a run find each other."""

from __future__ import annotations

import difflib
import logging
import os
import threading
from pathlib import Path

from bandmaster.asynccomm import connection_file
from bandmaster.asynccomm.about import ABOUT_OBJECT, AboutHandler
from bandmaster.asynccomm.addresses import Address
from bandmaster.asynccomm.certificates import Certificate, TlsOption, check_tls
from bandmaster.asynccomm.connection_file import DEFAULT_PORT, ConnectionInfo
from bandmaster.asynccomm.frames import check_name
from bandmaster.asynccomm.naming import NAMES_OBJECT, check_run_id
from bandmaster.asynccomm.net import get_a_free_port
from bandmaster.asynccomm.security import check_key, make_key
from bandmaster.asynccomm.wire import Client, Peer, Server
from bandmaster.core.codec import pack, unpack
from bandmaster.errors import (
    AuthenticationError,
    CommError,
    ConfigurationError,
    NameServerError,
    ProtocolError,
)

__all__ = ["NameServer", "Registry"]

logger = logging.getLogger(__name__)

_MOST_NAMES = 100_000
_ALIVE_WITHIN = 2.0  # seconds to answer for a name server that we would replace


class Registry:
    """The names and their addresses; the handler behind a name server.

    Safe to use from several threads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[str, tuple[str, int | None]] = {}  # address, id of the owning peer

    def handle(self, peer: Peer, method: str, payload: bytes) -> bytes:
        """Answer one of the calls that `Names` makes."""
        match method, unpack(payload):
            case "register", (str(name), str(address), bool(safe), bool(lasting)):
                self.register(name, address, safe, None if lasting else peer.id)
                return pack(None)
            case "lookup", (str(name),):
                return pack(self.lookup(name))
            case "list", (str(prefix),):
                return pack(self.list(prefix))
            case "remove", (str(name),):
                return pack(self.remove(name))
        raise ProtocolError(f"the name server has no {method!r} with these arguments")

    def disconnected(self, peer: Peer) -> None:
        """Forget the names that end with this connection."""
        with self._lock:
            gone = [name for name, (_, owner) in self._entries.items() if owner == peer.id]
            for name in gone:
                del self._entries[name]

    def register(self, name: str, address: str, safe: bool, owner: int | None) -> None:
        """Add or replace an entry; NameServerError when `safe` and it is another's."""
        check_name(name, "anything")
        Address.parse(address)
        with self._lock:
            known = self._entries.get(name)
            if safe and known is not None and known[0] != address:
                raise NameServerError(f"{name!r} is registered already, for {known[0]}")
            if known is None and len(self._entries) >= _MOST_NAMES:
                raise NameServerError(f"the name server holds {_MOST_NAMES} names, no more fit")
            self._entries[name] = address, owner

    def lookup(self, name: str) -> str:
        """Return an address; NameServerError that names what comes near."""
        with self._lock:
            if name in self._entries:
                return self._entries[name][0]
            names = sorted(self._entries)
        near = difflib.get_close_matches(name, names[:1000], n=5, cutoff=0.6)
        if near:
            hint = "it knows " + ", ".join(near)
        else:
            hint = f"none of its {len(names)} names comes near" if names else "it knows no name yet"
        raise NameServerError(f"the name server does not know {name!r}: {hint}")

    def list(self, prefix: str) -> dict[str, str]:
        """Return the entries whose name begins with `prefix`."""
        with self._lock:
            return {
                name: address
                for name, (address, _) in sorted(self._entries.items())
                if name.startswith(prefix)
            }

    def remove(self, name: str) -> bool:
        """Remove an entry; returns whether there was one."""
        with self._lock:
            return self._entries.pop(name, None) is not None


class NameServer:
    """The name server of one run, or of several.

    Parameters
    ----------
    run_id : str, optional
        The run; a unique one is made by default. Other runs may use the same name server.
    host : str, default "127.0.0.1"
        The interface to listen on: ``"0.0.0.0"`` when workers run on other machines.
    port : int, optional
        By default that of the run's last name server if that died, then 9090, or the next free port
        after it; 0 takes any free one.
    key : bytes, optional
        The run's key; by default that of ``BANDMASTER_KEY``, or the one that a name server of the
        run which died has left in the connection file (so that whoever has it may go on), or a
        fresh one.
    new_key : bool, default False
        Make a fresh key in any case. A master that is running takes it over.
    insecure : bool, default False
        Run without a key: whoever reaches the port may join the run.
    tls : bool or (path, path), optional
        Use TLS for the whole run: the files of a certificate and its private key (PEM), or True
        for one that is made for the run and goes, with its private key, to the connection file.
        Default: ``BANDMASTER_TLS``, or as the run's last name server if that died, or none.
    write_connection_file : bool, default True
        Whether processes of this user shall find the run, and its key, by its run_id.

    Raises
    ------
    ConfigurationError
        When an argument is malformed, or both `key` and `insecure` are given.

    Examples
    --------
    >>> with NameServer(run_id="tuning", host="127.0.0.1") as names:      # doctest: +SKIP
    ...     print(names.host, names.port)

    Notes
    -----
    The constructor starts nothing. `start` and `shutdown` may be called again after each other.
    """

    def __init__(
        self,
        run_id: str | None = None,
        host: str = "127.0.0.1",
        port: int | None = None,
        *,
        key: bytes | None = None,
        new_key: bool = False,
        insecure: bool = False,
        tls: TlsOption = None,
        write_connection_file: bool = True,
    ) -> None:
        if insecure + new_key + (key is not None) > 1:
            raise ConfigurationError("give one of key, new_key=True and insecure=True, not both")
        self.run_id = connection_file.new_run_id() if run_id is None else check_run_id(run_id)
        self.host = Address(host, port or 0).host
        self.port = port
        self.key = check_key(key)
        self._new_key = new_key
        self._insecure = insecure
        self._tls = check_tls(tls)
        if self._tls and insecure:
            raise ConfigurationError("TLS needs the run's key: leave out insecure=True")
        self._write = write_connection_file
        self._server: Server | None = None
        self._info: ConnectionInfo | None = None
        self._pid: int | None = None

    def start(self) -> tuple[str, int]:
        """Begin to serve and return host and port; nothing to do when started.

        Raises
        ------
        ConfigurationError
            When the run has a name server that is alive. What one that died left is replaced. Also
        when that one used a certificate of the user's own and `tls` says nothing.
        CommError
            When the port is taken.
        """
        if self._server is not None:
            return self.address.host, self.address.port
        before = _check_vacant(self.run_id) if self._write else None
        if self.key is None and not self._insecure:
            self.key = self._choose_key(before)
        certificate = self._choose_certificate(before)
        server, address = self._listen(certificate, None if before is None else before.port)
        try:
            if self._write:
                info = ConnectionInfo(
                    self.run_id,
                    self.host,
                    address.port,
                    self.key,
                    tls="" if certificate is None else certificate.fingerprint,
                    certificate=None if isinstance(self._tls, tuple) else certificate,
                )
                path = connection_file.write(info)
                self._info = info
                logger.debug("run %s: connection file %s", self.run_id, path)
        except BaseException:
            server.close()
            raise
        self.port = address.port
        self._server, self._pid = server, os.getpid()
        logger.info("run %s: name server at %s", self.run_id, address)
        if self.key is None:
            logger.warning(
                "Run %s has no key (insecure): whoever reaches its ports may join it", self.run_id
            )
        return address.host, address.port

    def _choose_key(self, before: ConnectionInfo | None) -> bytes:
        if self._new_key:
            return make_key()
        key = connection_file.environment_key()
        if key is None and before is not None and before.key is not None:
            logger.info(
                "Run %s: takes the key of its last name server (pid %d on %s) again",
                self.run_id, before.pid, before.hostname,
            )  # fmt: skip
            key = before.key
        return key or make_key()

    def _choose_certificate(self, before: ConnectionInfo | None) -> Certificate | None:
        tls = self._tls if self._tls is not None else connection_file.environment_tls()
        if tls is None and before is not None and before.tls and not self._insecure:
            if before.certificate is None:
                raise ConfigurationError(
                    f"run {self.run_id!r} uses TLS with a certificate of its own: give it again "
                    "(tls=(certificate, private_key), --certificate), or say that it shall go on "
                    "without (tls=False, BANDMASTER_TLS=0)"
                )
            logger.info("Run %s: uses TLS, as its last name server did", self.run_id)
            tls = True
        if isinstance(tls, tuple):
            return Certificate.load(*tls)
        if not tls:
            return None
        if before is not None and before.certificate is not None and not self._new_key:
            return before.certificate
        return Certificate.make(f"bandmaster {self.run_id}")

    def _listen(
        self, certificate: Certificate | None, last_port: int | None
    ) -> tuple[Server, Address]:
        for attempt in range(10):
            wanted = last_port if self.port is None and attempt == 0 else self.port
            if wanted is None:
                wanted = get_a_free_port(DEFAULT_PORT, self.host)
            server = Server(
                key=self.key,
                host=self.host,
                port=wanted,
                max_request=1 << 16,  # names and addresses are short
                certificate=certificate,
                insecure=self._insecure,
                name="nameserver",
            )
            server.register(NAMES_OBJECT, Registry())
            server.register(ABOUT_OBJECT, AboutHandler("name server"))
            try:
                return server, server.start()
            except CommError:
                if self.port is not None or attempt == 9:
                    raise
                # Another process was faster; there are more ports.
        raise AssertionError("the last attempt returns or raises")

    def shutdown(self) -> None:
        """Stop serving, free the port, remove the connection file; safe to call again."""
        server, self._server = self._server, None
        info, self._info = self._info, None
        if server is None or self._pid != os.getpid():
            return  # a forked child does not end its parent's name server
        if info is not None:
            connection_file.remove(info)
        server.close()

    @property
    def address(self) -> Address:
        """Where it listens, and its certificate; ConfigurationError before `start`."""
        if self._server is None:
            raise ConfigurationError("the name server is not running: call start()")
        return self._server.address

    @property
    def connection_file(self) -> Path | None:
        """The connection file, None when it has none or is not running."""
        return None if self._info is None else connection_file.path_of(self.run_id)

    def __repr__(self) -> str:
        where = "not running" if self._server is None else f"at {self._server.address}"
        return f"<NameServer of run {self.run_id!r}, {where}>"

    def __enter__(self) -> NameServer:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.shutdown()


def _check_vacant(run_id: str) -> ConnectionInfo | None:
    """Return what a name server that is gone has left.

    Refuse to take a run from one that is alive: its processes would be lost.
    """
    try:
        info = connection_file.read(run_id)
    except (AuthenticationError, NameServerError) as error:
        logger.debug("run %s: its connection file tells nothing: %s", run_id, error)
        return None
    if info is None:
        return None
    # Both are asked: another process may have the pid by now, another server the port.
    if not info.surely_dead and _answers(info):
        raise ConfigurationError(
            f"run {run_id!r} already has a name server at {info.address} (pid {info.pid}, host "
            f"{info.hostname}): shut it down, or choose another run_id"
        )
    if not info.near:
        logger.warning(
            "Run %r had a name server on host %s (pid %d), which cannot be reached from here: it "
            "is replaced", run_id, info.hostname, info.pid,
        )  # fmt: skip
    return info


def _answers(info: ConnectionInfo) -> bool:
    client = Client(info.address, NAMES_OBJECT, key=info.key, connect_timeout=_ALIVE_WITHIN)
    try:
        client.connect()
    except CommError as error:
        logger.debug("run %s: its last name server is gone: %s", info.run_id, error)
        return False
    client.close()
    return True
