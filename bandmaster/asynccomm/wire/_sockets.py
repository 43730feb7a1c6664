"""Sockets as we want them: watched by the kernel, without delay, never inherited by a fork."""

from __future__ import annotations

import os
import socket
import stat
import struct
from collections.abc import Callable

from bandmaster.asynccomm.addresses import Address
from bandmaster.asynccomm.forks import own
from bandmaster.errors import CommError, ConfigurationError

__all__ = ["connect", "describe_peer", "give_up_after", "listen", "own", "tune"]

_KEEPALIVE = {
    # A silent peer is asked after 5 s, then every 3 s, and given up after three questions.
    "TCP_KEEPIDLE": 5,
    "TCP_KEEPALIVE": 5,  # the name that macOS has for it
    "TCP_KEEPINTVL": 3,
    "TCP_KEEPCNT": 3,
    # Keepalive alone never notices a dead link while sent data is unacknowledged.
    "TCP_USER_TIMEOUT": 12_000,
    "TCP_NODELAY": 1,
}


def tune(sock: socket.socket) -> None:
    """Let the kernel notice a dead peer in 10 to 15 s and send small frames at once."""
    if sock.family == socket.AF_UNIX:
        return  # both ends are on this machine: the kernel knows at once
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        option = getattr(socket, name, None)
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


def listen(address: Address) -> tuple[socket.socket, Address]:
    """Return a listening, non-blocking socket and the address that it got.

    Raises
    ------
    CommError
        When the address is taken or does not belong to this machine.
    """
    if address.is_unix:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        place: object = address.path
    else:
        try:
            family, kind, _, _, place = socket.getaddrinfo(
                address.host or None,
                address.port,
                type=socket.SOCK_STREAM,
                flags=socket.AI_PASSIVE,
            )[0]
        except OSError as error:
            raise CommError(f"cannot listen on {address}: {error}") from error
        sock = socket.socket(family, kind)
    try:
        if not address.is_unix:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if address.is_unix:
            _unlink_stale(address.path)
        sock.bind(place)  # type: ignore[arg-type]  # a path or what getaddrinfo returned
        if address.is_unix:
            os.chmod(address.path, 0o600)
        else:
            address = Address(address.host, sock.getsockname()[1])
        sock.listen(1024)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        raise CommError(
            f"cannot listen on {address}: {error.strerror or error}; choose another port, or 0 "
            "for any free one"
        ) from error
    return own(sock), address


def _unlink_stale(path: str) -> None:
    """Remove the socket of a server that was killed; anything else stays in the way."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.setblocking(False)
            probe.connect(path)
        except ConnectionRefusedError:
            if stat.S_ISSOCK(os.lstat(path).st_mode):
                os.unlink(path)
        except OSError:
            return  # there is nothing, or it is alive: bind will tell


def connect(
    address: Address, timeout: float, created: Callable[[socket.socket], None]
) -> socket.socket:
    """Return a socket connected to `address`.

    Parameters
    ----------
    address : Address
        A wildcard host means loopback.
    timeout : float
        Seconds for each address that the host's name has.
    created : callable
        Gets each socket before it connects, so that another thread can shut it down.

    Raises
    ------
    OSError
        As the system raises it.
    ConfigurationError
        When the address has no port.
    """
    address = address.reachable
    if address.is_unix:
        return _connect_unix(address.path, timeout, created)
    if not address.port:
        raise ConfigurationError(f"{address} has no port to connect to")
    failure: OSError | None = None
    for family, kind, _, _, place in socket.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM
    ):
        sock = own(socket.socket(family, kind))
        try:
            created(sock)
            sock.settimeout(timeout)
            sock.connect(place)
            if sock.getsockname() == sock.getpeername():
                raise ConnectionRefusedError("nothing listens there")  # TCP's self-connect
            tune(sock)
        except OSError as error:
            sock.close()
            failure = error
        else:
            return sock
    raise failure or OSError("the name has no address")


def _connect_unix(
    path: str, timeout: float, created: Callable[[socket.socket], None]
) -> socket.socket:
    sock = own(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
    try:
        created(sock)
        # A non-blocking connect fails when the server's queue is full instead of waiting in it,
        # so this one blocks, and the kernel keeps the time.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _timeval(timeout))
        sock.connect(path)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", 0, 0))
    except BlockingIOError as error:
        sock.close()
        raise TimeoutError("the server's queue stays full") from error
    except OSError:
        sock.close()
        raise
    return sock


def give_up_after(sock: socket.socket, seconds: float) -> None:
    """Have the kernel end each read and write of a blocking socket with EAGAIN after `seconds`."""
    for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        sock.setsockopt(socket.SOL_SOCKET, option, _timeval(seconds))


def _timeval(seconds: float) -> bytes:
    seconds = max(seconds, 0.001)
    return struct.pack("@ll", int(seconds), int(seconds % 1 * 1e6))


def describe_peer(sock: socket.socket) -> str:
    """Return the other end of a connection as text, for messages."""
    try:
        if sock.family == socket.AF_UNIX:
            if hasattr(socket, "SO_PEERCRED"):
                credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
                return "unix:pid={},uid={}".format(*struct.unpack("3i", credentials)[:2])
            return "unix"
        host, port = sock.getpeername()[:2]
        return str(Address(host, port))
    except OSError:
        return "a peer that is gone"
