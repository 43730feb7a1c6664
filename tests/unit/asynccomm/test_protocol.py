"""The messages between workers and dispatchers: they come back as written; golden bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandmaster.asynccomm import protocol
from bandmaster.asynccomm.protocol import Get, Goodbye, Hello, Place, Put, Ticket, Welcome
from bandmaster.core.codec import unpack
from bandmaster.core.job import Job
from bandmaster.core.outcome import Outcome, Status
from bandmaster.errors import CodecError, ProtocolError

_tickets = st.builds(Ticket, st.text(), st.integers(0, 10**9), st.integers(0, 100))
_outcomes = st.builds(
    Outcome,
    st.just(Status.OK),
    st.floats(allow_nan=False, allow_infinity=False),
    st.dictionaries(st.text(), st.floats(allow_nan=False)),
    st.one_of(st.none(), st.text(), st.lists(st.integers())),
    worker=st.text(),
)
_finished = st.tuples(_tickets, _outcomes)


_hellos = st.builds(
    Hello, st.text(), st.text(), st.text(), st.integers(0, 2**31), st.text(),
    st.one_of(st.none(), _tickets), st.lists(_finished, max_size=2).map(tuple),
)  # fmt: skip


@given(_hellos)
def test_hello_comes_back(hello: Hello) -> None:
    """A hello is read as it was written."""
    assert hello == Hello.decode(unpack(hello.encode()))


@given(st.builds(Goodbye, st.text(), st.one_of(st.none(), _finished)))
def test_goodbye_comes_back(goodbye: Goodbye) -> None:
    """A goodbye is read as it was written."""
    assert goodbye == Goodbye.decode(unpack(goodbye.encode()))


@given(st.integers(0, 10**9), st.integers(0, 9), _outcomes)
def test_exchange_comes_back(job: int, attempt: int, outcome: Outcome) -> None:
    """An outcome is read as it was written."""
    payload = protocol.write_exchange(job, attempt, outcome)
    assert (job, attempt, outcome) == protocol.read_exchange(payload)


@given(st.builds(Welcome, st.text(), st.booleans(), st.builds(Place, st.text(), st.text())))
def test_welcome_comes_back(welcome: Welcome) -> None:
    """A welcome is read as it was written."""
    assert welcome == Welcome.decode(welcome.encode())


@given(st.integers(0, 99), st.binary(max_size=99), st.integers(0, 99))
def test_parts_of_checkpoints_come_back(start: int, data: bytes, more: int) -> None:
    """What is put and what is wished for are read as they were written."""
    put = Put(1, 2, "name", start, start + len(data) + more, data)
    assert put == Put.decode(put.encode())
    get = Get(1, 2, "name", start)
    assert get == Get.decode(get.encode())


@pytest.mark.parametrize(
    ("start", "total", "size"), [(-1, 5, 1), (0, 0, 1), (5, 5, 1), (0, 1 << 22, (1 << 20) + 1)]
)
def test_parts_that_cannot_be_are_refused(start: int, total: int, size: int) -> None:
    """A part lies within the whole, and is no larger than a part may be."""
    with pytest.raises(ProtocolError):
        Put.decode(Put(1, 2, "name", start, total, bytes(size)).encode())


@given(st.binary())
def test_garbage_is_a_typed_error(garbage: bytes) -> None:
    """No bytes whatever make a reader raise anything but an error of ours."""
    readers = (
        protocol.read_exchange, protocol.read_reports, Welcome.decode, Put.decode, Get.decode,
    )  # fmt: skip
    for reader in readers:
        try:
            read = reader(garbage)
        except (ProtocolError, CodecError):
            continue
        assert read is None or garbage != b""


@pytest.mark.parametrize("data", [None, [], ["x"], [1], {}, [1, "r", "w", "h", 1, "", None]])
def test_other_shapes_are_refused(data: object) -> None:
    """A hello with missing fields, or none at all, is a ProtocolError."""
    with pytest.raises(ProtocolError):
        _read_hello(data)


def _read_hello(data: object) -> Hello:
    Hello.version_of(data)
    return Hello.decode(data)


def test_golden_bytes() -> None:
    """The bytes on the wire are those of version 2; to change them, raise `protocol.VERSION`."""
    ticket = Ticket("s", 7, 1)
    outcome = Outcome(Status.OK, 0.5, {"m": 1.0}, "i", None, None, 1.0, 2.0, "w")
    assert 2 == protocol.VERSION
    hello = Hello("r", "w", "h", 3, "c", ticket, ((ticket, outcome),))
    assert (
        "9802a172a177a16803a16393a17307019192"
        "93a173070199a26f6bcb3fe000000000000081a16dcb3ff0000000000000a169c0c0"
        "cb3ff0000000000000cb4000000000000000a177" == hello.encode().hex()
    )
    assert "94a173c3c0c3" == Welcome("s", True).encode().hex()
    assert "94a173c392a175a16dc2" == Welcome("s", True, Place("u", "m"), False).encode().hex()
    assert "960701a131020ac40161" == Put(7, 1, "1", 2, 10, b"a").encode().hex()
    assert "940701a13102" == Get(7, 1, "1", 2).encode().hex()
    assert (
        "93070199a26f6bcb3fe000000000000081a16dcb3ff0000000000000a169c0c0"
        "cb3ff0000000000000cb4000000000000000a177" == protocol.write_exchange(7, 1, outcome).hex()
    )
    job = Job(7, 1, 5, {"x": 2}, 0.25, {"p": True}, 1, 2, None, 3.0)
    assert (
        "92019a07010581a17802cb3fd000000000000081a170c30102c0cb4008000000000000"
        == protocol.write_job(job).hex()
    )
    assert "9200c0" == protocol.write_wait().hex()
    assert "9202a3627965" == protocol.write_stop("bye").hex()
    assert "94a3627965c0c0c0" == Goodbye("bye").encode().hex()
    rows = [({"loss": 0.5}, 2, "2-0123456789abcdef"), ({"loss": 0.25, "kind": "x"}, 3, None)]
    assert (7, 1, rows) == protocol.read_reports(protocol.write_reports(7, 1, rows))
