"""The guard on frames: what it admits is exactly what our own processes send."""

from __future__ import annotations

import json
import marshal
import struct
import zlib
from pathlib import Path

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st
from Pyro5 import protocol, serializers

from bandmaster.asynccomm import frames
from bandmaster.errors import ConfigurationError, ProtocolError

GOLDEN = Path(__file__).parents[2] / "golden" / "frames"
MAX = 1 << 20
CALL = msgpack.packb(("dispatcher", "exchange", ("next", b"payload"), {}))


def frame(
    payload: bytes = CALL,
    *,
    kind: int = protocol.MSG_INVOKE,
    serializer: int = 4,
    flags: int = 0,
    extra: int = 0,
    version: int = 502,
) -> bytes:
    """Return a Pyro frame."""
    header = struct.pack(
        "!4sHBBHHII16sHH",
        b"PYRO",
        version,
        kind,
        serializer,
        flags,
        1,
        len(payload),
        extra,
        bytes(16),
        0,
        0x4DC5,
    )
    return header + payload


def test_golden_frames() -> None:
    """Pyro makes these bytes of our calls and replies, and the guard admits them."""
    serializer = serializers.serializers["msgpack"]
    call = protocol.SendingMessage(
        protocol.MSG_INVOKE,
        0,
        1,
        serializer.serializer_id,
        serializer.dumpsCall("dispatcher", "exchange", ("next", b"payload"), {}),
    ).data
    reply = protocol.SendingMessage(
        protocol.MSG_RESULT, 0, 1, serializer.serializer_id, serializer.dumps(b"\0answer")
    ).data
    assert (GOLDEN / "call.hex").read_text().strip() == call.hex()
    assert (GOLDEN / "reply.hex").read_text().strip() == reply.hex()
    assert len(call) - 40 == frames.check_call_header(call[:40], MAX)
    assert len(reply) - 40 == frames.check_result_header(reply[:40], MAX)
    assert frames.Call(1, "dispatcher", "next", b"payload") == frames.read_call(call)
    assert (1, b"\0answer") == frames.read_result(reply)


@pytest.mark.parametrize(
    ("bad", "what"),
    [
        (frame(serializer=1), "serializer 1"),
        (frame(serializer=2), "serializer 2"),
        (frame(serializer=3), "serializer 3"),
        (frame(flags=protocol.FLAGS_COMPRESSED), "flags 0x2"),
        (frame(flags=protocol.FLAGS_ONEWAY), "flags 0x4"),
        (frame(flags=protocol.FLAGS_BATCH), "flags 0x8"),
        (frame(flags=protocol.FLAGS_ITEMSTREAMRESULT), "flags 0x10"),
        (frame(flags=protocol.FLAGS_KEEPSERIALIZED), "flags 0x20"),
        (frame(flags=protocol.FLAGS_EXCEPTION), "flags 0x1"),
        (frame(extra=9), "annotations"),
        (frame(kind=protocol.MSG_CONNECT), "type 1"),
        (frame(kind=protocol.MSG_PING), "type 6"),
        (frame(kind=protocol.MSG_RESULT), "type 5"),
        (frame(version=501), "no Pyro frame"),
        (b"GET / HTTP/1.1\r\n" + bytes(30), "no Pyro frame"),
        (frame(bytes(MAX + 1)), f"{MAX + 1} bytes"),
    ],
)
def test_headers_of_others_are_refused(bad: bytes, what: str) -> None:
    """Other serializers, flags, kinds, annotations, versions and sizes are refused by name."""
    with pytest.raises(ProtocolError, match=what):
        frames.check_call_header(bad[:40], MAX)


def test_a_reply_may_not_be_an_exception() -> None:
    """A client never deserialises an exception of Pyro."""
    bad = frame(b"\xc4\0", kind=protocol.MSG_RESULT, flags=protocol.FLAGS_EXCEPTION)
    with pytest.raises(ProtocolError, match="flags 0x1"):
        frames.check_result_header(bad[:40], MAX)


def test_correlation_id_is_admitted() -> None:
    """The one flag that Pyro sets by itself passes."""
    assert len(CALL) == frames.check_call_header(frame(flags=protocol.FLAGS_CORR_ID)[:40], MAX)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\x94",
        CALL[:-1],
        CALL + b"\0",
        msgpack.packb(("dispatcher", "__class__", ("next", b""), {})),
        msgpack.packb(("dispatcher", "exchange", ("next", b""), {"a": 1})),
        msgpack.packb(("dispatcher", "exchange", ("next", "text"), {})),
        msgpack.packb(("dispatcher", "exchange", ("next",), {})),
        msgpack.packb(("dispatcher", "exchange", ("next", b"", b""), {})),
        msgpack.packb(("dispatcher", "exchange", ({"__class__": "x"}, b""), {})),
        msgpack.packb(({"__class__": "Pyro5.client.Proxy"}, "exchange", ("next", b""), {})),
        msgpack.packb(("", "exchange", ("next", b""), {})),
        msgpack.packb(("dispätcher", "exchange", ("next", b""), {})),
        marshal.dumps(("dispatcher", "exchange", ("next", b""), {})),
        json.dumps(["dispatcher", "exchange", ["next", ""], {}]).encode(),
        zlib.compress(CALL),
    ],
)
def test_other_payloads_are_refused(payload: bytes) -> None:
    """Whatever is not [object, "exchange", [method, bytes], {}] is refused."""
    with pytest.raises(ProtocolError):
        frames.read_call(frame(payload))


names = st.text("abcdefghijklmnopqrstuvwxyz0123456789_.:-", min_size=1, max_size=200)


@given(names, names, st.binary(max_size=70_000))
def test_every_call_of_ours_is_admitted(target: str, method: str, payload: bytes) -> None:
    """Any object, method and payload that a client can send is read as what it is."""
    data = msgpack.packb((target, "exchange", (method, payload), {}))
    assert frames.Call(1, target, method, payload) == frames.read_call(frame(data))


few = st.sampled_from(["a", "ab", "b", "a" * 40, "next"])
mutated = st.tuples(st.integers(0, 60), st.binary(max_size=3)) | st.none()


@given(st.lists(st.tuples(few, few, st.binary(max_size=5), mutated), max_size=6))
def test_what_was_read_before_changes_nothing(
    requests: list[tuple[str, str, bytes, tuple[int, bytes] | None]],
) -> None:
    """A connection's reader takes, and refuses, each request as a fresh one would."""
    reader = frames.CallReader()
    for target, method, payload, patch in requests:
        data = msgpack.packb((target, "exchange", (method, payload), {}))
        if patch is not None:
            position, other = patch
            data = data[:position] + other + data[position + len(other) :]
        try:
            expected: frames.Call | None = frames.read_call(frame(data))
        except ProtocolError:
            expected = None
        try:
            actual: frames.Call | None = reader.read(frame(data))
        except ProtocolError:
            actual = None
        assert expected == actual


@given(st.binary(max_size=300) | st.tuples(st.integers(0, len(CALL) - 1), st.binary(max_size=4)))
def test_what_is_admitted_is_plain(data: bytes | tuple[int, bytes]) -> None:
    """Random and mutated payloads are refused, or read as msgpack reads them."""
    if isinstance(data, tuple):
        position, patch = data
        data = CALL[:position] + patch + CALL[position + len(patch) :]
    try:
        call = frames.read_call(frame(data))
    except ProtocolError:
        return
    assert [call.target, "exchange", [call.method, call.payload], {}] == msgpack.unpackb(data)


@given(st.binary(max_size=70_000))
def test_every_reply_of_ours_is_admitted(reply: bytes) -> None:
    """Any byte string passes as a reply, and nothing but it."""
    payload = msgpack.packb(reply)
    assert (1, reply) == frames.read_result(frame(payload))
    for bad in (payload + b"\0", payload[:-1]):
        with pytest.raises(ProtocolError):
            frames.read_result(frame(bad))


@pytest.mark.parametrize("bad", [b"", b"\xc0", b"\xa1x", b"\x81\xa1a\x01", b"\xc6\0\0", b"\xc4"])
def test_other_replies_are_refused(bad: bytes) -> None:
    """A reply that is no byte string is refused."""
    with pytest.raises(ProtocolError):
        frames.read_result(frame(bad))


def test_plain_undoes_global_settings() -> None:
    """Compression and annotations that others asked Pyro for do not leave the process."""
    payload = msgpack.packb(("o", "exchange", ("m", b"x" * 500), {}))
    packed = zlib.compress(payload)
    annotation = b"ABCD" + struct.pack("!I", 3) + b"xyz"
    header = bytearray(
        frame(payload, flags=protocol.FLAGS_COMPRESSED | protocol.FLAGS_CORR_ID)[:40]
    )
    header[12:20] = struct.pack("!II", len(packed), len(annotation))
    assert frame(payload, flags=protocol.FLAGS_CORR_ID) == frames.plain(
        bytes(header) + annotation + packed
    )
    untouched = frame(payload)
    assert untouched is frames.plain(untouched)


@pytest.mark.parametrize("name", ["", "a b", "ü", "x" * 201, "a/b", "a@b"])
def test_names_are_checked(name: str) -> None:
    """A name that Pyro or the guard could not carry is refused where it is given."""
    with pytest.raises(ConfigurationError, match="cannot name"):
        frames.check_name(name, "an object")
