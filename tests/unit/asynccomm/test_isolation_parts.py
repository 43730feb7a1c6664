"""The parts of isolation that need no process."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator

import pytest

from bandmaster.asynccomm.isolation import Isolated, endings, memory
from bandmaster.asynccomm.isolation.channel import Channel
from bandmaster.asynccomm.isolation.memory import MemoryWatch, descendants
from bandmaster.asynccomm.isolation.records import KILL, MAKE, Record, receive, send
from bandmaster.core.evaluate import Objective
from bandmaster.core.isolation import Isolation
from bandmaster.core.outcome import Status
from bandmaster.errors import CodecError, ConfigurationError, ProtocolError

Pair = tuple[socket.socket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Return two connected sockets."""
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def test_messages_come_whole_however_they_were_cut(pair: Pair) -> None:
    """Bytes are gathered until a message is complete; the rest stays for the next one."""
    sender, receiver = pair
    before, after = socket.socketpair()
    with before, after:
        Channel(before).send("first", [1, 2.5, None])
        Channel(before).send("second", {"a": b"b"})
        data = after.recv(1000)
    channel = Channel(receiver)
    seen = []
    for byte in data:
        sender.send(bytes([byte]))
        assert channel.drain()
        if (message := channel.take()) is not None:
            seen.append(message)
    assert [("first", [1, 2.5, None]), ("second", {"a": b"b"})] == seen


def test_end_of_a_channel_is_seen(pair: Pair) -> None:
    """`receive` returns None, `drain` False."""
    one, other = map(Channel, pair)
    assert other.drain()  # nothing yet
    one.send("word")
    one.close()
    assert ("word",) == other.receive()
    assert other.receive() is None
    assert not other.drain()


@pytest.mark.parametrize("garbage", [b"\xff" * 8, b"\0\0\0\1\xc1", b"\0\0\0\1\x01"])
def test_what_is_no_message_is_refused(pair: Pair, garbage: bytes) -> None:
    """An evaluation may write on any descriptor."""
    pair[0].sendall(garbage)
    channel = Channel(pair[1])
    channel.drain()
    with pytest.raises((CodecError, ProtocolError)):
        channel.take()


def test_records_carry_descriptors(pair: Pair) -> None:
    """They are copies, and no program that is started inherits them."""
    read, write = os.pipe()
    send(pair[0], Record(MAKE, 7, 0, (read, write)))
    send(pair[0], Record(KILL, 7))
    record = receive(pair[1])
    assert record is not None
    assert (MAKE, 7) == record[:2]
    assert [False, False] == [os.get_inheritable(fd) for fd in record.descriptors]
    assert Record(KILL, 7) == receive(pair[1])
    os.write(record.descriptors[1], b"x")
    assert b"x" == os.read(read, 1)
    for descriptor in (read, write, *record.descriptors):
        os.close(descriptor)
    pair[0].close()
    assert receive(pair[1]) is None


def test_summaries_of_deaths_end_with_their_cause() -> None:
    """What was found out is above it, as in a traceback."""
    crash = endings.crashed(-signal.SIGSEGV, "Fatal Python error\n  File x\n", 0)
    assert Status.CRASHED is crash.status
    assert "Fatal Python error" in str(crash.error)
    assert str(crash.error).endswith("the process of the evaluation was ended by SIGSEGV")
    killed = [str(endings.crashed(-signal.SIGKILL, "", n).error) for n in (0, 1)]
    assert "or the kernel because memory was short" in killed[0]
    assert "the kernel has ended processes because memory was short" in killed[1]
    late = endings.too_long(2.5, "")
    assert (Status.TIMEOUT, "the evaluation ran longer than time_limit=2.5 s") == (
        late.status,
        late.error,
    )
    large = str(endings.too_large(2 << 30, 3 << 30, 2).error)
    assert "memory_limit=2048 MiB: its 2 processes used 3072 MiB" in large
    assert "memory_limit=500 MB: its process used 600 MB" in str(
        endings.too_large(500_000_000, 600_000_000, 1).error
    )


def test_memory_that_cannot_be_measured_has_no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Linux that does not tell a process's children is refused, not watched in vain."""
    assert memory.can_measure()
    exists = os.path.exists
    monkeypatch.setattr(os.path, "exists", lambda p: "children" not in p and exists(p))
    assert (False, False) == (memory.can_find(), memory.can_measure())
    with pytest.raises(ConfigurationError, match="CONFIG_PROC_CHILDREN"):
        Isolated(Objective(float), isolation=Isolation(None, 1 << 30))


def test_memory_is_looked_at_as_often_as_needed() -> None:
    """The nearer the limit, the sooner the next look; a process without children uses none."""
    watch = MemoryWatch(os.getpid(), 1 << 30)
    if not descendants(os.getpid()):
        assert (0, False, False) == (watch.used, watch.look(), watch.is_crowded())
    near = MemoryWatch(os.getpid(), 1 << 20)
    assert near.due < watch.due
