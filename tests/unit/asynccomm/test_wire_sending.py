"""A server's answer to a peer that reads nothing, or late."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator

import pytest

from bandmaster.asynccomm.certificates import Certificate
from bandmaster.asynccomm.wire import _connection
from bandmaster.asynccomm.wire._connection import Connection
from bandmaster.asynccomm.wire._tls import securing_client, securing_server
from bandmaster.errors import CommTimeoutError

FRAME = b"PYRO" + bytes(36) + bytes(range(256)) * 40  # as `frames.plain` lets it pass


class Crew:
    """Tells when a connection is about to block."""

    def __init__(self) -> None:
        self.blocked = threading.Event()

    @contextlib.contextmanager
    def blocking(self) -> Iterator[None]:
        self.blocked.set()
        yield


def encrypted(here: socket.socket, there: socket.socket) -> tuple[socket.socket, socket.socket]:
    """Return both ends after their handshake."""
    opened: list[socket.socket] = []
    secure = securing_client("any", opened.append)
    client = threading.Thread(target=lambda: opened.append(secure(there, 10.0)[0]))
    client.start()
    serving = securing_server(Certificate.make("these tests"))(lambda _: None)
    server = serving(here, 10.0)[0]
    client.join()
    return server, opened[-1]


@pytest.fixture(params=["plain", "tls"])
def ends(request: pytest.FixtureRequest) -> Iterator[tuple[Connection, socket.socket, Crew]]:
    """A server's connection, and the bare socket of its client."""
    here, there = socket.socketpair()
    crew = Crew()
    if request.param == "tls":
        here, there = encrypted(here, there)
        here.settimeout(None)
    connection = Connection(here, serving=True, max_message=1 << 20, blocked=crew.blocking)
    if isinstance(here, ssl.SSLSocket):
        connection.secured(here)
    there.settimeout(10)
    yield connection, there, crew
    connection.close()
    there.close()


def test_a_small_answer_blocks_no_more_than_a_large_one(
    ends: tuple[Connection, socket.socket, Crew],
) -> None:
    """Before the thread waits for a peer it says so; what was sent arrives whole and in order."""
    connection, there, crew = ends
    sent = 0

    def answer() -> None:
        nonlocal sent
        while not crew.blocked.is_set():
            connection.send(FRAME)
            sent += 1

    server = threading.Thread(target=answer)
    server.start()
    assert crew.blocked.wait(5)
    server.join(0.01)
    assert server.is_alive()
    expected = (sent + 1) * FRAME  # the one that blocks is the last
    received = b""
    while len(received) < len(expected):
        received += there.recv(1 << 16)
    server.join()
    assert expected == received


def test_who_reads_nothing_loses_the_connection(
    ends: tuple[Connection, socket.socket, Crew], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also with small answers, there is an end to the server's patience."""
    monkeypatch.setattr(_connection, "PATIENCE", 0.05)
    monkeypatch.setattr(_connection, "SLOWEST", 1 << 20)
    connection, _, crew = ends
    with pytest.raises(CommTimeoutError, match="reads nothing"):
        _send_for_ever(connection)
    assert crew.blocked.is_set()


def _send_for_ever(connection: Connection) -> None:
    while True:
        connection.send(FRAME)
