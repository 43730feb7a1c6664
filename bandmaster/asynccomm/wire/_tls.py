"""TLS for one connection, within the time of its preamble."""

from __future__ import annotations

import functools
import hmac
import socket
import ssl
import time
from collections.abc import Callable

from bandmaster.asynccomm.certificates import ANY_CERTIFICATE, Certificate, fingerprint_of
from bandmaster.asynccomm.preamble import MAGIC, Secure
from bandmaster.asynccomm.wire._sockets import own
from bandmaster.errors import (
    AuthenticationError,
    CommTimeoutError,
    MasterLostError,
    ProtocolError,
)

__all__ = ["Opened", "TlsSocket", "securing_client", "securing_server"]

Opened = Callable[[socket.socket], object]
"""Is told of the socket that takes the place of another, before its handshake begins."""


class TlsSocket(ssl.SSLSocket):
    """An encrypted socket that another thread may shut down."""

    def shutdown(self, how: int) -> None:
        """End the connection; whoever reads from it gets an end.

        The parent forgets its keys here and would take what comes next for plain text.
        """
        socket.socket.shutdown(self, how)


def securing_server(certificate: Certificate) -> Callable[[Opened], Secure]:
    """Return what makes the server's handshake for a connection.

    The callable that it returns gets a function that is told of the new socket before the
    handshake begins, so that another thread can end it.
    """
    context = certificate.context()
    context.sslsocket_class = TlsSocket
    binding = bytes.fromhex(certificate.fingerprint)

    def securing(opened: Opened) -> Secure:
        def secure(sock: socket.socket, seconds: float) -> tuple[socket.socket, bytes]:
            deadline = time.monotonic() + seconds
            _refuse_plain(sock, seconds)
            wrapped = context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
            return _shake_hands(wrapped, opened, deadline, "client"), binding

        return secure

    return securing


def securing_client(fingerprint: str, opened: Opened) -> Secure:
    """Return what makes the client's handshake for a connection.

    Parameters
    ----------
    fingerprint : str
        SHA-256 of the server's certificate, or `ANY_CERTIFICATE`.
    opened : callable
        Is told of the new socket before the handshake begins.
    """

    def secure(sock: socket.socket, seconds: float) -> tuple[socket.socket, bytes]:
        deadline = time.monotonic() + seconds
        wrapped = _client_context().wrap_socket(sock, do_handshake_on_connect=False)
        _shake_hands(wrapped, opened, deadline, "server")
        shown = fingerprint_of(wrapped.getpeercert(binary_form=True) or b"")
        if fingerprint != ANY_CERTIFICATE and not hmac.compare_digest(shown, fingerprint):
            wrapped.close()
            raise AuthenticationError(
                f"the server shows another certificate (SHA-256 {shown}) than the run's "
                f"connection file names ({fingerprint}): it is not the run's name server, or the "
                "file is an old one"
            )
        return wrapped, bytes.fromhex(shown)

    return secure


@functools.cache
def _client_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    # No authority vouches for the certificate, and no host's name: the run's key does.
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.sslsocket_class = TlsSocket
    return context


def _refuse_plain(sock: socket.socket, seconds: float) -> None:
    sock.settimeout(seconds)
    try:
        first = sock.recv(1, socket.MSG_PEEK)
    except TimeoutError as error:
        raise CommTimeoutError("the client did not begin the TLS handshake in time") from error
    except OSError as error:
        raise MasterLostError(f"the connection broke before the TLS handshake: {error}") from error
    if not first:
        raise MasterLostError("the client hung up before the TLS handshake")
    if first == MAGIC[:1]:
        raise AuthenticationError("the client does not use TLS")


def _shake_hands(
    wrapped: ssl.SSLSocket, opened: Opened, deadline: float, who: str
) -> ssl.SSLSocket:
    own(wrapped)
    opened(wrapped)
    try:
        wrapped.settimeout(max(0.001, deadline - time.monotonic()))
        wrapped.do_handshake()
    except TimeoutError as error:
        wrapped.close()
        raise CommTimeoutError(f"the {who} did not finish the TLS handshake in time") from error
    except ssl.SSLEOFError as error:
        wrapped.close()
        raise MasterLostError(f"the {who} hung up in the TLS handshake") from error
    except ssl.SSLError as error:
        wrapped.close()
        raise ProtocolError(f"the TLS handshake with the {who} failed: {error}") from error
    except OSError as error:
        wrapped.close()
        raise MasterLostError(f"the connection broke in the TLS handshake: {error}") from error
    return wrapped
