"""What the fuzz test sends: hellos, frames and payloads that no client of ours would."""

from __future__ import annotations

import pickle
import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import msgpack

from bandmaster.asynccomm import protocol
from bandmaster.asynccomm.naming import NAMES_OBJECT
from bandmaster.asynccomm.preamble import Hello, proof
from bandmaster.asynccomm.protocol import Goodbye, Ticket
from bandmaster.core.codec import pack
from bandmaster.core.outcome import Outcome

RUN = "fuzz"
OBJECTS = (NAMES_OBJECT, protocol.DISPATCHER, protocol.CONTROL, "Pyro.Daemon", "x" * 200)
METHODS = (
    "register", "lookup", "list", "remove", "hello", "exchange", "report", "goodbye", "put",
    "get", "wake", "cancel", "shutdown", "get_metadata", "__class__", "about", "handle",
)  # fmt: skip
_FLAGS = (1, 2, 4, 8, 16, 32, 64, 128, 0xFFFF)  # exception, compressed, one-way, batch, …


class Bomb:
    """Unpickled, it would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return open, (str(self.path), "w")


def frame(payload: bytes, *, kind: int = 4, serializer: int = 4, flags: int = 0) -> bytes:
    """Return a Pyro frame."""
    return (
        struct.pack(
            "!4sHBBHHII16sHH", b"PYRO", 502, kind, serializer, flags, 1, len(payload), 0,
            bytes(16), 0, 0x4DC5,
        )
        + payload
    )  # fmt: skip


def call(object_id: str, method: str, payload: bytes) -> bytes:
    """Return the frame of a call."""
    return frame(msgpack.packb((object_id, "exchange", (method, payload), {})))


def before(rng: random.Random) -> bytes:
    """Return what a stranger sends in place of a preamble."""
    match rng.randrange(8):
        case 0:
            return rng.randbytes(rng.randrange(1, 300))
        case 1:
            return b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
        case 2:
            return frame(pack(None), kind=1, serializer=rng.randrange(6))
        case 3:
            return b"\x16\x03\x01" + rng.randbytes(200)
        case 4:  # a good hello, a proof that is made up
            return Hello(rng.randbytes(32)).encode() + rng.randbytes(rng.randrange(64))
        case 5:  # that of a server, and one for the empty key
            ours = Hello(rng.randbytes(32), keyed=False).encode()
            return ours + proof(None, b"client", ours, ours)
        case 6:
            return rng.randbytes(100_000)
    return _changed(rng, Hello(rng.randbytes(32)).encode())


def wire(rng: random.Random) -> bytes:
    """Return a frame that is none of ours, from somebody who knows the key."""
    good = call(rng.choice(OBJECTS), rng.choice(METHODS), b"x")
    match rng.randrange(11):
        case 0:
            return rng.randbytes(rng.randrange(1, 300))
        case 1:
            return frame(good[40:], flags=rng.choice(_FLAGS))
        case 2:
            return frame(good[40:], serializer=rng.choice((0, 1, 2, 3, 5, 42, 255)))
        case 3:
            return frame(good[40:], kind=rng.randrange(256))
        case 4:  # 50 MB of zeros
            return frame(_ZEROS, flags=rng.choice((2, 2 | 64)))
        case 5:  # a header that promises much
            return good[:12] + struct.pack("!I", rng.choice((2**26, 2**26 + 1, 2**32 - 1)))
        case 6:
            return good[: rng.randrange(1, len(good))]
        case 7:
            return good * rng.randrange(2, 5)
        case 8:  # annotations
            return good[:16] + struct.pack("!I", rng.randrange(1, 2**32)) + good[20:]
        case 9:
            return frame(_value(rng, 3))
    return _changed(rng, good)


def payload(rng: random.Random, mark: Path) -> tuple[str, str, bytes]:
    """Return a call of ours with an argument that is not."""
    object_id, method = rng.choice(OBJECTS), rng.choice(METHODS)
    match rng.randrange(10):
        case 0:
            return object_id, method, rng.randbytes(rng.randrange(100))
        case 1:
            return object_id, method, _value(rng, 4)
        case 2:  # lists in lists
            return object_id, method, b"\x91" * rng.randrange(2000) + b"\xc0"
        case 3:  # tuples in tuples, each an extension type
            return object_id, method, _tuples(rng.randrange(300))
        case 4:  # lengths that are not there
            head = rng.choice((b"\xdd", b"\xdf", b"\xc6", b"\xdb", b"\xc9"))
            return object_id, method, head + struct.pack("!I", rng.randrange(2**32)) + b"\x01"
        case 5:
            return object_id, method, pickle.dumps(Bomb(mark))
        case 6:
            goodbye = Goodbye("fuzz", None, "made up", pickle.dumps(Bomb(mark)))
            return protocol.DISPATCHER, "goodbye", goodbye.encode()
        case 7:
            return rng.choice(_GOOD)
    object_id, method, good = rng.choice(_GOOD)
    return object_id, method, _changed(rng, good)


def _value(rng: random.Random, depth: int) -> bytes:
    """Return plain data that nobody asked for."""

    def make(depth: int) -> object:
        leaves: list[Callable[[], object]] = [
            lambda: None, lambda: rng.randrange(-(2**63), 2**64), lambda: rng.random() * 1e308,
            lambda: float("nan"), lambda: "ü" * rng.randrange(50), lambda: rng.randbytes(20),
            lambda: True, lambda: "__class__",
        ]  # fmt: skip
        if depth == 0 or rng.random() < 0.3:
            return rng.choice(leaves)()
        items = [make(depth - 1) for _ in range(rng.randrange(5))]
        return items if rng.random() < 0.5 else {str(n): item for n, item in enumerate(items)}

    return bytes(msgpack.packb(make(depth)))


def _tuples(depth: int) -> bytes:
    data = b"\xc0"
    for _ in range(depth):
        inner = b"\x91" + data
        data = b"\xc9" + len(inner).to_bytes(4, "big") + b"\x01" + inner
    return data


def _changed(rng: random.Random, good: bytes) -> bytes:
    data = bytearray(good)
    for _ in range(rng.randrange(1, 6)):
        if data:
            data[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(data[: rng.randrange(len(data) + 1)] if rng.random() < 0.3 else data)


_ZEROS = zlib.compress(bytes(50_000_000))
_OUTCOME = Outcome.failed("made up", worker="fuzz")
_GOOD = [
    (NAMES_OBJECT, "register", pack(("fuzz.name", "127.0.0.1:1", False, False))),
    (NAMES_OBJECT, "lookup", pack(("fuzz.name",))),
    (NAMES_OBJECT, "list", pack(("fuzz",))),
    (NAMES_OBJECT, "remove", pack(("fuzz.name",))),
    (protocol.DISPATCHER, "exchange", protocol.write_exchange(7, 0, _OUTCOME)),
    (protocol.DISPATCHER, "report", protocol.write_reports(7, 0, [({"loss": 1.0}, 1, None)])),
    (protocol.DISPATCHER, "put", protocol.Put(7, 0, f"1-{'0' * 64}", 0, 9, bytes(9)).encode()),
    (protocol.DISPATCHER, "get", protocol.Get(7, 0, f"1-{'0' * 64}", 0).encode()),
    (protocol.DISPATCHER, "goodbye", Goodbye("fuzz").encode()),
    (
        protocol.DISPATCHER,
        "hello",
        # Of another run: those who say a right hello are workers, and no subject of this test.
        protocol.Hello(
            "other", "w", "h", 1, "", Ticket("s", 1, 0), ((Ticket("s", 2, 0), _OUTCOME),)
        ).encode(),
    ),
]
