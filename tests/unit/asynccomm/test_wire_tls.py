"""TLS on real sockets: who gets in, what is said to who does not, parking, and slow peers."""

from __future__ import annotations

import contextlib
import dataclasses
import select
import socket
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from unit.asynccomm.wire_helpers import GOOD, KEY, drained, message, serving

from bandmaster.asynccomm.certificates import ANY_CERTIFICATE, Certificate, check_tls
from bandmaster.asynccomm.preamble import HELLO_SIZE, Hello, greet_server
from bandmaster.asynccomm.wire import Address, Client, _connection
from bandmaster.asynccomm.wire._tls import securing_client
from bandmaster.errors import (
    AuthenticationError,
    CommTimeoutError,
    ConfigurationError,
    MasterLostError,
    MissingExtraError,
    ProtocolError,
)

CERTIFICATE = Certificate.make("these tests")
OTHER = Certificate.make("an impostor")
PARKER = """
import sys
from bandmaster.asynccomm.wire import Address, Client
address = Address.parse(sys.argv[1]).secured("any")
client = Client(address, "echo", key=sys.argv[2].encode())
client.connect()
client.call("park")
"""


def pinned(address: Address, tls: str = CERTIFICATE.fingerprint) -> Address:
    """Return the address with TLS, or without."""
    return dataclasses.replace(address, tls=tls)


def encrypted(address: Address) -> ssl.SSLSocket:
    """Return a bare socket past the preamble."""
    sock = socket.create_connection((address.host, address.port), timeout=5)
    done = greet_server(
        sock, KEY, timeout=5, secure=securing_client(ANY_CERTIFICATE, lambda _: None)
    )
    done.settimeout(5)
    assert isinstance(done, ssl.SSLSocket)
    return done


@pytest.mark.parametrize("size", [0, 1, 16_383, 16_384, 16_385, 200_000, 3_000_000])
def test_echo(size: int) -> None:
    """Payloads of every length arrive and come back, across the records of TLS."""
    payload = bytes(range(256)) * (size // 256) + bytes(size % 256)
    with (
        serving(certificate=CERTIFICATE) as (address, _, _),
        Client(pinned(address), "echo", key=KEY) as client,
    ):
        for _ in range(3):
            assert payload == client.call("echo", payload, timeout=10)


def test_nothing_passes_in_the_clear() -> None:
    """What a client and a server say is not on the wire; their hellos are."""
    seen = bytearray()
    with (
        serving(certificate=CERTIFICATE) as (address, _, _),
        socket.create_server(("127.0.0.1", 0)) as listener,
    ):
        between = threading.Thread(target=_relay, args=(listener, address, seen))
        between.start()
        here = pinned(Address(*listener.getsockname()))
        with Client(here, "echo", key=KEY) as client:
            assert b"a secret" == client.call("echo", b"a secret", timeout=5)
        between.join()
    assert b"a secret" not in seen
    assert b"PYRO" not in seen
    assert Hello.decode(bytes(seen[:HELLO_SIZE])).tls


def test_who_sits_between_with_a_certificate_of_his_own_is_found_out() -> None:
    """Even a client that expects no certain certificate hears from the key that it is wrong."""
    with serving(certificate=CERTIFICATE) as (address, echo, _):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=_man_in_the_middle, args=(listener, address))
            thread.start()
            client = Client(pinned(Address(*listener.getsockname()), "any"), "echo", key=KEY)
            with pytest.raises(AuthenticationError, match="another key"):
                client.connect()
            thread.join()
        assert [] == echo.peers


def test_another_certificate_is_refused() -> None:
    """A server that shows another one than the connection file names hears nothing more."""
    with serving(certificate=OTHER) as (address, echo, _):
        client = Client(pinned(address), "echo", key=KEY)
        with pytest.raises(AuthenticationError, match="another certificate") as caught:
            client.connect()
        assert OTHER.fingerprint in str(caught.value)
        assert CERTIFICATE.fingerprint in str(caught.value)
    assert [] == echo.peers


def test_plain_client(caplog: pytest.LogCaptureFixture) -> None:
    """A client without TLS is told at once that the server wants it; the server's log says so."""
    with serving(certificate=CERTIFICATE) as (address, _, server):
        began = time.monotonic()
        with pytest.raises(AuthenticationError, match="wants TLS"):
            Client(pinned(address, ""), "echo", key=KEY).connect()
        assert time.monotonic() - began < 3.5
        _wait(lambda: not server.connections)
    assert ["the client does not use TLS"] == [m.split(": ", 1)[1] for m in caplog.messages]


def test_plain_server() -> None:
    """A client that insists on TLS says nothing to a server without."""
    heard = bytearray()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            sock, _ = listener.accept()
            with sock:
                sock.sendall(Hello(bytes(32)).encode())
                heard.extend(drained(sock))

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(AuthenticationError, match="does not use TLS"):
            Client(pinned(Address(*listener.getsockname())), "echo", key=KEY).connect()
        thread.join()
    assert b"" == heard


def test_wrong_and_missing_key() -> None:
    """TLS does not stand for the key: without it, and with another one, nobody gets in."""
    with serving(certificate=CERTIFICATE) as (address, echo, _):
        for key in (None, b"another key, just as long as one"):
            with pytest.raises(AuthenticationError, match="key"):
                Client(pinned(address), "echo", key=key).connect()
    assert [] == echo.peers


def test_silent_peers_cost_bounded_time() -> None:
    """Who says nothing, or stops in the handshake, is thrown out in 4 s; nobody waits for him."""
    with serving(certificate=CERTIFICATE) as (address, _, server):
        sockets = [socket.create_connection((address.host, address.port)) for _ in range(30)]
        began = time.monotonic()
        for number, sock in enumerate(sockets):
            sock.settimeout(10)
            sock.sendall([b"", b"\x16\x03\x01", b"\x16\x03\x01\x40\x00" + bytes(100)][number % 3])
        with Client(pinned(address), "echo", key=KEY) as client:
            assert b"x" == client.call("echo", b"x", timeout=5)
        assert time.monotonic() - began < 3.5
        for sock in sockets:
            drained(sock)
            sock.close()
        assert time.monotonic() - began < 12
        _wait(lambda: not server.connections)


@pytest.mark.parametrize("said", [b"\x16" + b"\xff" * 500, b"GET / HTTP/1.1\r\n\r\n"])
def test_garbage_in_place_of_a_handshake(said: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """Bytes that are no handshake end the connection with one line."""
    with (
        serving(certificate=CERTIFICATE) as (address, _, server),
        socket.create_connection((address.host, address.port)) as sock,
    ):
        sock.settimeout(10)
        sock.sendall(said)
        drained(sock)
        _wait(lambda: not server.connections)
    [line] = caplog.messages
    assert "the TLS handshake with the client failed" in line


def test_half_a_record_blocks_nobody() -> None:
    """A client that stops in the middle of a record keeps the others from nothing."""
    with serving(certificate=CERTIFICATE) as (address, echo, _):
        with encrypted(address) as slow:
            socket.socket.send(slow, b"\x17\x03\x03\x01\x00" + bytes(10))  # of 256 bytes
            with Client(pinned(address), "echo", key=KEY) as client:
                for _ in range(20):
                    assert b"x" == client.call("echo", b"x", timeout=5)
        assert echo.someone_left.acquire(timeout=5)


def test_a_message_that_does_not_end_is_given_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The rest of a frame, or of a record, has to come in bounded time, encrypted or not."""
    monkeypatch.setattr(_connection, "PATIENCE", 0.2)
    with serving(certificate=CERTIFICATE) as (address, echo, _):
        with encrypted(address) as sock:
            sock.sendall(message(GOOD)[:50])
            assert b"" == drained(sock)
        with encrypted(address) as sock:
            socket.socket.send(sock, b"\x17\x03\x03\x01\x00" + bytes(10))
            assert b"" == drained(sock)
        for _ in range(2):
            assert echo.someone_left.acquire(timeout=5)
    assert 2 == len([m for m in caplog.messages if "did not come in time" in m])


def test_data_that_is_decrypted_already_is_served() -> None:
    """Calls that come in the record of the call before are answered: the poller cannot see them."""
    large = message(b"\x94\xa4echo\xa8exchange\x92\xa4echo\xc5\x4e\x20" + bytes(20_000) + b"\x80")
    with serving(certificate=CERTIFICATE) as (address, _, _), encrypted(address) as sock:
        sock.sendall(large + message(GOOD))  # two records; the second holds the second call
        received = b""
        while len(received) < 40 + 20_004 + 40 + 4:
            received += sock.recv(65536)
        assert received.endswith(b"\xc4\x02\x00x")


def test_parked_callers_wake_and_are_missed() -> None:
    """Parking works alike: woken, timed out, and gone when the client hangs up."""
    with serving(certificate=CERTIFICATE) as (address, echo, _):
        with Client(pinned(address), "echo", key=KEY) as client:
            assert b"timeout" == client.call("park", b"0.01")
            echo.wake.set()
            assert b"woken" == client.call("park")
            echo.wake.clear()
        sock = encrypted(address)
        sock.sendall(message(GOOD.replace(b"\xa4echo\xc4\x01x", b"\xa4park\xc4\x0230")))
        for _ in range(3):
            assert echo.parked.acquire(timeout=5)
        sock.sendall(message(GOOD))  # out of turn: served once the parking is over
        began = time.monotonic()
        sock.close()
        for _ in range(2):
            assert echo.someone_left.acquire(timeout=5)
        assert time.monotonic() - began < 3.0
    assert ["timeout", "woken", "gone"] == echo.ended


def test_out_of_turn_data_is_served_after_parking() -> None:
    """What a parked client sends is answered when the parking has ended."""
    with serving(certificate=CERTIFICATE) as (address, echo, _), encrypted(address) as sock:
        sock.sendall(message(GOOD.replace(b"\xa4echo\xc4\x01x", b"\xa4park\xc4\x0230")))
        assert echo.parked.acquire(timeout=5)
        sock.sendall(message(GOOD))
        echo.wake.set()
        received = b""
        while not received.endswith(b"\xc4\x02\x00x"):
            received += sock.recv(65536)
        assert b"woken" in received


def test_a_parked_client_that_is_killed_is_missed_at_once() -> None:
    """A parked caller's process that dies of SIGKILL is noticed in less than a second."""
    with serving(certificate=CERTIFICATE) as (address, echo, _):
        process = subprocess.Popen([sys.executable, "-c", PARKER, str(address), KEY.decode()])
        try:
            assert echo.parked.acquire(timeout=20)
            process.kill()
            began = time.monotonic()
            assert echo.someone_left.acquire(timeout=5)
            assert time.monotonic() - began < 3.0
        finally:
            process.kill()
            process.wait()
    assert ["gone"] == echo.ended


def test_nothing_arrives_unasked() -> None:
    """A client's descriptor becomes readable only at the server's end: no tickets come."""
    with (
        serving(certificate=CERTIFICATE) as (address, _, _),
        Client(pinned(address), "echo", key=KEY) as client,
    ):
        client.call("echo", b"x")
        poller = select.poll()
        poller.register(client.fileno(), select.POLLIN)
        assert [] == poller.poll(50)


def test_close_wakes_a_blocked_call() -> None:
    """close() from another thread ends a call that waits, and one that shakes hands."""
    with serving(certificate=CERTIFICATE) as (address, echo, _):
        client = Client(pinned(address), "echo", key=KEY)
        client.connect()
        thread = threading.Thread(target=lambda: echo.parked.acquire() and client.close())
        thread.start()
        with pytest.raises(MasterLostError):
            client.call("park")
        thread.join()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = Client(pinned(Address(*listener.getsockname())), "echo", key=KEY)

        def hang_up() -> None:
            sock, _ = listener.accept()
            with sock:
                sock.sendall(Hello(bytes(32), tls=True).encode())
                sock.recv(1)
                client.close()

        thread = threading.Thread(target=hang_up)
        thread.start()
        began = time.monotonic()
        with pytest.raises(MasterLostError):
            client.connect()
        assert time.monotonic() - began < 8
        thread.join()


@pytest.mark.parametrize(
    ("said", "error"),
    [(b"", CommTimeoutError), (b"\x16\x03\x03\x00\x05hello", ProtocolError)],
)
def test_a_server_that_does_not_shake_hands(said: bytes, error: type[Exception]) -> None:
    """A client gives a server up that stops in the handshake, or says something else in it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        done = threading.Event()

        def serve() -> None:
            sock, _ = listener.accept()
            with sock:
                sock.sendall(Hello(bytes(32), tls=True).encode() + said)
                done.wait(10)

        thread = threading.Thread(target=serve)
        thread.start()
        address = pinned(Address(*listener.getsockname()))
        with pytest.raises(error, match="TLS handshake"):
            Client(address, "echo", key=KEY, connect_timeout=0.3).connect()
        done.set()
        thread.join()


def test_a_server_may_begin_to_use_tls_later() -> None:
    """A worker learns that its run uses TLS from the name server; those who are in stay in."""
    with serving() as (address, _, server), Client(address, "echo", key=KEY) as early:
        server.use_certificate(CERTIFICATE)
        with pytest.raises(AuthenticationError, match="wants TLS"):
            Client(address, "echo", key=KEY).connect()
        with Client(pinned(address), "echo", key=KEY) as late:
            assert b"late" == late.call("echo", b"late")
        assert b"early" == early.call("echo", b"early")


def test_certificate_files(tmp_path: Path) -> None:
    """A certificate comes from its two PEM files; what is none is refused, and not repeated."""
    paths = tmp_path / "cert.pem", tmp_path / "key.pem"
    paths[0].write_text("About this certificate\n" + CERTIFICATE.pem + OTHER.pem)
    paths[1].write_text(CERTIFICATE.private_key)
    assert CERTIFICATE.fingerprint == Certificate.load(*paths).fingerprint
    paths[1].write_text(OTHER.private_key)
    with pytest.raises(ConfigurationError, match=r"key\.pem"):
        Certificate.load(*paths)
    with pytest.raises(ConfigurationError, match="cannot be read"):
        Certificate.load(tmp_path / "nothing.pem", paths[1])
    assert "PRIVATE" not in repr(CERTIFICATE)


def test_the_option_is_checked() -> None:
    """Anything but a bool and two files is refused."""
    assert [None, True, ("a", "b")] == [check_tls(t) for t in (None, True, ("a", "b"))]
    for wrong in ("yes", ("a",), 1, ["a", "b"]):
        with pytest.raises(ConfigurationError, match="tls is"):
            check_tls(wrong)  # type: ignore[arg-type]  # what a user may give


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the library that makes certificates the error says how to get it."""
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(MissingExtraError, match=r"bandmaster\[tls\]"):
        Certificate.make("x")


def _wait(holds: object) -> None:
    assert callable(holds)
    deadline = time.monotonic() + 5
    done = threading.Event()
    while not holds():
        assert time.monotonic() < deadline
        done.wait(0.01)


def _relay(listener: socket.socket, address: Address, seen: bytearray) -> None:
    """Pass one connection on, and keep all that passes."""
    ours, _ = listener.accept()
    theirs = socket.create_connection((address.host, address.port))

    def pass_on(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(65536):
                seen.extend(chunk)
                target.sendall(chunk)
            target.shutdown(socket.SHUT_WR)

    with ours, theirs:
        back = threading.Thread(target=pass_on, args=(theirs, ours))
        back.start()
        pass_on(ours, theirs)
        back.join()


def _man_in_the_middle(listener: socket.socket, address: Address) -> None:
    """Show a certificate of our own to the client, and pass on what it says inside."""
    context = OTHER.context()
    ours, _ = listener.accept()
    theirs = socket.create_connection((address.host, address.port), timeout=5)
    with ours, theirs:
        ours.sendall(theirs.recv(HELLO_SIZE, socket.MSG_WAITALL))
        client = context.wrap_socket(ours, server_side=True)
        server, _ = securing_client(ANY_CERTIFICATE, lambda _: None)(theirs, 5)
        with client, server:
            server.settimeout(5)
            server.sendall(client.recv(HELLO_SIZE))
            client.sendall(server.recv(32))
            assert b"" == client.recv(100)
