"""What an exchange returns: one byte that says how it went, then the answer or the error."""

from __future__ import annotations

from bandmaster import errors
from bandmaster.core.codec import pack, unpack
from bandmaster.errors import BandmasterError, CodecError, CommError, ProtocolError

__all__ = ["Reply", "decode_reply", "encode_error", "encode_reply"]

Reply = tuple[bytes, bytes]
"""Both parts of a reply."""

_ANSWER, _ERROR = b"\x00", b"\x01"
_MAX_TEXT = 10_000

# Only these classes are ever made from what arrives, with their message as the only argument.
_ALLOWED: dict[str, type[BandmasterError]] = {
    name: getattr(errors, name) for name in errors.__all__ if name != "MissingExtraError"
}


def encode_reply(answer: bytes) -> Reply:
    """Return the reply of a call that went well."""
    return _ANSWER, answer


def encode_error(error: BandmasterError) -> Reply:
    """Return the reply of a call that raised `error`: its class, or the nearest one that may
    travel, and its message."""
    name = next(
        kind.__name__ for kind in type(error).__mro__ if _ALLOWED.get(kind.__name__) is kind
    )
    return _ERROR, pack((name, str(error)[:_MAX_TEXT]))


def decode_reply(reply: bytes) -> bytes:
    """Return the answer, or raise the error that the other end sent.

    Raises
    ------
    BandmasterError
        The error of the other end.
    ProtocolError
        When the reply is neither an answer nor an error.
    """
    if reply.startswith(_ANSWER):
        return reply[1:]
    if reply[:1] != _ERROR:
        raise ProtocolError("a reply that is neither an answer nor an error")
    try:
        value = unpack(reply[1:])
    except CodecError as error:
        raise ProtocolError(f"an error that cannot be read: {error}") from error
    if not (type(value) is tuple and len(value) == 2 and all(type(part) is str for part in value)):
        raise ProtocolError("an error that is not a pair of texts")
    name, message = value
    raise _ALLOWED.get(name, CommError)(message)
