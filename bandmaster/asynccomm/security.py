"""The key of a run: 32 random bytes that its processes share."""

from __future__ import annotations

import secrets

from bandmaster.errors import AuthenticationError

__all__ = ["KEY_SIZE", "decode_key", "encode_key", "make_key"]

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
    if len(key) < 16:
        raise AuthenticationError(
            f"the run's key has {len(key)} bytes: at least 16 are needed, 32 are usual"
        )
    return key
