"""How the processes of a run find each other by name."""

from __future__ import annotations

import re
import secrets
from dataclasses import replace
from typing import Any

from bandmaster.asynccomm.addresses import Address
from bandmaster.asynccomm.certificates import ANY_CERTIFICATE
from bandmaster.asynccomm.net import is_this_machine
from bandmaster.asynccomm.wire import Client
from bandmaster.core.codec import pack, unpack
from bandmaster.errors import (
    CodecError,
    CommTimeoutError,
    ConfigurationError,
    MasterLostError,
    NameServerError,
)

__all__ = [
    "NAMES_OBJECT",
    "Names",
    "check_run_id",
    "dispatcher_name",
    "unique_worker",
    "worker_name",
]

NAMES_OBJECT = "bandmaster.names"
"""The object of a name server."""

_RUN_ID = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}\Z")
_LOOPBACK = re.compile(r"(127\.|localhost\Z|::1\Z)")
_ODD = re.compile(r"[^A-Za-z0-9_.:-]")
_CALL_TIMEOUT = 10.0


def check_run_id(run_id: str) -> str:
    """Return `run_id` if it can name a run.

    Raises
    ------
    ConfigurationError
        When it is no string of up to 64 letters, digits and ``_ . -`` (no dot in front): it is
        part of names and of file names.
    """
    if not isinstance(run_id, str) or not _RUN_ID.match(run_id):
        raise ConfigurationError(
            f"{run_id!r} cannot be a run_id: use up to 64 letters, digits and any of _ . -"
        )
    return run_id


def dispatcher_name(run_id: str) -> str:
    """Return the name under which the dispatcher of a run is registered."""
    return f"bandmaster.{check_run_id(run_id)}.dispatcher"


def unique_worker(host: str, pid: int, id: int | str) -> str:
    """Return what a worker is called in results and logs, ``host.pid-xxxx.id``.

    The four random digits tell apart what runs under one name otherwise: containers on the
    network of one host have its name and, each for itself, the same small pids.
    """
    return f"{host}.{pid}-{secrets.token_hex(2)}.{id}"


def worker_name(run_id: str, worker: str) -> str:
    """Return the name under which a worker of a run is registered; odd characters become _."""
    return f"bandmaster.{check_run_id(run_id)}.worker.{re.sub(_ODD, '_', worker)}"[:200]


class Names:
    """A client of the name server.

    Parameters
    ----------
    address : Address
        Where the name server is.
    key : bytes or None
        The run's key.

    Notes
    -----
    It connects at the first call and again after the name server was restarted. Every method
    raises `NameServerError` when the name server cannot be reached, and `AuthenticationError` or
    `ProtocolVersionError` when it does not let us in. Safe to use from several threads.
    """

    def __init__(self, address: Address, *, key: bytes | None) -> None:
        self.address = address
        self._client = Client(address, NAMES_OBJECT, key=key)

    def register(
        self, name: str, address: str, *, safe: bool = False, lasting: bool = True
    ) -> None:
        """Give `address` a name.

        Parameters
        ----------
        name : str
            Up to 200 letters, digits and ``_ . : -``.
        address : str
            As `Address.parse` reads it.
        safe : bool, default False
            Raise NameServerError instead of replacing an entry with another address.
        lasting : bool, default True
            False ends the entry with the connection of this object, so that the name of a process
            that dies goes with it.
        """
        self._call("register", (name, str(address), safe, lasting))

    def lookup(self, name: str) -> Address:
        """Return the address that has this name, as it can be reached from here.

        Raises
        ------
        NameServerError
            When there is none; the message names what comes near.
        """
        return self._from_here(self._call("lookup", (name,)))

    def addresses(self, prefix: str) -> list[Address]:
        """Return the addresses of all names that begin with `prefix`, as `lookup` does."""
        return [self._from_here(text) for text in self._call("list", (prefix,)).values()]

    def list(self, prefix: str = "") -> dict[str, str]:
        """Return all names that begin with `prefix`, and their addresses as registered."""
        return dict(self._call("list", (prefix,)))

    def remove(self, name: str) -> bool:
        """Remove a name; returns whether there was one."""
        return bool(self._call("remove", (name,)))

    def fileno(self) -> int:
        """Return the connection's descriptor, -1 without one; readable once the server left."""
        return self._client.fileno()

    def close(self) -> None:
        """End the connection, and with it all entries that are not lasting."""
        self._client.close()

    def __enter__(self) -> Names:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _from_here(self, text: str) -> Address:
        address = Address.parse(text)
        here = self.address.reachable
        address = address.secured(ANY_CERTIFICATE if here.tls else "")  # all of the run or nobody
        if address.is_unix or here.is_unix or not _LOOPBACK.match(address.reachable.host):
            return address
        # Whoever registers a loopback address shares the name server's machine, which may be ours.
        return address.reachable if is_this_machine(here.host) else replace(address, host=here.host)

    def _call(self, method: str, arguments: tuple[Any, ...]) -> Any:
        payload = pack(arguments)
        fresh = not self._client.connected
        try:
            try:
                self._client.connect()
                answer = self._client.call(method, payload, timeout=_CALL_TIMEOUT)
            except MasterLostError:
                if fresh:
                    raise
                # The name server may have been restarted since the last call. All its methods
                # may safely be called twice.
                self._client.connect()
                answer = self._client.call(method, payload, timeout=_CALL_TIMEOUT)
        except (MasterLostError, CommTimeoutError) as error:
            raise NameServerError(
                f"the name server at {self.address} cannot be reached: {error}; is it running, "
                "and is this the right host and port?"
            ) from error
        try:
            return unpack(answer)
        except CodecError as error:
            raise NameServerError(f"the name server's answer cannot be read: {error}") from error
