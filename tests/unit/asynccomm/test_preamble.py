"""The preamble: who gets in, who does not, and what either side learns."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bandmaster.asynccomm import preamble
from bandmaster.asynccomm.preamble import HELLO_SIZE, PROOF_SIZE, Hello, accept_client, greet_server
from bandmaster.errors import (
    AuthenticationError,
    CommError,
    CommTimeoutError,
    MasterLostError,
    ProtocolError,
    ProtocolVersionError,
)

GOLDEN = Path(__file__).parents[2] / "golden" / "frames"
KEY = bytes(range(32))
SERVER_NONCE, CLIENT_NONCE = b"s" * 32, b"c" * 32


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two connected sockets."""
    ours, theirs = socket.socketpair()
    ours.settimeout(5)
    theirs.settimeout(5)
    with ours, theirs:
        yield ours, theirs


def both(
    pair: tuple[socket.socket, socket.socket],
    server: Callable[[socket.socket], object],
    client: Callable[[socket.socket], object],
) -> tuple[BaseException | None, BaseException | None]:
    """Run both sides and return what each raised; a side that fails closes its socket."""
    raised: list[BaseException | None] = [None, None]

    def run(index: int, side: Callable[[socket.socket], object]) -> None:
        try:
            side(pair[index])
        except BaseException as error:  # noqa: BLE001 - handed to the test
            raised[index] = error
            pair[index].close()

    thread = threading.Thread(target=run, args=(0, server))
    thread.start()
    run(1, client)
    thread.join()
    return raised[0], raised[1]


def serve(key: bytes | None, timeout: float = 5) -> Callable[[socket.socket], None]:
    """Return the server's side."""
    return lambda sock: accept_client(sock, key, timeout=timeout)


def greet(key: bytes | None, timeout: float = 5) -> Callable[[socket.socket], None]:
    """Return the client's side."""
    return lambda sock: greet_server(sock, key, timeout=timeout)


def read(sock: socket.socket, size: int) -> bytes:
    """Read exactly `size` bytes."""
    return sock.recv(size, socket.MSG_WAITALL)


@pytest.mark.parametrize("key", [KEY, None])
def test_equal_keys_pass(pair: tuple[socket.socket, socket.socket], key: bytes | None) -> None:
    """Both sides return when they have the same key, or both have none."""
    assert both(pair, serve(key), greet(key)) == (None, None)


def test_golden_frames() -> None:
    """The frames of version 1 are these bytes, for ever."""
    server = Hello(SERVER_NONCE).encode()
    client = Hello(CLIENT_NONCE).encode()
    frames = {
        "preamble_v1_server_hello": server,
        "preamble_v1_server_hello_without_key": Hello(SERVER_NONCE, keyed=False).encode(),
        "preamble_v1_server_full": Hello(SERVER_NONCE, full=True).encode(),
        "preamble_v1_server_hello_with_tls": Hello(SERVER_NONCE, tls=True).encode(),
        "preamble_v1_client_hello": client,
        "preamble_v1_server_proof": preamble.proof(KEY, b"server", server, client),
        "preamble_v1_client_proof": preamble.proof(KEY, b"client", server, client),
        "preamble_v1_client_proof_with_tls": preamble.proof(
            KEY, b"client", server, client, bytes(32)
        ),
    }
    assert {n: (GOLDEN / f"{n}.hex").read_text().strip() for n in frames} == {
        n: frame.hex() for n, frame in frames.items()
    }


def test_hello_round_trip() -> None:
    """A hello is read as it was written."""
    hello = Hello(CLIENT_NONCE, keyed=False, full=True, version=7)
    assert hello == Hello.decode(hello.encode())


def test_wrong_key_is_told_to_the_client(pair: tuple[socket.socket, socket.socket]) -> None:
    """With another key the client gets an AuthenticationError and the server lets nobody in."""
    server, client = both(pair, serve(KEY), greet(b"another key, just as long as one"))
    assert isinstance(server, AuthenticationError)
    assert isinstance(client, AuthenticationError)
    assert "another key" in str(client)


def test_client_without_key(pair: tuple[socket.socket, socket.socket]) -> None:
    """A client without a key learns that one is needed."""
    server, client = both(pair, serve(KEY), greet(None))
    assert isinstance(client, AuthenticationError)
    assert "wants the run's key" in str(client)
    assert server is not None


def test_server_without_key(pair: tuple[socket.socket, socket.socket]) -> None:
    """A client with a key does not talk to a server without one."""
    server, client = both(pair, serve(None), greet(KEY))
    assert isinstance(client, AuthenticationError)
    assert "without a key" in str(client)
    assert server is not None


def test_server_refuses_a_client_that_claims_no_key(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    """A client cannot talk a server out of its key."""

    def downgrade(sock: socket.socket) -> None:
        ours = read(sock, HELLO_SIZE)
        theirs = Hello(CLIENT_NONCE, keyed=False).encode()
        sock.sendall(theirs + preamble.proof(None, b"client", ours, theirs))

    server, _ = both(pair, serve(KEY), downgrade)
    assert isinstance(server, AuthenticationError)


def test_version_mismatch_names_both(pair: tuple[socket.socket, socket.socket]) -> None:
    """A client of another version raises ProtocolVersionError with both versions in it."""
    _, client = both(pair, lambda s: s.sendall(Hello(SERVER_NONCE, version=9).encode()), greet(KEY))
    assert isinstance(client, ProtocolVersionError)
    assert "version 9" in str(client)
    assert f"version {preamble.PROTOCOL_VERSION}" in str(client)


def test_server_notices_another_version(pair: tuple[socket.socket, socket.socket]) -> None:
    """A server shows its version first, and refuses a client of another one."""
    seen: list[int] = []

    def other(sock: socket.socket) -> None:
        seen.append(Hello.decode(read(sock, HELLO_SIZE)).version)
        sock.sendall(Hello(CLIENT_NONCE, version=2).encode())

    server, _ = both(pair, serve(KEY), other)
    assert isinstance(server, ProtocolVersionError)
    assert seen == [preamble.PROTOCOL_VERSION]


def bound(digest: bytes) -> preamble.Secure:
    """Return a handshake that does nothing and has seen this certificate."""
    return lambda sock, seconds: (sock, digest)


def test_proofs_cover_the_certificate(pair: tuple[socket.socket, socket.socket]) -> None:
    """Who sits in between with a certificate of his own makes the two proofs differ."""
    server, client = both(
        pair,
        lambda s: accept_client(s, KEY, timeout=5, secure=bound(b"one")),
        lambda s: greet_server(s, KEY, timeout=5, secure=bound(b"two")),
    )
    assert isinstance(server, AuthenticationError)
    assert isinstance(client, AuthenticationError)


def test_tls_is_not_negotiated(pair: tuple[socket.socket, socket.socket]) -> None:
    """A client that insists on TLS leaves a server without it, and says nothing."""
    pair[0].sendall(Hello(SERVER_NONCE).encode())
    with pytest.raises(AuthenticationError, match="does not use TLS"):
        greet_server(pair[1], KEY, timeout=5, secure=bound(b""))
    pair[1].shutdown(socket.SHUT_WR)
    assert b"" == pair[0].recv(100)


def test_a_client_may_not_clear_the_flag(pair: tuple[socket.socket, socket.socket]) -> None:
    """A server with TLS refuses a client that claims not to know of it."""
    pair[1].sendall(Hello(CLIENT_NONCE).encode())
    with pytest.raises(AuthenticationError, match="do not agree on TLS"):
        accept_client(pair[0], KEY, timeout=5, secure=bound(b""))


def test_the_log_of_the_server_learns_why(pair: tuple[socket.socket, socket.socket]) -> None:
    """A client without key or TLS has nothing to hide and says so; the server can log it."""
    server, client = both(pair, serve(KEY), greet(None))
    assert "the client has no key" == str(server)
    assert isinstance(client, AuthenticationError)


def test_replay_fails(pair: tuple[socket.socket, socket.socket]) -> None:
    """What a client sent once opens no second connection."""
    said: list[bytes] = []

    class Recorder:
        """Passes on to a socket, and keeps what is sent."""

        def __init__(self, sock: socket.socket) -> None:
            self._sock = sock

        def sendall(self, data: bytes) -> None:
            said.append(data)
            self._sock.sendall(data)

        def __getattr__(self, name: str) -> object:
            return getattr(self._sock, name)

    first = socket.socketpair()
    with first[0], first[1]:
        recorded = both(first, serve(KEY), lambda s: greet(KEY)(Recorder(s)))  # type: ignore[arg-type]  # a stand-in
    assert recorded == (None, None)
    server, _ = both(pair, serve(KEY), lambda s: s.sendall(b"".join(said)))
    assert isinstance(server, AuthenticationError)


def test_reflection_fails(pair: tuple[socket.socket, socket.socket]) -> None:
    """A stranger who sends the server its own bytes back is not let in."""

    def mirror(sock: socket.socket) -> None:
        sock.sendall(read(sock, HELLO_SIZE))
        sock.sendall(read(sock, PROOF_SIZE))

    server, _ = both(pair, serve(KEY), mirror)
    assert isinstance(server, AuthenticationError)


def test_an_impostor_gets_no_proof(pair: tuple[socket.socket, socket.socket]) -> None:
    """A client proves nothing to a server that has not proved itself."""
    heard = bytearray()

    def impostor(sock: socket.socket) -> None:
        sock.sendall(Hello(SERVER_NONCE).encode())
        heard.extend(read(sock, HELLO_SIZE))
        sock.sendall(bytes(PROOF_SIZE))
        heard.extend(sock.recv(1000))

    _, client = both(pair, impostor, greet(KEY))
    assert isinstance(client, AuthenticationError)
    assert len(heard) == HELLO_SIZE


def test_changed_flags_are_noticed(pair: tuple[socket.socket, socket.socket]) -> None:
    """The proofs cover both hellos: a bit changed on the way ends the connection."""

    def meddle(sock: socket.socket) -> None:
        ours = read(sock, HELLO_SIZE)
        theirs = bytearray(Hello(CLIENT_NONCE).encode())
        theirs[12] ^= 1  # a byte that is reserved today
        sock.sendall(theirs)
        read(sock, PROOF_SIZE)
        original = Hello(CLIENT_NONCE).encode()
        sock.sendall(preamble.proof(KEY, b"client", ours, original))

    server, _ = both(pair, serve(KEY), meddle)
    assert isinstance(server, AuthenticationError)


@pytest.mark.parametrize("said", [b"", Hello(CLIENT_NONCE).encode()[:20]])
def test_silence_ends_in_time(pair: tuple[socket.socket, socket.socket], said: bytes) -> None:
    """A client that says nothing, or stops half way, is given up when the time is over."""
    pair[1].sendall(said)
    with pytest.raises(CommTimeoutError, match=f"received {len(said)} of {HELLO_SIZE}"):
        accept_client(pair[0], KEY, timeout=0.05)


def test_silent_server_ends_in_time(pair: tuple[socket.socket, socket.socket]) -> None:
    """A server that says nothing (or waits for us to begin) is given up too."""
    with pytest.raises(CommTimeoutError):
        greet_server(pair[1], KEY, timeout=0.05)


@pytest.mark.parametrize("said", [b"GET / HTTP/1.1\r\n" * 10, b"PYRO\x01\xf6" + bytes(60)])
@pytest.mark.parametrize("side", [accept_client, greet_server])
def test_strangers_are_refused(
    pair: tuple[socket.socket, socket.socket], side: Callable[..., None], said: bytes
) -> None:
    """Bytes of another protocol end the connection on either side."""
    pair[1].sendall(said)
    with pytest.raises(ProtocolError, match="does not speak Bandmaster"):
        side(pair[0], KEY, timeout=5)


def test_hanging_up_is_a_lost_connection(pair: tuple[socket.socket, socket.socket]) -> None:
    """A peer that leaves half way raises MasterLostError, which says how far it came."""
    pair[1].sendall(b"\x89BM")
    pair[1].shutdown(socket.SHUT_WR)
    with pytest.raises(MasterLostError, match="after 3 of 48 bytes"):
        accept_client(pair[0], KEY, timeout=5)


def test_full_server_says_so(pair: tuple[socket.socket, socket.socket]) -> None:
    """A client that comes to a full server learns that it is full, not that its key is wrong."""
    preamble.refuse_full(pair[0])
    pair[0].close()
    with pytest.raises(CommError, match="it is full"):
        greet_server(pair[1], KEY, timeout=5)
