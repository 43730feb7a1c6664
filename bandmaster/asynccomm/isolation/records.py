"""What a worker and its keeper say to each other: records of a fixed size, so none is torn."""

from __future__ import annotations

import array
import os
import socket
import struct
from typing import NamedTuple

__all__ = ["DUMP", "ENDED", "KILL", "MADE", "MAKE", "Record", "receive", "send"]

MAKE = 1  # worker → keeper, with two descriptors: make child `number`
KILL = 2  # worker → keeper: end child `number`
DUMP = 3  # worker → keeper: the same, after it wrote down where it is
MADE = 4  # keeper → worker: `value` is its process id
ENDED = 5  # keeper → worker: it is gone, with all it had started; `value` is its exit code

_FORMAT = struct.Struct("!BIi")


class Record(NamedTuple):
    """One of the words above.

    Parameters
    ----------
    kind : int
    number : int
        Which child; they are counted.
    value : int
    descriptors : tuple of int
        What came with it.
    """

    kind: int
    number: int
    value: int = 0
    descriptors: tuple[int, ...] = ()


def send(line: socket.socket, record: Record) -> None:
    """Send a record; its descriptors stay open here."""
    data = _FORMAT.pack(*record[:3])
    if record.descriptors:
        rights = array.array("i", record.descriptors)
        line.sendmsg([data], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
    else:
        line.send(data)


def receive(line: socket.socket) -> Record | None:
    """Receive a record; None when the other end is gone."""
    try:
        data, descriptors, _, _ = socket.recv_fds(line, _FORMAT.size, 2)
    except ConnectionError:
        return None
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)  # the call above has no way to say so
    if len(data) != _FORMAT.size:
        return None
    kind, number, value = _FORMAT.unpack(data)
    return Record(kind, number, value, tuple(descriptors))
