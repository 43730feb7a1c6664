"""The handshake on the bare socket, before Pyro reads a byte.

::

    server → client   hello    magic 8 | version 2 | flags 1 | zero 5 | nonce 32
    (the TLS handshake, and all that follows within it, where the run uses TLS)
    client → server   hello    the same
    server → client   proof    HMAC-SHA256(key, "server" | both hellos | certificate)
    client → server   proof    HMAC-SHA256(key, "client" | both hellos | certificate)

The server proves first, so a client never proves anything to an impostor; a wrong key is noticed
by the client, which knows best what to tell its user. The roles inside the proofs make reflection
fail, the fresh nonces replay, and since the proofs cover both hellos, nobody in between can change
the version or the flags. Whoever can *relay* bytes between the two is not stopped: that takes TLS.
With it the proofs also cover the SHA-256 of the server's certificate as either side knows it, so
the run's key vouches for the certificate and nobody can sit in between with another one. Whether
there is TLS is never negotiated: a side that wants it talks to nobody who does not.

The first eleven bytes keep their place in every future version, so that both sides can always say
which versions they speak.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass

from bandmaster.errors import (
    AuthenticationError,
    CommError,
    CommTimeoutError,
    MasterLostError,
    ProtocolError,
    ProtocolVersionError,
)

__all__ = [
    "HELLO_SIZE",
    "MAGIC",
    "PROOF_SIZE",
    "PROTOCOL_VERSION",
    "Hello",
    "Secure",
    "accept_client",
    "greet_server",
    "proof",
    "refuse_full",
]

PROTOCOL_VERSION: int = 1
HELLO_SIZE = 48
PROOF_SIZE = 32

MAGIC = b"\x89BMASTR\n"  # not text, so nothing that speaks a text protocol begins like it
_HELLO = struct.Struct("!8sHB5s32s")
_KEYED, _FULL, _TLS = 1, 2, 4

Secure = Callable[[socket.socket, float], tuple[socket.socket, bytes]]
"""Does the TLS handshake in at most so many seconds; returns the socket to use from now on, and
the SHA-256 of the server's certificate."""


@dataclass(frozen=True, slots=True)
class Hello:
    """The first frame of either side.

    Parameters
    ----------
    nonce : bytes
        32 bytes, never used twice.
    keyed : bool
        Whether the sender has a key and insists on one.
    full : bool
        From a server that takes no more connections; the connection ends here.
    tls : bool
        Whether the sender insists on TLS.
    version : int
        The protocol version that the sender speaks.
    """

    nonce: bytes
    keyed: bool = True
    full: bool = False
    tls: bool = False
    version: int = PROTOCOL_VERSION

    def encode(self) -> bytes:
        """Return the `HELLO_SIZE` bytes of this frame."""
        flags = self.keyed * _KEYED | self.full * _FULL | self.tls * _TLS
        return _HELLO.pack(MAGIC, self.version, flags, bytes(5), self.nonce)

    @classmethod
    def decode(cls, data: bytes) -> Hello:
        """Read a frame.

        Raises
        ------
        ProtocolError
            When it does not begin as ours do.
        """
        magic, version, flags, _zero, nonce = _HELLO.unpack(data)
        if magic != MAGIC:
            raise ProtocolError(
                f"the other end does not speak Bandmaster: it began with {data[:8]!r}"
            )
        return cls(nonce, bool(flags & _KEYED), bool(flags & _FULL), bool(flags & _TLS), version)


def proof(
    key: bytes | None, role: bytes, server_hello: bytes, client_hello: bytes, binding: bytes = b""
) -> bytes:
    """Return the `PROOF_SIZE` bytes by which `role` shows that it knows the key.

    Parameters
    ----------
    binding : bytes, default b""
        The SHA-256 of the server's certificate; empty without TLS.
    """
    transcript = b"bandmaster preamble " + role + b"\0" + server_hello + client_hello + binding
    return hmac.digest(key or b"", transcript, hashlib.sha256)


def accept_client(
    sock: socket.socket, key: bytes | None, *, timeout: float, secure: Secure | None = None
) -> socket.socket:
    """Do the server's part; on return the client is authenticated.

    Parameters
    ----------
    sock : socket.socket
        A fresh connection; its timeout is changed.
    key : bytes or None
        The run's key, or None to serve without one.
    timeout : float
        Seconds for the whole of it.
    secure : callable, optional
        Does the TLS handshake; None serves without TLS.

    Returns
    -------
    socket.socket
        What to use from now on.

    Raises
    ------
    AuthenticationError, ProtocolVersionError, ProtocolError, CommTimeoutError, MasterLostError
        The caller closes the connection.
    """
    deadline = time.monotonic() + timeout
    ours = Hello(os.urandom(32), keyed=key is not None, tls=secure is not None).encode()
    _send(sock, ours, deadline)
    binding = b""
    if secure is not None:
        sock, binding = secure(sock, max(0.001, deadline - time.monotonic()))
    theirs = _receive(sock, HELLO_SIZE, deadline)
    hello = Hello.decode(theirs)
    _check_version(hello, "client")
    if hello.keyed != (key is not None):
        raise AuthenticationError(
            "the client has no key" if key is not None else "the client insists on a key"
        )
    if hello.tls != (secure is not None):
        raise AuthenticationError("the client and we do not agree on TLS")
    _send(sock, proof(key, b"server", ours, theirs, binding), deadline)
    try:
        shown = _receive(sock, PROOF_SIZE, deadline)
    except MasterLostError as error:
        raise AuthenticationError(
            "the client left when it saw our proof: it probably has another key"
        ) from error
    if not hmac.compare_digest(shown, proof(key, b"client", ours, theirs, binding)):
        raise AuthenticationError("the client does not know the run's key")
    return sock


def greet_server(
    sock: socket.socket, key: bytes | None, *, timeout: float, secure: Secure | None = None
) -> socket.socket:
    """Do the client's part; on return the server is authenticated and will accept us.

    Parameters
    ----------
    sock, key, timeout, secure
        As for `accept_client`.

    Returns
    -------
    socket.socket
        What to use from now on.

    Raises
    ------
    AuthenticationError
        The keys differ, or only one side has one, or only one side wants TLS, or the certificate
        is not the one we expect.
    ProtocolVersionError
        The server speaks another version.
    CommError
        The server takes no more connections.
    ProtocolError, CommTimeoutError, MasterLostError
        It is no server of ours, it is silent, or it went away.
    """
    deadline = time.monotonic() + timeout
    theirs = _receive(sock, HELLO_SIZE, deadline)
    hello = Hello.decode(theirs)
    ours = Hello(os.urandom(32), keyed=key is not None, tls=secure is not None).encode()
    _check_server(hello, key, secure, lambda: _send(sock, ours, deadline))
    binding = b""
    if secure is not None:
        sock, binding = secure(sock, max(0.001, deadline - time.monotonic()))
    _send(sock, ours, deadline)
    if not hmac.compare_digest(
        _receive(sock, PROOF_SIZE, deadline), proof(key, b"server", theirs, ours, binding)
    ):
        raise AuthenticationError(
            "the server has another key than we: it belongs to another run, or the connection "
            "file is an old one"
        )
    _send(sock, proof(key, b"client", theirs, ours, binding), deadline)
    return sock


def _check_server(
    hello: Hello, key: bytes | None, secure: Secure | None, answer: Callable[[], None]
) -> None:
    """Leave a server that is not as we expect; its log shall say why where that is safe."""
    if hello.full:
        raise CommError("the server takes no more connections: it is full; try again later")
    try:
        _check_version(hello, "server")
        if hello.keyed and key is None:
            raise AuthenticationError(
                "the server wants the run's key and we have none: name the connection file of the "
                "run, or set BANDMASTER_KEY"
            )
        if hello.tls and secure is None:
            raise AuthenticationError(
                "the server wants TLS and we were not told to use it: name the connection file of "
                "the run, or give tls=True (--tls, BANDMASTER_TLS=1)"
            )
    except CommError:
        with contextlib.suppress(CommError):
            answer()
        raise
    # One that offers less than we insist on may be an impostor: it hears nothing.
    if key is not None and not hello.keyed:
        raise AuthenticationError(
            "the server runs without a key and we were given one: we do not trust it; start it "
            "with the run's key"
        )
    if secure is not None and not hello.tls:
        raise AuthenticationError(
            "the server does not use TLS and we were told to insist on it: we do not trust it; "
            "start the run's name server and master with tls=True (--tls)"
        )


def refuse_full(sock: socket.socket) -> None:
    """Tell a fresh connection that the server is full, without waiting for anything."""
    sock.setblocking(False)
    try:
        sock.send(Hello(os.urandom(32), full=True).encode())
    except OSError:
        return  # it has gone already, which is what we wanted


def _check_version(hello: Hello, who: str) -> None:
    if hello.version != PROTOCOL_VERSION:
        raise ProtocolVersionError(
            f"the {who} speaks protocol version {hello.version}, we speak version "
            f"{PROTOCOL_VERSION}: use the same release of Bandmaster on both sides"
        )


def _receive(sock: socket.socket, size: int, deadline: float) -> bytes:
    data = b""
    while len(data) < size:
        _set_deadline(sock, deadline, f"received {len(data)} of {size} bytes")
        try:
            chunk = sock.recv(size - len(data))
        except TimeoutError:
            continue  # and let the deadline explain
        except OSError as error:
            raise MasterLostError(f"the connection broke in the preamble: {error}") from error
        if not chunk:
            raise MasterLostError(
                f"the other end hung up in the preamble after {len(data)} of {size} bytes"
            )
        data += chunk
    return data


def _send(sock: socket.socket, data: bytes, deadline: float) -> None:
    _set_deadline(sock, deadline, "could not send")
    try:
        sock.sendall(data)
    except TimeoutError as error:
        raise CommTimeoutError("the other end reads nothing") from error
    except OSError as error:
        raise MasterLostError(f"the connection broke in the preamble: {error}") from error


def _set_deadline(sock: socket.socket, deadline: float, state: str) -> None:
    remaining = deadline - time.monotonic()
    if remaining <= 0:
        raise CommTimeoutError(f"the other end did not finish the preamble in time: {state}")
    sock.settimeout(remaining)
