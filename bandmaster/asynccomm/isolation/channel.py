"""Messages between a worker and its child: our codec, each with its length before it."""

from __future__ import annotations

import socket
import struct
import threading
from typing import Any

from bandmaster.asynccomm.forks import own
from bandmaster.core.codec import pack, unpack
from bandmaster.errors import ProtocolError

__all__ = [
    "ANSWER",
    "BROKEN",
    "DONE",
    "FATAL",
    "FETCH",
    "KEEP",
    "LINE_LOST",
    "LOG",
    "READY",
    "REPORT",
    "TROUBLE",
    "WHERE",
    "Channel",
]

READY = "ready"  # child → worker: the objective is loaded
BROKEN = "broken"  # child → worker: it cannot be loaded; a traceback
DONE = "done"  # child → worker: the outcome, and whether the child can go on
FATAL = "fatal"  # child → worker: an exception that is not to be caught; a traceback, the pickle
LOG = "log"  # child → worker: texts, numbers of a record
REPORT = "report"  # child → worker: metrics, step, checkpoint; the answer is one of the last two
WHERE = "where"  # child → worker: whether of the store; the answer is a folder to write to
KEEP = "keep"  # child → worker: the file of a checkpoint, its name
FETCH = "fetch"  # child → worker: the name of a checkpoint; the answer is a file
ANSWER = "answer"  # worker → child: the decision on a report, or what was asked for
TROUBLE = "trouble"  # worker → child: an exception to be raised instead; the pickle

LINE_LOST = 76
"""The exit code of a child whose evaluation has closed its end."""

_LENGTH = struct.Struct("!I")
_CHUNK = 1 << 16
_AT_ONCE = 64
_MOST = 1 << 30


class Channel:
    """One end of a stream of messages.

    Parameters
    ----------
    sock : socket
        Belongs to the channel, and to this process alone: copies in forked children are closed.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = own(sock)
        self._sending = threading.Lock()
        self._buffer = bytearray()

    def fileno(self) -> int:
        """Return the descriptor to wait on, -1 when closed."""
        return self._sock.fileno()

    def send(self, *message: Any) -> None:
        """Send a message; from any thread.

        Raises
        ------
        CodecError
            When it holds what the codec does not know; nothing was sent.
        OSError
            When the other end is gone.
        """
        data = pack(message)
        if len(data) > _MOST:
            raise ProtocolError(f"a message of {len(data)} bytes; {_MOST} are the most")
        with self._sending:
            if len(data) < _CHUNK:
                self._sock.sendall(_LENGTH.pack(len(data)) + data)
            else:
                self._sock.sendall(_LENGTH.pack(len(data)))
                self._sock.sendall(data)

    def receive(self) -> tuple[Any, ...] | None:
        """Wait for a message; None when the other end is gone."""
        while True:
            message = self.take()
            if message is not None or not self.fill():
                return message

    def fill(self) -> bool:
        """Wait until something has come, and read it; False at the end."""
        try:
            chunk = self._sock.recv(_CHUNK)
        except ConnectionError:
            return False
        self._buffer += chunk
        return bool(chunk)

    def drain(self) -> bool:
        """Read what has come, up to a few MB, and wait for nothing; False at the end."""
        for _ in range(_AT_ONCE):
            try:
                chunk = self._sock.recv(_CHUNK, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return True
            except ConnectionError:
                return False
            self._buffer += chunk
            if len(chunk) < _CHUNK:
                return bool(chunk)
        return True

    def take(self) -> tuple[Any, ...] | None:
        """Return the next whole message that was read, None when there is none.

        Raises
        ------
        CodecError, ProtocolError
            When what came is no message.
        """
        buffer = self._buffer
        if len(buffer) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(buffer)
        if length > _MOST:
            raise ProtocolError("what came is no message")
        end = _LENGTH.size + length
        if len(buffer) < end:
            return None
        message = unpack(bytes(buffer[_LENGTH.size : end]))
        del buffer[:end]
        if type(message) is not tuple or not message:
            raise ProtocolError("what came is no message")
        return message

    def close(self) -> None:
        """Close this end."""
        self._sock.close()
