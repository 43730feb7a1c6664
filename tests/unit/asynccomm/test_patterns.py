"""Frames that are filled in are, byte for byte, what Pyro makes."""

from __future__ import annotations

import uuid
from pathlib import Path

import Pyro5.api
import pytest
from hypothesis import given
from hypothesis import strategies as st
from Pyro5 import protocol, serializers

from bandmaster.asynccomm.wire._patterns import ANSWER, Pattern, call_pattern

GOLDEN = Path(__file__).parents[2] / "golden" / "frames"
MSGPACK = serializers.serializers["msgpack"]

names = st.text("abcdefghijklmnopqrstuvwxyz0123456789_.:-", min_size=1, max_size=200)
payloads = st.binary(max_size=300) | st.sampled_from([255, 256, 65_535, 65_536]).map(bytes)


def test_golden_frames() -> None:
    """The frames that leave are the ones that are kept."""
    call = call_pattern("dispatcher", "next").fill(1, b"payload")
    assert (GOLDEN / "call.hex").read_text().strip() == call.hex()
    assert (GOLDEN / "reply.hex").read_text().strip() == ANSWER.fill(1, b"answer", b"\0").hex()


@given(names, names, payloads, st.integers(0, 0xFFFF))
def test_calls_are_those_of_pyro(target: str, method: str, payload: bytes, sequence: int) -> None:
    """Whatever is called, with whatever payload, is the frame that Pyro would send."""
    call = MSGPACK.dumpsCall(target, "exchange", (method, payload), {})
    expected = protocol.SendingMessage(
        protocol.MSG_INVOKE, 0, sequence, MSGPACK.serializer_id, call
    ).data
    assert expected == call_pattern(target, method).fill(sequence, payload)


@given(payloads, payloads, st.integers(0, 0xFFFF))
def test_answers_are_those_of_pyro(first: bytes, second: bytes, sequence: int) -> None:
    """An answer in two pieces is the frame that Pyro would send of the whole."""
    expected = protocol.SendingMessage(
        protocol.MSG_RESULT, 0, sequence, MSGPACK.serializer_id, MSGPACK.dumps(first + second)
    ).data
    assert expected == ANSWER.fill(sequence, second, first)


def test_what_others_ask_pyro_for_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compression and the correlation id of a call that is being served get into no frame."""
    expected = call_pattern("o" * 150, "m").fill(7, b"x")
    monkeypatch.setattr(Pyro5.api.config, "COMPRESSION", True)
    monkeypatch.setattr(Pyro5.api.current_context, "correlation_id", uuid.uuid4())
    data = protocol.SendingMessage(
        protocol.MSG_INVOKE, 0, 0, MSGPACK.serializer_id,
        MSGPACK.dumpsCall("o" * 150, "exchange", ("m", b""), {}),
    ).data  # fmt: skip
    assert data[9] & (protocol.FLAGS_COMPRESSED | protocol.FLAGS_CORR_ID)
    assert expected == Pattern(data).fill(7, b"x")
