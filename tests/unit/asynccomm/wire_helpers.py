"""What the tests of the wire share."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator

import msgpack
from Pyro5 import protocol

from bandmaster.asynccomm.preamble import greet_server
from bandmaster.asynccomm.wire import Address, Peer, Server, WakeFd
from bandmaster.errors import UnknownJobError

KEY = b"the key of these tests, 32 bytes"
PAYLOAD = ("echo", "exchange", ("echo", b"x"), {})
GOOD = msgpack.packb(PAYLOAD)


def message(
    payload: bytes,
    *,
    kind: int = protocol.MSG_INVOKE,
    serializer: int = 4,
    flags: int = 0,
    sequence: int = 1,
) -> bytes:
    """Return a Pyro frame with any header."""
    return (
        struct.pack(
            "!4sHBBHHII16sHH",
            b"PYRO",
            502,
            kind,
            serializer,
            flags,
            sequence,
            len(payload),
            0,
            bytes(16),
            0,
            0x4DC5,
        )
        + payload
    )


class Echo:
    """Echoes, parks and fails as asked, and counts who leaves."""

    def __init__(self) -> None:
        self.wake = WakeFd()
        self.parked = threading.Semaphore(0)
        self.ended: list[str] = []
        self.left: list[int] = []
        self.someone_left = threading.Semaphore(0)
        self.peers: list[Peer] = []

    def handle(self, peer: Peer, method: str, payload: bytes) -> bytes:
        self.peers.append(peer)
        match method:
            case "echo":
                return payload
            case "size":
                return bytes(int(payload))
            case "park":
                self.parked.release()
                self.ended.append(peer.park(self.wake.fileno(), float(payload or b"30")))
                return self.ended[-1].encode()
            case "known":
                raise UnknownJobError("there is no job 7")
            case "exit":
                raise SystemExit(3)
        raise ValueError("a secret that stays here")

    def disconnected(self, peer: Peer) -> None:
        self.left.append(peer.id)
        self.someone_left.release()


@contextlib.contextmanager
def serving(**options: object) -> Iterator[tuple[Address, Echo, Server]]:
    """Serve an Echo called "echo"."""
    echo = Echo()
    server = Server(**({"key": KEY} | options))  # type: ignore[arg-type]  # options of Server
    server.register("echo", echo)
    try:
        with server:
            yield server.address, echo, server
    finally:
        echo.wake.close()


@contextlib.contextmanager
def raw(address: Address, *, greet: bool = True) -> Iterator[socket.socket]:
    """Connect a bare socket, through the preamble or not."""
    if address.is_unix:
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(address.path)
    else:
        sock = socket.create_connection((address.host, address.port))
    with sock:
        if greet:
            greet_server(sock, KEY, timeout=5)
        sock.settimeout(10)
        yield sock


def drained(sock: socket.socket) -> bytes:
    """Read until the other end hangs up."""
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while chunk := sock.recv(65536):
            data += chunk
    return data
