"""The key of a run: 32 random bytes that its processes share."""

from __future__ import annotations

import ipaddress
import secrets

from bandmaster.asynccomm.addresses import Address
from bandmaster.asynccomm.certificates import Certificate
from bandmaster.errors import AuthenticationError, ConfigurationError

__all__ = ["KEY_SIZE", "check_access", "check_key", "decode_key", "encode_key", "make_key"]

KEY_SIZE = 32


def make_key() -> bytes:
    """Return a fresh key of `KEY_SIZE` random bytes."""
    return secrets.token_bytes(KEY_SIZE)


def encode_key(key: bytes) -> str:
    """Write a key as hexadecimal text, for a file or an environment variable."""
    return key.hex()


def decode_key(text: str) -> bytes:
    """Read what `encode_key` wrote.

    Raises
    ------
    AuthenticationError
        When the text is not hexadecimal or the key is shorter than 16 bytes. The message does
        not repeat the text.
    """
    try:
        key = bytes.fromhex(text.strip())
    except (ValueError, AttributeError) as error:
        raise AuthenticationError("the run's key is not hexadecimal text") from error
    _check_length(key)
    return key


def check_key(key: bytes | None) -> bytes | None:
    """Return the key of a run if it may be one.

    Raises
    ------
    ConfigurationError
        When it is no bytes, or shorter than 16.
    """
    if key is None:
        return None
    if not isinstance(key, bytes):
        raise ConfigurationError(f"a run's key is bytes, got {type(key).__name__}")
    try:
        _check_length(key)
    except AuthenticationError as error:
        raise ConfigurationError(str(error)) from None
    return key


def _check_length(key: bytes) -> None:
    if len(key) < 16:
        raise AuthenticationError(
            f"the run's key has {len(key)} bytes: at least 16 are needed, 32 are usual"
        )


def check_access(
    address: Address, key: bytes | None, certificate: Certificate | None, *, insecure: bool
) -> None:
    """Refuse a server whom strangers could reach and talk to.

    Parameters
    ----------
    address : Address
        Where it would listen.
    key : bytes or None
        The run's key; without one everybody who reaches the server is let in.
    certificate : Certificate or None
        For TLS.
    insecure : bool
        Whether the user wants it all the same.

    Raises
    ------
    ConfigurationError
        Without a key beyond loopback; also for TLS without a key, which would prove nothing.
    """
    if key is not None:
        return
    if certificate is not None:
        raise ConfigurationError(
            "TLS needs the run's key, which vouches for the certificates: leave out insecure=True "
            "(--insecure)"
        )
    if not insecure and not address.is_unix and not _is_loopback(address.host):
        raise ConfigurationError(
            f"it would listen on {address.host or '0.0.0.0'} without a key, so whoever reaches the "
            "port could join the run: name the run's connection file (connection_file=, "
            "--connection-file) or set BANDMASTER_KEY; or listen on 127.0.0.1; or allow it with "
            "insecure=True (--insecure)"
        )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False  # a name: of an interface that others reach, for all we know
