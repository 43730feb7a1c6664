"""Strangers, liars and broken clients: the server closes their connection and goes on."""

from __future__ import annotations

import logging
import os
import random
import socket
import struct
import threading
import time
import zlib

import msgpack
import pytest
from Pyro5 import protocol
from Pyro5.client import Proxy
from Pyro5.errors import CommunicationError, PyroError
from Pyro5.serializers import serializers
from unit.asynccomm.wire_helpers import GOOD, KEY, PAYLOAD, drained, message, raw, serving

from bandmaster.asynccomm.preamble import HELLO_SIZE, PROTOCOL_VERSION, Hello
from bandmaster.asynccomm.wire import Address, Client


def alive(address: Address) -> bool:
    """Whether the server still answers an honest client."""
    with Client(address, "echo", key=KEY) as client:
        return client.call("echo", b"still here", timeout=5) == b"still here"


FRAMES = {
    "serpent": message(serializers["serpent"].dumpsCall(*PAYLOAD), serializer=1),
    "marshal": message(serializers["marshal"].dumpsCall(*PAYLOAD), serializer=2),
    "json": message(serializers["json"].dumpsCall("echo", "exchange", (), {}), serializer=3),
    "compressed": message(zlib.compress(GOOD), flags=protocol.FLAGS_COMPRESSED),
    "bomb": message(zlib.compress(bytes(50_000_000)), flags=protocol.FLAGS_COMPRESSED),
    "batch": message(GOOD, flags=protocol.FLAGS_BATCH),
    "oneway": message(GOOD, flags=protocol.FLAGS_ONEWAY),
    "kept": message(GOOD, flags=protocol.FLAGS_KEEPSERIALIZED),
    "connect": message(GOOD, kind=protocol.MSG_CONNECT),
    "ping": message(b"ping", kind=protocol.MSG_PING, serializer=42),
    "metadata": message(msgpack.packb(("Pyro.Daemon", "get_metadata", ("echo",), {}))),
    "attribute": message(msgpack.packb(("echo", "__getattr__", ("_handler",), {}))),
    "proxy": message(
        msgpack.packb(("echo", "exchange", ("m", {"__class__": "Pyro5.client.Proxy"}), {}))
    ),
    "annotated": message(GOOD)[:16] + struct.pack("!I", 8) + message(GOOD)[20:],
    "oversized": message(GOOD)[:12] + struct.pack("!I", 2**31) + message(GOOD)[16:],
    "two at once": message(GOOD) * 2,
    "text": b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3,
}


@pytest.mark.parametrize("name", FRAMES)
def test_forbidden_frames_close_the_connection(name: str, caplog: pytest.LogCaptureFixture) -> None:
    """An authenticated client that sends anything but our calls is closed, with one log line."""
    with serving() as (address, echo, _):
        with raw(address) as sock:
            sock.sendall(FRAMES[name])
            assert drained(sock) == b""
        assert echo.someone_left.acquire(timeout=5)
        lines = [r for r in caplog.records if r.levelno >= logging.WARNING]
        assert [line.message for line in lines if "closing the connection" in line.message] == [
            line.message for line in lines
        ]
        assert len(lines) == 1
        assert echo.peers == []
        assert alive(address)


def test_a_forbidden_frame_is_refused_by_its_header() -> None:
    """A frame that claims to be too large is refused before its payload comes."""
    with serving() as (address, _, _), raw(address) as sock:
        sock.sendall(FRAMES["oversized"][:40])
        assert drained(sock) == b""


def test_a_frame_in_pieces_is_fine() -> None:
    """A call that arrives byte by byte is answered like any other."""
    with serving() as (address, _, _), raw(address) as sock:
        for position in range(len(message(GOOD))):
            sock.sendall(message(GOOD)[position : position + 1])
        assert sock.recv(1000)[40:] == msgpack.packb(b"\0x")


def test_stock_pyro_client_gets_nothing() -> None:
    """A stock Pyro client without the key is refused before Pyro reads its first message."""
    with serving() as (address, echo, _):
        with Proxy(f"PYRO:echo@{address}") as proxy:
            proxy._pyroTimeout = 5
            with pytest.raises(CommunicationError):
                proxy._pyroBind()
        assert alive(address)
    assert len(echo.left) == 1


def test_a_stock_proxy_past_the_preamble_can_call_exchange_only() -> None:
    """Behind the preamble a plain Pyro proxy speaks to the object like our own client."""

    class Quiet(Proxy):  # type: ignore[misc]  # Pyro5 has no types
        def _pyroGetMetadata(self, objectId: object = None, known_metadata: object = None) -> None:
            self._pyroMethods = {"exchange", "shutdown"}

    with serving() as (address, _, _):
        with raw(address) as sock:
            proxy = Quiet("echo", connected_socket=sock)
            proxy._pyroSerializer = "msgpack"
            assert proxy.exchange("echo", b"x") == b"\0x"
            with pytest.raises((PyroError, OSError)):
                proxy.shutdown()
        assert alive(address)


def test_a_silent_peer_blocks_nobody() -> None:
    """Peers that say nothing, or stop half way, keep nobody waiting and are thrown out."""
    with serving() as (address, _, _):
        with raw(address, greet=False) as silent, raw(address, greet=False) as half:
            half.sendall(Hello(os.urandom(32)).encode()[:30])
            begin = time.monotonic()
            assert alive(address)
            assert time.monotonic() - begin < 1.9
            assert len(drained(silent)) == HELLO_SIZE
            assert len(drained(half)) == HELLO_SIZE
            assert 1.5 < time.monotonic() - begin < 10.0
        assert alive(address)


def test_server_tells_its_version_first() -> None:
    """Before anything is sent, the server has named its protocol version."""
    with serving() as (address, _, _), raw(address, greet=False) as sock:
        assert Hello.decode(sock.recv(HELLO_SIZE)).version == PROTOCOL_VERSION


def _garbage(random_: random.Random) -> bytes:
    """Return random bytes, or a good frame with some bytes changed."""
    kind = random_.randrange(3)
    if kind == 0:
        return random_.randbytes(random_.randrange(1, 200))
    frame = bytearray(message(GOOD) if kind == 1 else Hello(random_.randbytes(32)).encode())
    for _ in range(random_.randrange(1, 5)):
        frame[random_.randrange(len(frame))] = random_.randrange(256)
    return bytes(frame[: random_.randrange(1, len(frame) + 1)])


@pytest.mark.parametrize("greet", [False, True], ids=["before", "after"])
def test_random_frames(greet: bool, caplog: pytest.LogCaptureFixture) -> None:
    """A thousand random frames before, and a thousand after the preamble, break nothing."""
    random_ = random.Random(7)
    frames = [_garbage(random_) for _ in range(1000)]
    caplog.set_level(logging.CRITICAL)

    def attack(share: list[bytes]) -> None:
        for frame in share:
            with raw(address, greet=greet) as sock:
                try:
                    sock.sendall(frame)
                    sock.shutdown(socket.SHUT_WR)
                except OSError:
                    continue  # thrown out already
                drained(sock)

    begin = time.monotonic()
    with serving() as (address, _, _):
        threads = [threading.Thread(target=attack, args=(frames[n::4],)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert alive(address)
    assert time.monotonic() - begin < 30


def test_a_lying_server_is_refused() -> None:
    """A client takes no exception, no stream and no other serializer from a server either."""
    from bandmaster.asynccomm.preamble import accept_client
    from bandmaster.errors import ProtocolError

    exception = serializers["msgpack"].dumps(ValueError("made by Pyro"))
    lies = [
        message(exception, kind=protocol.MSG_RESULT, flags=protocol.FLAGS_EXCEPTION),
        message(exception, kind=protocol.MSG_RESULT),
        message(serializers["serpent"].dumps(b"\0x"), kind=protocol.MSG_RESULT, serializer=1),
        message(b"\xc4\x01\x07", kind=protocol.MSG_RESULT),
        message(b"\xc4\x02\x01\xc0", kind=protocol.MSG_RESULT),
        message(b"\xc4\x02\x00x", kind=protocol.MSG_RESULT, sequence=2),  # answers another call
    ]
    for lie in lies:
        with socket.create_server(("127.0.0.1", 0)) as listener:

            def answer(lie: bytes = lie, listener: socket.socket = listener) -> None:
                sock, _ = listener.accept()
                with sock:
                    accept_client(sock, KEY, timeout=5)
                    sock.recv(1000)
                    sock.sendall(lie)
                    drained(sock)

            thread = threading.Thread(target=answer)
            thread.start()
            with (
                Client(Address(*listener.getsockname()), "echo", key=KEY) as client,
                pytest.raises(ProtocolError),
            ):
                client.call("echo", timeout=5)
            thread.join()
