"""Which Pyro frames we let in: a grammar so narrow that nothing is left to deserialise.

Pyro's messages have a header of 40 bytes (its wire protocol 502)::

    "PYRO" | version 2 | type 1 | serializer 1 | flags 2 | sequence 2
    | data length 4 | annotations length 4 | correlation id 16 | reserved 2 | magic 2

A request is MSG_INVOKE with the msgpack payload ``[object, "exchange", [method, bytes], {}]``, a
reply is MSG_RESULT with one msgpack byte string. Neither may be compressed, batched, one-way,
kept serialised, an exception or a stream, nor carry annotations. The payload is compared with its
grammar byte by byte: there is no map, no extension type and no number
in it that a deserialiser could be made to act upon.
"""

from __future__ import annotations

import re
import struct
import zlib
from typing import NamedTuple

from bandmaster.errors import ConfigurationError, ProtocolError

__all__ = [
    "HEADER_SIZE",
    "Call",
    "CallReader",
    "check_call_header",
    "check_name",
    "check_result_header",
    "plain",
    "read_call",
    "read_result",
]

HEADER_SIZE = 40

_HEADER = struct.Struct("!4sHBBHHII16sHH")
_CHECKED = struct.Struct("!8sHxxII18xH")  # the fields by which a header is told to be ours
_WIRE_VERSION, _MAGIC = 502, 0x4DC5
_MSGPACK = 4
_BEGIN_CALL = b"PYRO" + _WIRE_VERSION.to_bytes(2, "big") + bytes([4, _MSGPACK])  # MSG_INVOKE
_BEGIN_RESULT = b"PYRO" + _WIRE_VERSION.to_bytes(2, "big") + bytes([5, _MSGPACK])  # MSG_RESULT
_COMPRESSED, _CORRELATION = 1 << 1, 1 << 6
_EXCHANGE = b"\xa8exchange\x92"  # the method's name, then "an array of two follows"
_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,200}\Z")


class Call(NamedTuple):
    """What a request asks for."""

    sequence: int
    target: str
    method: str
    payload: bytes


def check_name(name: str, what: str) -> str:
    """Return `name` if it can name an object or a method of ours.

    Raises
    ------
    ConfigurationError
        When it is empty, too long or has characters that a name may not have.
    """
    if not _NAME.match(name):
        raise ConfigurationError(
            f"{name!r} cannot name {what}: use up to 200 letters, digits and any of _ . : -"
        )
    return name


def check_call_header(header: bytes, max_message: int) -> int:
    """Return the payload's length of a request, given its first 40 bytes or more.

    Raises
    ------
    ProtocolError
        When the header is not one that our clients send.
    """
    return _check_header(header, _BEGIN_CALL, max_message)


def check_result_header(header: bytes, max_message: int) -> int:
    """Return the payload's length of a reply; raises as `check_call_header`."""
    return _check_header(header, _BEGIN_RESULT, max_message)


def read_call(frame: bytes) -> Call:
    """Read a request, whose header has been checked, by the grammar above.

    Raises
    ------
    ProtocolError
        When its payload differs from the grammar anywhere.
    """
    return CallReader().read(frame)


class CallReader:
    """Reads the requests of a connection, whose headers have been checked.

    Most ask for the method that the last one asked for: what begins with the same bytes up to the
    payload says the same.
    """

    __slots__ = ("_begin", "_method", "_target")

    def __init__(self) -> None:
        self._begin = b""
        self._target = self._method = ""

    def read(self, frame: bytes) -> Call:
        """Read a request by the grammar above.

        Raises
        ------
        ProtocolError
            When its payload differs from the grammar anywhere.
        """
        begin = self._begin
        try:
            if not begin or not frame.startswith(begin, HEADER_SIZE):
                begin = self._learn(frame)
            first, end = _bytes(frame, HEADER_SIZE + len(begin))
            if end != len(frame) - 1 or frame[end] != 0x80:
                raise ProtocolError("a request with keyword arguments or a tail")
        except IndexError:
            raise ProtocolError("a request that is cut off") from None
        sequence = frame[10] << 8 | frame[11]
        return Call(sequence, self._target, self._method, frame[first:end])

    def _learn(self, frame: bytes) -> bytes:
        if frame[HEADER_SIZE] != 0x94:
            raise ProtocolError("a request that is not an array of four")
        target, position = _string(frame, HEADER_SIZE + 1)
        if not frame.startswith(_EXCHANGE, position):
            raise ProtocolError("a call of something other than exchange(method, payload)")
        method, position = _string(frame, position + len(_EXCHANGE))
        self._target, self._method = target, method
        self._begin = frame[HEADER_SIZE:position]
        return self._begin


def read_result(frame: bytes) -> tuple[int, bytes]:
    """Read a reply, whose header has been checked; raises as `read_call`.

    Returns
    -------
    sequence : int
        Which call it answers.
    data : bytes
    """
    try:
        begin, end = _bytes(frame, HEADER_SIZE)
    except IndexError:
        raise ProtocolError("a reply that is cut off") from None
    if end != len(frame):
        raise ProtocolError("a reply with a tail")
    return frame[10] << 8 | frame[11], frame[begin:end]


def plain(frame: bytes) -> bytes:
    """Undo what Pyro's global settings do to an outgoing frame.

    A user of Pyro5 in the same process may have switched compression on, or set annotations for
    the current thread; neither belongs on our connections.
    """
    if not frame[9] & _COMPRESSED and frame[16:20] == b"\0\0\0\0":
        return frame
    tag, version, kind, serializer, flags, sequence, size, extra, correlation, zero, magic = (
        _HEADER.unpack_from(frame)
    )
    payload = frame[HEADER_SIZE + extra : HEADER_SIZE + extra + size]
    if flags & _COMPRESSED:
        payload = zlib.decompress(payload)
        flags &= ~_COMPRESSED
    header = _HEADER.pack(
        tag, version, kind, serializer, flags, sequence, len(payload), 0, correlation, zero, magic
    )
    return header + payload


def _check_header(header: bytes, begin: bytes, max_message: int) -> int:
    # The usual header is recognised at a glance; the rest finds out what is wrong.
    start, flags, size, extra, magic = _CHECKED.unpack_from(header)
    if (
        start == begin
        and not flags & ~_CORRELATION
        and not extra
        and magic == _MAGIC
        and size <= max_message
    ):
        return size  # type: ignore[no-any-return]  # struct has no types
    tag, version, kind, serializer, flags, _sequence, size, _extra, _id, _zero, magic = (
        _HEADER.unpack_from(header)
    )
    if tag != b"PYRO" or version != _WIRE_VERSION or magic != _MAGIC:
        raise ProtocolError(f"no Pyro frame: it begins with {header[:8]!r}")
    if kind != begin[6]:
        raise ProtocolError(f"a frame of type {kind}, only type {begin[6]} is allowed here")
    if serializer != _MSGPACK:
        raise ProtocolError(f"a frame of serializer {serializer}, only msgpack is allowed")
    if flags & ~_CORRELATION:
        raise ProtocolError(f"a frame with flags 0x{flags:x}, none are allowed")
    if size > max_message:
        raise ProtocolError(f"a frame of {size} bytes, at most {max_message} are allowed")
    raise ProtocolError("a frame with annotations, none are allowed")


def _string(data: bytes, start: int) -> tuple[str, int]:
    """Return a short string, and where it ends."""
    marker = data[start]
    if 0xA1 <= marker <= 0xBF:
        begin, end = start + 1, start + 1 + (marker & 0x1F)
    elif marker == 0xD9:
        begin, end = start + 2, start + 2 + data[start + 1]
    else:
        raise ProtocolError("a name that is not a short string")
    try:
        if end <= len(data):
            return data[begin:end].decode("ascii"), end
    except UnicodeDecodeError:
        pass  # said below
    raise ProtocolError("a name that is cut off or not ASCII")


def _bytes(data: bytes, start: int) -> tuple[int, int]:
    """Return where a byte string begins and ends."""
    marker = data[start]
    if marker == 0xC4:  # most are short
        begin = start + 2
        end = begin + data[start + 1]
    elif marker in (0xC5, 0xC6):
        begin = start + (3 if marker == 0xC5 else 5)
        if begin > len(data):
            raise ProtocolError("a payload that is cut off")
        end = begin + int.from_bytes(data[start + 1 : begin], "big")
    else:
        raise ProtocolError("a payload that is not a byte string")
    if end > len(data):
        raise ProtocolError("a payload that is cut off")
    return begin, end
