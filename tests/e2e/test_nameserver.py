"""The name server: real sockets, real processes, and everything that can be wrong about it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bandmaster.asynccomm import connection_file
from bandmaster.asynccomm.addresses import Address
from bandmaster.asynccomm.connection_file import ConnectionInfo, find_nameserver
from bandmaster.asynccomm.nameserver import NameServer
from bandmaster.asynccomm.naming import Names, dispatcher_name, worker_name
from bandmaster.asynccomm.net import get_a_free_port
from bandmaster.asynccomm.security import encode_key
from bandmaster.errors import (
    AuthenticationError,
    CommError,
    ConfigurationError,
    NameServerError,
    ProtocolError,
)

PROCESS = """
import sys
from bandmaster.asynccomm.nameserver import NameServer
with NameServer(run_id=sys.argv[1], host="127.0.0.1", port=int(sys.argv[2])) as server:
    print(server.port, flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def server() -> Iterator[NameServer]:
    """A name server of the run "tuning" on any free port."""
    with NameServer(run_id="tuning", port=0) as server:
        yield server


@pytest.fixture
def names(server: NameServer) -> Iterator[Names]:
    """A client of it."""
    with Names(server.address, key=server.key) as names:
        yield names


def test_as_the_seed_uses_it() -> None:
    """A port found, a server on all interfaces, found by the same arguments, shut down."""
    port = get_a_free_port(9090, "0.0.0.0")
    server = NameServer(run_id="learn", host="0.0.0.0", port=port)
    assert server.start() == ("0.0.0.0", port)
    try:
        address, key = find_nameserver("learn", "0.0.0.0", port)
        with Names(address, key=key) as names:
            assert names.list() == {}
        assert find_nameserver("learn", "0.0.0.0") == (address, key)
    finally:
        server.shutdown()
    server.shutdown()
    assert get_a_free_port(port, "0.0.0.0") == port


def test_constructor_starts_nothing(bandmaster_home: Path) -> None:
    """Before start there is no file, no port and no address."""
    server = NameServer(run_id="tuning")
    assert not bandmaster_home.exists()
    assert server.connection_file is None
    with pytest.raises(ConfigurationError, match="call start"):
        _ = server.address
    server.shutdown()


def test_start_and_shutdown_repeat() -> None:
    """start twice is start once, and a server can be started again on its port."""
    server = NameServer(run_id="tuning", port=0)
    first = server.start()
    assert server.start() == first
    server.shutdown()
    try:
        assert server.start() == first
    finally:
        server.shutdown()


def test_connection_file_lives_as_long_as_the_server(server: NameServer) -> None:
    """The file has the key and is gone after shutdown."""
    assert server.connection_file is not None
    info = connection_file.read("tuning")
    assert info is not None
    assert (info.address, info.key, info.pid) == (server.address, server.key, os.getpid())
    path = server.connection_file
    server.shutdown()
    assert not path.exists()


def test_unique_run_ids_and_ports() -> None:
    """Two name servers with nothing given do not collide."""
    with NameServer() as one, NameServer() as two:
        assert one.run_id != two.run_id
        assert one.port != two.port
        assert {i.run_id for i in connection_file.list_runs()} == {one.run_id, two.run_id}


def test_taken_port() -> None:
    """A port that is taken is named in the error, and no file is left."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(CommError, match=f"127.0.0.1:{port}"):
            NameServer(run_id="tuning", port=port).start()
    assert connection_file.list_runs() == []


def test_key_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """BANDMASTER_KEY is the run's key where it is set."""
    monkeypatch.setenv("BANDMASTER_KEY", encode_key(b"e" * 32))
    with NameServer(port=0) as server:
        assert server.key == b"e" * 32


def test_insecure_is_explicit() -> None:
    """Without a key only by insecure=True; then clients without a key get in, others do not."""
    with pytest.raises(ConfigurationError, match="not both"):
        NameServer(key=b"k" * 32, insecure=True)
    with NameServer(port=0, insecure=True) as server:
        with Names(server.address, key=None) as names:
            assert names.list() == {}
        with Names(server.address, key=b"k" * 32) as names, pytest.raises(AuthenticationError):
            names.list()


def test_wrong_key(server: NameServer) -> None:
    """Another key is an AuthenticationError, not "unreachable"."""
    for key in (b"x" * 32, None):
        with Names(server.address, key=key) as names, pytest.raises(AuthenticationError):
            names.list()


def test_names(names: Names) -> None:
    """Register, look up, list by prefix, replace and remove."""
    dispatcher, worker = dispatcher_name("tuning"), worker_name("tuning", "host.7-0f3a.0")
    assert worker == "bandmaster.tuning.worker.host.7-0f3a.0"
    names.register(dispatcher, "127.0.0.1:99")
    names.register(worker, "unix:/tmp/s")
    names.register("bandmaster.other.dispatcher", "10.0.0.7:5")
    assert names.lookup(dispatcher) == Address("127.0.0.1", 99)
    assert names.lookup(worker) == Address.unix("/tmp/s")
    assert names.list("bandmaster.tuning.worker.") == {worker: "unix:/tmp/s"}
    assert len(names.list()) == 3
    names.register(dispatcher, "127.0.0.1:100")
    assert names.lookup(dispatcher) == Address("127.0.0.1", 100)
    assert names.remove(dispatcher)
    assert not names.remove(dispatcher)
    with pytest.raises(NameServerError):
        names.lookup(dispatcher)


def test_safe_registration(names: Names) -> None:
    """safe=True refuses to take a name from another address, and may be repeated."""
    names.register("a", "h:1", safe=True)
    names.register("a", "h:1", safe=True)
    with pytest.raises(NameServerError, match="registered already, for h:1"):
        names.register("a", "h:2", safe=True)


def test_near_misses_are_named(names: Names) -> None:
    """A name that is not there raises an error that names what comes near."""
    with pytest.raises(NameServerError, match="no name yet"):
        names.lookup(dispatcher_name("tunning"))
    names.register(dispatcher_name("tuning"), "h:1")
    with pytest.raises(NameServerError, match=r"it knows bandmaster\.tuning\.dispatcher"):
        names.lookup(dispatcher_name("tunning"))
    with pytest.raises(NameServerError, match="none of its 1 names"):
        names.lookup("zzz")


def test_bad_arguments(names: Names) -> None:
    """Malformed names and addresses, and calls that there are not, are refused one by one."""
    with pytest.raises(ConfigurationError, match="no address"):
        names.register("a", "somewhere")
    with pytest.raises(ConfigurationError, match="cannot name"):
        names.register("a b", "h:1")
    with pytest.raises(ProtocolError, match="'evict'"):
        names._call("evict", ())
    with pytest.raises(ProtocolError, match="'lookup'"):
        names._call("lookup", (7,))
    assert names.list() == {}


def test_names_that_end_with_their_connection(server: NameServer, names: Names) -> None:
    """lasting=False: the entry goes when the connection that made it ends."""
    with Names(server.address, key=server.key) as other:
        other.register("mortal", "h:1", lasting=False)
        other.register("lasting", "h:2")
        assert set(names.list()) == {"mortal", "lasting"}
    deadline = time.monotonic() + 5
    while "mortal" in names.list():
        assert time.monotonic() < deadline
    assert set(names.list()) == {"lasting"}


def test_loopback_entries_are_seen_from_afar(names: Names, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who registered by loopback is on the name server's machine, also for those far away."""
    names.register("near", "127.0.0.1:7")
    names.register("everywhere", "0.0.0.0:8")
    names.register("far", "10.0.0.7:9")
    monkeypatch.setattr(names, "address", Address("192.0.2.1", 9090))
    assert names.lookup("near") == Address("192.0.2.1", 7)
    assert names.lookup("everywhere") == Address("192.0.2.1", 8)
    assert names.lookup("far") == Address("10.0.0.7", 9)


def test_nobody_there() -> None:
    """A name server that is not running is a NameServerError with the address in it."""
    port = get_a_free_port(20000)
    with (
        Names(Address("127.0.0.1", port), key=b"k" * 32) as names,
        pytest.raises(NameServerError, match=f"127.0.0.1:{port} cannot be reached"),
    ):
        names.list()


def test_something_else_there() -> None:
    """Another kind of server on the port is told apart from ours."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            sock, _ = listener.accept()
            with sock:
                sock.sendall(b"SSH-2.0-OpenSSH_9.6 and so on and so on and so on and so on\r\n")
                with contextlib.suppress(ConnectionResetError):
                    sock.recv(100)

        thread = threading.Thread(target=answer)
        thread.start()
        with (
            Names(Address(*listener.getsockname()), key=b"k" * 32) as names,
            pytest.raises(ProtocolError, match="does not speak Bandmaster"),
        ):
            names.list()
        thread.join()


def _start(run_id: str, port: int, root: Path) -> tuple[subprocess.Popen[str], int]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROCESS, run_id, str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(root)},
    )
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def _end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


def test_found_from_another_process_and_after_its_death(root: Path) -> None:
    """A name server in another process is found by run_id; killed and replaced, found again."""
    process, port = _start("elsewhere", 0, root)
    try:
        address, key = find_nameserver("elsewhere")
        assert address == Address("127.0.0.1", port)
        with Names(address, key=key) as names:
            names.register("a", "h:1")
            process.kill()
            process.wait()
            with pytest.raises(NameServerError, match="cannot be reached"):
                names.lookup("a")
            assert connection_file.read("elsewhere") is not None  # SIGKILL leaves it behind
            again, port = _start("elsewhere", port, root)
            try:
                address, key = find_nameserver("elsewhere")
                with Names(address, key=key) as fresh:
                    assert fresh.list() == {}
            finally:
                _end(again)
    finally:
        _end(process)


def test_a_restarted_name_server_is_found_by_the_same_client() -> None:
    """With the same key and port a client goes on after a restart without noticing."""
    key = b"k" * 32
    server = NameServer(run_id="tuning", port=0, key=key)
    server.start()
    try:
        with Names(server.address, key=key) as names:
            names.register("a", "h:1")
            server.shutdown()
            server.start()
            assert names.list() == {}
            names.register("a", "h:1")
            assert names.lookup("a") == Address("h", 1)
    finally:
        server.shutdown()


def test_interrupt_leaves_nothing(root: Path) -> None:
    """Ctrl-C ends a name server's process, its port and its connection file."""
    process, port = _start("mortal", 0, root)
    try:
        process.send_signal(signal.SIGINT)
        process.wait(10)
        assert connection_file.read("mortal") is None
        assert get_a_free_port(port) == port
    finally:
        _end(process)


def test_a_second_one_of_a_run_is_refused(server: NameServer) -> None:
    """The first one, of this process or another, keeps the run; the error says where it is."""
    before = connection_file.read("tuning")
    for port in (None, 0):
        with pytest.raises(ConfigurationError) as raised:
            NameServer(run_id="tuning", port=port).start()
        assert (
            f"run 'tuning' already has a name server at {server.address} (pid {os.getpid()}, host "
            f"{socket.gethostname()}): shut it down, or choose another run_id"
        ) == str(raised.value)
    assert before == connection_file.read("tuning")
    with NameServer(run_id="tuning", port=0, write_connection_file=False) as unlisted:
        assert unlisted.port != server.port


def test_a_second_one_from_another_process_is_refused(root: Path) -> None:
    """The process that came first keeps the run; once it was killed, the run is free."""
    process, port = _start("elsewhere", 0, root)
    try:
        with pytest.raises(ConfigurationError, match=rf":{port} \(pid {process.pid}, host "):
            NameServer(run_id="elsewhere").start()
        process.kill()
        process.wait()
        with NameServer(run_id="elsewhere", port=0) as next_one:
            info = connection_file.read("elsewhere")
            assert info is not None
            assert (os.getpid(), next_one.port) == (info.pid, info.port)
    finally:
        _end(process)


@pytest.mark.parametrize("stale", ["dead pid", "another's key", "silent"])
def test_what_a_dead_one_left_is_replaced(server: NameServer, stale: str) -> None:
    """Neither a port that another server has by now nor a pid that was given again is alive."""
    assert server.port is not None
    pid, key, port = os.getpid(), server.key, server.port
    with socket.create_server(("127.0.0.1", 0)) as silent:
        if stale == "dead pid":  # with the same key, as BANDMASTER_KEY gives it to all runs
            pid = 2**22 + 1
        elif stale == "another's key":
            key = b"x" * 32
        else:
            port = silent.getsockname()[1]
        connection_file.write(ConnectionInfo("dead", "127.0.0.1", port, key, pid))
        with NameServer(run_id="dead", port=0) as fresh:
            info = connection_file.read("dead")
            assert info is not None
            assert fresh.port == info.port


def test_a_file_that_tells_nothing_is_replaced(bandmaster_home: Path) -> None:
    """A malformed connection file is nobody's."""
    path = connection_file.path_of("broken")
    path.parent.mkdir(parents=True)
    path.touch(0o600)
    with NameServer(run_id="broken", port=0):
        assert connection_file.read("broken") is not None


def test_replacing_one_of_another_machine_is_said(caplog: pytest.LogCaptureFixture) -> None:
    """In a shared home directory it may be alive and out of reach, so a warning names its host."""
    connection_file.write(ConnectionInfo("far", "127.0.0.1", 1, None, 7, "head-node"))
    with NameServer(run_id="far", port=0):
        pass
    assert "a name server on host head-node (pid 7)" in caplog.text


def test_repr_says_where_it_is(server: NameServer) -> None:
    """The run and the address, or that it is not running."""
    assert f"<NameServer of run 'tuning', at {server.address}>" == repr(server)
    assert "<NameServer of run 'idle', not running>" == repr(NameServer(run_id="idle"))


@pytest.mark.parametrize(
    ("key", "said"), [(b"", "has 0 bytes"), (b"a" * 15, "has 15 bytes"), ("a" * 32, "is bytes")]
)
def test_a_key_that_is_none_is_refused(key: object, said: str) -> None:
    """Its own workers would refuse it, and strangers could guess it."""
    with pytest.raises(ConfigurationError, match=said):
        NameServer("short", key=key)  # type: ignore[arg-type]  # that is the point


def test_a_home_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what to do about it; nothing is left listening."""
    (tmp_path / "file").touch()
    monkeypatch.setenv("BANDMASTER_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(ConfigurationError, match=r"cannot be written: .*set BANDMASTER_HOME"):
        NameServer("homeless", port=0).start()
