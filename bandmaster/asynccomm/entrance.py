"""How the master or a worker of a run gets in, and whom it lets in itself."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator

from bandmaster.asynccomm.addresses import Address
from bandmaster.asynccomm.certificates import ANY_CERTIFICATE, TlsOption, check_tls
from bandmaster.asynccomm.connection_file import explained, find_certificate, find_nameserver
from bandmaster.asynccomm.interfaces import choose_interface
from bandmaster.asynccomm.naming import Names
from bandmaster.asynccomm.registration import still_locked
from bandmaster.asynccomm.security import check_access, make_key
from bandmaster.asynccomm.wire import Server
from bandmaster.errors import NameServerError

__all__ = ["Entrance"]

logger = logging.getLogger(__name__)


class Entrance:
    """Finds the name server and the key of a run, and makes the server of a process.

    Parameters
    ----------
    run_id : str
    nameserver, nameserver_port, connection_file
        As `find_nameserver` takes them.
    tls : bool or (path, path), optional
        Whether to insist on TLS; the files of the certificate and private key to use. Default: as
        the connection file says.
    insecure : bool, default False
        Whether to listen without a key where other machines may come from.

    Raises
    ------
    ConfigurationError
        When `tls` is something else.

    Attributes
    ----------
    key : bytes or None
        The run's key, as it was found last.
    """

    def __init__(
        self,
        run_id: str,
        nameserver: str | None,
        nameserver_port: int | None,
        *,
        connection_file: str | os.PathLike[str] | None,
        tls: TlsOption = None,
        insecure: bool = False,
    ) -> None:
        self.run_id = run_id
        self.key: bytes | None = None
        self._nameserver, self._port = nameserver, nameserver_port
        self._file = connection_file
        self._tls = check_tls(tls)
        self._insecure = insecure
        self._locked = False
        self._by_tls = False
        self._secured = False
        self._interface = "127.0.0.1"

    def find(self) -> tuple[Address, bytes | None]:
        """Return where the name server is, and the key.

        Raises
        ------
        NameServerError, AuthenticationError, ConfigurationError
            As `find_nameserver`; also when the run had a key, or used TLS, and does no more.
        """
        address, key = find_nameserver(
            self.run_id,
            self._nameserver,
            self._port,
            connection_file=self._file,
            tls=self._tls,
        )
        self._locked = still_locked(self.run_id, key, self._locked)
        if self._by_tls and not address.tls:
            raise NameServerError(
                f"run {self.run_id!r} has used TLS and its connection file says that it does no "
                "more: start the name server with --tls again, or all processes of the run anew"
            )
        self._by_tls = bool(address.tls)
        return address, key

    @contextlib.contextmanager
    def names(self) -> Iterator[tuple[Names, bytes | None]]:
        """Return a client of the name server, and the key; the errors of its calls are explained.

        Raises
        ------
        ConfigurationError
            In the end, when the name server has let us in without a key and we may not go on so.
        """
        address, key = self.find()
        with (
            explained(self.run_id, self._nameserver, connection_file=self._file),
            Names(address, key=key) as names,
        ):
            try:
                yield names, key
            finally:
                if names.fileno() >= 0:
                    here = Address(self._interface, 0)
                    check_access(here, key, None, insecure=self._insecure)

    def server(
        self,
        nameserver: Address,
        key: bytes | None,
        *,
        host: str | None,
        port: int = 0,
        name: str,
        max_request: int | None = None,
        early: bool = False,
    ) -> Server:
        """Return the server of this process, not started.

        Parameters
        ----------
        nameserver : Address
            As `find` gave it.
        key : bytes or None
        early : bool, default False
            Whether no key means that the name server may not be there yet. Until `admit` is
            called nobody gets in then.
        host : str, optional
            The interface; by default loopback in a run of one machine, else all.
        port : int, default 0
        name : str
            For its threads.
        max_request : int, optional
            As for `Server`.

        Raises
        ------
        ConfigurationError
            When it would listen beyond loopback without a key.
        MissingExtraError
            When a certificate has to be made and cannot.
        """
        self.key = key
        self._interface = host or choose_interface(
            self.run_id, self._nameserver, nameserver, self._file
        )
        server = Server(
            key=make_key() if key is None and early else key,
            host=self._interface,
            port=port,
            max_request=max_request,
            insecure=self._insecure,
            name=name,
        )
        self._secured = False
        self._secure(server)
        return server

    @property
    def interface(self) -> str:
        """Where the server listens."""
        return self._interface

    def admit(self, server: Server, key: bytes | None) -> None:
        """Go on with what the name server has accepted; connections stay."""
        self._secure(server)
        if self.key is not None and key != self.key:
            logger.info("Run %s: its name server has a new key", self.run_id)
        self.key = key
        server.use_key(key)

    def secured(self, address: Address) -> Address:
        """Return the address of another process of the run, with TLS if the run uses it."""
        return address.secured(ANY_CERTIFICATE if self._by_tls else "")

    def _secure(self, server: Server) -> None:
        if self._by_tls and not self._secured:
            server.use_certificate(
                find_certificate(self.run_id, self._tls, connection_file=self._file)
            )
            self._secured = True
