"""Calls over the wire: answers, errors, limits, and connections that end."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest
from unit.asynccomm.wire_helpers import KEY, Echo, raw, serving

from bandmaster.asynccomm.wire import Address, Client, Server
from bandmaster.asynccomm.wire._connection import Connection
from bandmaster.errors import (
    AuthenticationError,
    CommError,
    CommTimeoutError,
    ConfigurationError,
    MasterLostError,
    ProtocolError,
    ProtocolVersionError,
    UnknownJobError,
)


@pytest.mark.parametrize("size", [0, 1, 255, 256, 70_000, 3_000_000])
def test_echo(size: int) -> None:
    """Payloads of every length arrive and come back, over TCP."""
    payload = os.urandom(size)
    with serving() as (address, _, _), Client(address, "echo", key=KEY) as client:
        assert payload == client.call("echo", payload)


def test_unix_socket(tmp_path: Path) -> None:
    """A Unix socket works alike, belongs to its user only, and is gone after close."""
    path = tmp_path / "s"
    with serving(unix_path=str(path)) as (address, echo, _):
        assert Address.unix(str(path)) == address
        assert path.stat().st_mode & 0o777 == 0o600
        with Client(address, "echo", key=KEY) as client:
            assert client.call("echo", b"x") == b"x"
            assert f"unix:pid={os.getpid()},uid={os.getuid()}" == echo.peers[0].address
    assert not path.exists()


def test_socket_of_a_killed_server_is_replaced(tmp_path: Path) -> None:
    """A socket file that nobody serves does not keep a new server from starting."""
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(path)
    with serving(unix_path=path) as (address, _, _), Client(address, "echo", key=KEY) as client:
        assert client.call("echo", b"x") == b"x"
        with pytest.raises(CommError, match="cannot listen"):
            Server(key=KEY, unix_path=path).start()


def test_ipv6() -> None:
    """An IPv6 address works alike."""
    with serving(host="::1") as (address, _, _), Client(address, "echo", key=KEY) as client:
        assert str(address).startswith("[::1]:")
        assert client.call("echo", b"x") == b"x"


def test_wildcard_means_loopback() -> None:
    """A client may be given the wildcard that the server listens on."""
    with serving(host="0.0.0.0") as (address, _, _), Client(address, "echo", key=KEY) as client:
        assert address.host == "0.0.0.0"
        assert client.call("echo", b"x") == b"x"


def test_known_errors_keep_their_class() -> None:
    """A BandmasterError of the handler arrives as itself, and the connection stays."""
    with serving() as (address, _, _), Client(address, "echo", key=KEY) as client:
        with pytest.raises(UnknownJobError, match=r"^there is no job 7$"):
            client.call("known")
        assert client.call("echo", b"x") == b"x"


@pytest.mark.parametrize(("method", "kind"), [("boom", "ValueError"), ("exit", "SystemExit")])
def test_other_errors_stay_at_the_server(
    method: str, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Any other exception is logged with its traceback; the client learns its class, no more."""
    with serving() as (address, _, _), Client(address, "echo", key=KEY) as client:
        with pytest.raises(CommError, match=f"the other end failed .* {kind}") as caught:
            client.call(method)
        assert CommError is type(caught.value)
        assert "secret" not in str(caught.value)
        assert client.call("echo", b"x") == b"x"
    assert [kind] == [r.exc_info[0].__name__ for r in caplog.records if r.exc_info]  # type: ignore[union-attr]  # it was raised


@pytest.mark.parametrize("name", ["nobody", "Pyro.Daemon"])
def test_unknown_object(name: str) -> None:
    """An object that is not served is named in the error; Pyro's own object is not served."""
    with (
        serving() as (address, _, _),
        Client(address, name, key=KEY) as client,
        pytest.raises(CommError, match=f"nothing is called '{name}' here"),
    ):
        client.call("ping")


def test_wrong_and_missing_key() -> None:
    """Another key, and none at all, raise AuthenticationError that names the address."""
    with serving() as (address, echo, _):
        for key in (b"k" * 32, None):
            with pytest.raises(AuthenticationError, match=str(address)):
                Client(address, "echo", key=key).connect()
    assert echo.left == []


def test_no_key_on_both_sides() -> None:
    """Without a key on either side everybody gets in, by the user's own wish."""
    with serving(key=None) as (address, _, _), Client(address, "echo", key=None) as client:
        assert client.call("echo", b"x") == b"x"


def test_other_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client of another version learns both versions, and the server goes on."""
    from bandmaster.asynccomm import preamble

    with serving() as (address, _, _):
        with monkeypatch.context() as patch:
            patch.setattr(preamble, "PROTOCOL_VERSION", 4)
            with pytest.raises(ProtocolVersionError, match=r"version 1, we speak version 4"):
                Client(address, "echo", key=KEY).connect()
        with Client(address, "echo", key=KEY) as client:
            assert client.call("echo", b"x") == b"x"


def test_nobody_there() -> None:
    """An address where nothing listens raises MasterLostError at once."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(MasterLostError, match=f"cannot connect to 127.0.0.1:{port}"):
            Client(Address("127.0.0.1", port), "echo", key=KEY).connect()


def test_silent_server() -> None:
    """Something that accepts and says nothing is given up after connect_timeout."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        client = Client(Address(*listener.getsockname()), "echo", key=KEY, connect_timeout=0.05)
        with pytest.raises(CommTimeoutError):
            client.connect()


def test_call_times_out_and_can_reconnect() -> None:
    """A call that gets no answer in time closes the connection; connect opens a new one."""
    with serving() as (address, echo, _), Client(address, "echo", key=KEY) as client:
        with pytest.raises(CommTimeoutError, match="park"):
            client.call("park", timeout=0.05)
        assert not client.connected
        assert echo.someone_left.acquire(timeout=5)
        assert echo.ended == ["gone"]
        with pytest.raises(MasterLostError, match="not connected"):
            client.call("echo")
        client.connect()
        assert client.call("echo", b"x", timeout=5) == b"x"


def test_too_much_to_send() -> None:
    """A payload over the limit is refused before it is sent; the connection stays."""
    with (
        serving() as (address, _, _),
        Client(address, "echo", key=KEY, max_message=10_000) as client,
    ):
        with pytest.raises(ProtocolError, match="20000 bytes"):
            client.call("echo", bytes(20_000))
        assert client.call("echo", b"x") == b"x"


def test_too_much_to_answer() -> None:
    """An answer over the server's limit becomes an error; the connection stays."""
    with (
        serving(max_message=10_000) as (address, _, _),
        Client(address, "echo", key=KEY) as client,
    ):
        with pytest.raises(ProtocolError, match="20000 bytes"):
            client.call("size", b"20000")
        assert client.call("echo", b"x") == b"x"


def test_close_wakes_a_blocked_call() -> None:
    """close() from another thread ends a call that waits; the server hears of it."""
    with serving() as (address, echo, _):
        client = Client(address, "echo", key=KEY)
        client.connect()

        def closer() -> None:
            echo.parked.acquire(timeout=5)
            client.close()

        thread = threading.Thread(target=closer)
        thread.start()
        with pytest.raises(MasterLostError):
            client.call("park")
        thread.join()
        assert client.fileno() == -1
        assert echo.someone_left.acquire(timeout=5)


def test_close_from_a_signal_handler() -> None:
    """close() in a signal handler ends the call that it interrupted, in the same thread."""
    with serving() as (address, echo, _):
        client = Client(address, "echo", key=KEY)
        client.connect()
        before = signal.signal(signal.SIGUSR1, lambda *_: client.close())

        def kill() -> None:
            echo.parked.acquire(timeout=5)
            os.kill(os.getpid(), signal.SIGUSR1)

        thread = threading.Thread(target=kill)
        thread.start()
        try:
            with pytest.raises(MasterLostError):
                client.call("park")
        finally:
            thread.join()
            signal.signal(signal.SIGUSR1, before)


@pytest.mark.parametrize("after", ["connect", "call"])
def test_close_at_the_end_of_a_turn_frees_the_descriptor(after: str) -> None:
    """Whoever holds the turn when `close` comes frees what it could not, also after success."""

    class Interrupted:
        """Lets `close` come at the last moment of a turn, as a signal or another thread may."""

        def __init__(self) -> None:
            self.lock = threading.Lock()
            self.closes = 1

        def acquire(self, blocking: bool) -> bool:
            return self.lock.acquire(blocking)

        def release(self) -> None:
            self.lock.release()

        def __enter__(self) -> None:
            self.lock.acquire()

        def __exit__(self, *exc: object) -> None:
            if self.closes:
                self.closes -= 1
                opened.append(client._connection)
                client.close()
            self.lock.release()

    opened: list[Connection | None] = []
    with serving() as (address, _, _):
        client = Client(address, "echo", key=KEY)
        if after == "call":
            client.connect()
        client._turn = Interrupted()  # type: ignore[assignment]
        client.connect() if after == "connect" else client.call("echo", b"x")
    assert opened[0] is not None
    assert -1 == opened[0].fileno()
    assert not client.connected


def test_calls_take_turns() -> None:
    """Calls of several threads on one client do not mix."""
    wrong: list[bytes] = []
    with serving() as (address, _, _), Client(address, "echo", key=KEY) as client:

        def caller(number: int) -> None:
            for i in range(100):
                text = f"{number}:{i}".encode()
                if client.call("echo", text) != text:
                    wrong.append(text)

        threads = [threading.Thread(target=caller, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


def test_disconnected_exactly_once() -> None:
    """Each connection that got through the preamble is reported once, called or not."""
    with serving() as (address, echo, _):
        for _ in range(3):
            with Client(address, "echo", key=KEY) as client:
                client.call("echo")
        with raw(address):
            pass
        with raw(address, greet=False):
            pass
        for _ in range(4):
            assert echo.someone_left.acquire(timeout=5)
    assert len(echo.left) == 4
    assert len(set(echo.left)) == 4


def test_closing_the_server_ends_everything() -> None:
    """close() wakes parked handlers and blocked clients, and frees the port."""
    raised: list[BaseException] = []
    with serving() as (address, echo, server):
        clients = [Client(address, "echo", key=KEY) for _ in range(5)]

        def parker(client: Client) -> None:
            try:
                client.call("park")
            except MasterLostError as error:
                raised.append(error)

        threads = [threading.Thread(target=parker, args=(c,)) for c in clients]
        for client, thread in zip(clients, threads, strict=True):
            client.connect()
            thread.start()
            assert echo.parked.acquire(timeout=5)
        begin = time.monotonic()
        server.close()
        assert time.monotonic() - begin < 3.0
        for thread in threads:
            thread.join(5)
        assert server.connections == 0
    assert len(raised) == 5
    assert echo.ended == ["gone"] * 5
    assert len(set(echo.left)) == 5
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind((address.host, address.port))


def test_a_handler_may_close_the_server() -> None:
    """close() from a handler's own thread returns instead of waiting for itself."""
    closed = threading.Event()

    class Closer(Echo):
        def handle(self, peer: object, method: str, payload: bytes) -> bytes:
            server.close()
            closed.set()
            return b""

    closer = Closer()
    with Server(key=KEY) as server:
        server.register("closer", closer)
        with Client(server.address, "closer", key=KEY) as client, pytest.raises(MasterLostError):
            client.call("close")
        assert closed.wait(5)
    closer.wake.close()


def test_a_peer_can_be_thrown_out() -> None:
    """Peer.close() from any thread ends the connection."""
    with serving() as (address, echo, _), Client(address, "echo", key=KEY) as client:
        client.call("echo")
        echo.peers[0].close()
        echo.peers[0].close()
        assert echo.someone_left.acquire(timeout=5)
        with pytest.raises(MasterLostError):
            client.call("echo")


def test_full_server_refuses_and_recovers() -> None:
    """One connection too many is told so; when one leaves there is room again."""
    with serving(max_connections=2) as (address, echo, server):
        with Client(address, "echo", key=KEY) as first, Client(address, "echo", key=KEY) as second:
            first.call("echo")
            second.call("echo")
            with pytest.raises(CommError, match="it is full"):
                Client(address, "echo", key=KEY).connect()
        for _ in range(2):
            assert echo.someone_left.acquire(timeout=5)
        assert server.connections == 0
        with Client(address, "echo", key=KEY) as client:
            assert client.call("echo", b"x") == b"x"


def test_options_are_checked() -> None:
    """Options that make no sense, and names given twice, are refused where they are given."""
    with pytest.raises(ConfigurationError, match="max_connections"):
        Server(key=KEY, max_connections=0)
    with pytest.raises(ConfigurationError, match="max_message"):
        Server(key=KEY, max_message=10)
    with pytest.raises(ConfigurationError, match="ulimit"):
        Server(key=KEY, max_connections=10**9).start()
    with pytest.raises(ConfigurationError, match="not been started"):
        _ = Server(key=KEY).address
    with serving() as (_, echo, server):
        with pytest.raises(ConfigurationError, match="registered already"):
            server.register("echo", echo)
        with pytest.raises(ConfigurationError, match="started already"):
            server.start()


def test_a_late_handler_is_served() -> None:
    """A handler may be registered while the server runs."""
    late = Echo()
    with serving() as (address, _, server):
        server.register("late", late)
        with Client(address, "late", key=KEY) as client:
            assert client.call("echo", b"x") == b"x"
    late.wake.close()


def test_taken_port() -> None:
    """A port that is taken raises CommError that names it, and leaves nothing open."""
    with (
        serving() as (address, _, _),
        pytest.raises(CommError, match=f"cannot listen on {address}"),
    ):
        Server(key=KEY, port=address.port).start()


def test_no_descriptors_left(caplog: pytest.LogCaptureFixture) -> None:
    """At the limit of open files new clients are refused, without spinning, and it recovers."""
    import resource

    with serving() as (address, _, server), Client(address, "echo", key=KEY) as client:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        probe = socket.socket()
        fillers: list[int] = []
        used = max(int(name) for name in os.listdir("/proc/self/fd"))
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (used + 1, hard))
            with contextlib.suppress(OSError):
                while True:  # the gaps that closed files have left
                    fillers.append(os.open(os.devnull, os.O_RDONLY))
            with caplog.at_level(logging.WARNING):
                probe.settimeout(5)
                probe.connect((address.host, address.port))
                assert len(probe.recv(1000)) == 48
                assert probe.recv(1000) == b""
            assert client.call("echo", b"x") == b"x"
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            probe.close()
            for filler in fillers:
                os.close(filler)
        assert server.connections == 1
        with Client(address, "echo", key=KEY) as another:
            assert another.call("echo", b"x") == b"x"
    assert "refused" in caplog.text


def test_sockets_are_watched() -> None:
    """Both ends ask the kernel to notice a dead peer in 10 to 15 s and to send at once."""
    with serving() as (address, echo, _), Client(address, "echo", key=KEY) as client:
        client.call("echo")
        ends = [os.dup(client.fileno()), os.dup(echo.peers[0]._connection.fileno())]
        for descriptor in ends:
            with socket.socket(fileno=descriptor) as sock:
                get = sock.getsockopt
                assert get(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
                assert get(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
                assert get(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 12_000
                silence = get(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) + get(
                    socket.IPPROTO_TCP, socket.TCP_KEEPINTVL
                ) * get(socket.IPPROTO_TCP, socket.TCP_KEEPCNT)
                assert 10 <= silence <= 15


def test_a_dead_link_is_a_lost_master() -> None:
    """When the kernel gives a silent peer up (ETIMEDOUT), that is no time limit of ours."""

    class Dead(socket.socket):
        def recv(self, *_: object) -> bytes:  # type: ignore[override]  # a stand-in
            raise TimeoutError(errno.ETIMEDOUT, os.strerror(errno.ETIMEDOUT))

        sendall = recv  # type: ignore[assignment]  # as above

    with Dead() as sock:
        connection = Connection(sock, serving=False, max_message=1 << 20)
        with pytest.raises(MasterLostError, match="timed out"):
            connection.read_result()
        with pytest.raises(MasterLostError, match="timed out"):
            connection.send(bytes(40))
        connection.deadline = time.monotonic() - 1
        with pytest.raises(CommTimeoutError):
            connection.read_result()
        connection.close()


def test_a_server_may_learn_its_key_later() -> None:
    """Clients that connect afterwards need the new key; those that are in stay in."""
    with serving(key=b"a key that nobody knows, 32 bytes") as (address, _, server):
        with pytest.raises(AuthenticationError), Client(address, "echo", key=KEY) as client:
            client.call("echo", b"x")
        server.use_key(KEY)
        with Client(address, "echo", key=KEY) as client:
            server.use_key(b"another key, of thirty-two bytes")
            assert client.call("echo", b"x") == b"x"
