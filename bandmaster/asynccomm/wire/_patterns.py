"""Frames as Pyro makes them: it makes the first of a kind, the others are filled in.

Two frames of a kind differ in their sequence number, their lengths and their payload only. So Pyro
is asked once for each object and method, which also keeps the global settings of another user of
Pyro in this process out of all that follows (docs/adr/0015).
"""

from __future__ import annotations

import struct

from bandmaster.asynccomm import frames
from bandmaster.asynccomm.wire._pyro import MSG_INVOKE, MSG_RESULT, SendingMessage, msgpack

__all__ = ["ANSWER", "Pattern", "call_pattern"]

_HEADER = struct.Struct("!10sHI24s")  # the sequence number and the length between what is constant
_SHORT = tuple(bytes([0xC4, n]) for n in range(256))
_EMPTY = _SHORT[0]


class Pattern:
    """What frames of one kind have in common.

    Parameters
    ----------
    frame : bytes
        One with an empty byte string as its payload.
    """

    __slots__ = ("_begin", "_constant", "_names", "_rest", "_tail")

    def __init__(self, frame: bytes) -> None:
        # A correlation id, if somebody's call is being served, is not for all frames to come.
        frame = frames.plain(frame)
        self._begin = frame[:8] + b"\0\0"
        self._rest = frame[16:20] + bytes(16) + frame[36:40]
        self._names, empty, self._tail = frame[40:].rpartition(_EMPTY)
        assert empty
        self._constant = len(self._names) + len(self._tail)

    def fill(self, sequence: int, payload: bytes, first: bytes = b"") -> bytes:
        """Return the frame with this sequence number and payload, which may begin with `first`."""
        n = len(first) + len(payload)
        if n < 256:
            marker = _SHORT[n]
        elif n < 1 << 16:
            marker = b"\xc5" + n.to_bytes(2, "big")
        else:
            marker = b"\xc6" + n.to_bytes(4, "big")
        size = self._constant + len(marker) + n
        header = _HEADER.pack(self._begin, sequence, size, self._rest)
        return b"".join((header, self._names, marker, first, payload, self._tail))


def call_pattern(object_id: str, method: str) -> Pattern:
    """Return what all calls of a method of an object have in common."""
    call = msgpack.dumpsCall(object_id, "exchange", (method, b""), {})
    return Pattern(SendingMessage(MSG_INVOKE, 0, 0, msgpack.serializer_id, call).data)


ANSWER = Pattern(
    SendingMessage(MSG_RESULT, 0, 0, msgpack.serializer_id, bytes(msgpack.dumps(b""))).data
)
"""What all answers have in common."""
