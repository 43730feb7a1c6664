"""Ports, interfaces, addresses, and directories for sockets."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandmaster.asynccomm import net
from bandmaster.asynccomm.addresses import MAX_HOST, MAX_UNIX_PATH, Address
from bandmaster.asynccomm.limits import default_max_connections, raise_open_files_limit
from bandmaster.asynccomm.net import advertised_host, get_a_free_port, short_socket_dir
from bandmaster.asynccomm.security import KEY_SIZE, decode_key, encode_key, make_key
from bandmaster.errors import AuthenticationError, CommError, ConfigurationError


@given(
    st.sampled_from(["127.0.0.1", "::1", "::", "0.0.0.0", "node-7.cluster", ""]),
    st.integers(0, 65535),
)
def test_addresses_round_trip(host: str, port: int) -> None:
    """parse reads what str writes."""
    assert Address(host, port) == Address.parse(str(Address(host, port)))


def test_unix_addresses_round_trip() -> None:
    """A path is written after unix: and read back."""
    address = Address.unix("/tmp/a b/s")
    assert str(address) == "unix:/tmp/a b/s"
    assert Address.parse(str(address)) == address


@pytest.mark.parametrize(
    "text", ["", "host", "host:", "host:port", "host:-1", "host:65536", "::1", "unix:", "h:١"]
)
def test_malformed_addresses(text: str) -> None:
    """What is no address is refused."""
    with pytest.raises(ConfigurationError):
        Address.parse(text)


def test_addresses_are_checked() -> None:
    """Ports that are no ports, two places at once, names and paths too long are refused."""
    assert Address("h" * MAX_HOST, 1).port
    with pytest.raises(ConfigurationError, match="253"):
        Address("h" * (MAX_HOST + 1), 1)
    for wrong in (lambda: Address("h", True), lambda: Address("h", 1, "/p")):
        with pytest.raises(ConfigurationError):
            wrong()
    assert Address.unix("/" + "x" * (MAX_UNIX_PATH - 1)).is_unix
    with pytest.raises(ConfigurationError, match="at most 107"):
        Address.unix("/" + "x" * MAX_UNIX_PATH)


@pytest.mark.parametrize(
    ("host", "reachable"),
    [("0.0.0.0", "127.0.0.1"), ("::", "::1"), ("", "127.0.0.1"), ("10.0.0.7", "10.0.0.7")],
)
def test_wildcards_mean_loopback(host: str, reachable: str) -> None:
    """An address that servers listen on everywhere means loopback to a client."""
    assert Address(host, 1).reachable == Address(reachable, 1)


def test_free_port_skips_taken_ones() -> None:
    """The first port from the start on that nothing listens on, whatever the interface."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        start = taken.getsockname()[1]
        for host in ("127.0.0.1", "0.0.0.0"):
            port = get_a_free_port(start, host)
            assert port > start
            with socket.create_server((host, port)):
                pass


def test_free_port_of_the_systems_choice() -> None:
    """Start 0 gives any free port."""
    assert get_a_free_port(0) > 0


def test_free_port_of_a_foreign_interface() -> None:
    """A host that is not this machine is an error, not an endless search."""
    with pytest.raises(CommError, match="cannot listen"):
        get_a_free_port(9090, "192.0.2.1")


def test_advertised_host() -> None:
    """A certain interface is itself; a wildcard is loopback for neighbours."""
    name_server = Address("127.0.0.1", 9090)
    assert advertised_host("10.0.0.7", name_server) == "10.0.0.7"
    assert advertised_host("0.0.0.0", name_server) == "127.0.0.1"
    assert advertised_host("0.0.0.0", "localhost") in ("127.0.0.1", "::1")
    assert advertised_host("0.0.0.0", Address.unix("/tmp/s")) == "127.0.0.1"


def test_this_machine() -> None:
    """Its own addresses and names are this machine, others and unknown names are not."""
    assert net.is_this_machine("127.0.0.1")
    assert net.is_this_machine("localhost")
    assert not net.is_this_machine("192.0.2.1")
    assert not net.is_this_machine("no-such-host.invalid")


def test_socket_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A private directory without colon and short enough, that is gone afterwards."""
    monkeypatch.setattr(net.tempfile, "gettempdir", lambda: str(tmp_path / ("x" * 80)))
    with short_socket_dir() as path:
        assert path.is_dir()
        assert path.stat().st_mode & 0o777 == 0o700
        assert ":" not in str(path)
        assert len(str(path)) + 20 <= MAX_UNIX_PATH
    assert not path.exists()


@pytest.fixture
def short_tmp(monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory for temporary files with a short path."""
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="bm"))
    monkeypatch.setattr(net.tempfile, "gettempdir", lambda: str(folder))
    yield folder
    import shutil

    shutil.rmtree(folder)


def test_stale_socket_directories_are_removed(short_tmp: Path, root: Path) -> None:
    """The directory of a killed process is removed by the next one, that of a living one stays."""
    script = (
        "import tempfile, sys, os\n"
        f"tempfile.tempdir = {str(short_tmp)!r}\n"
        "from bandmaster.asynccomm.net import short_socket_dir\n"
        "with short_socket_dir() as path:\n"
        "    print(path, flush=True)\n"
        "    sys.stdin.readline()\n"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(root)},
        )
        for _ in range(2)
    ]
    killed, living = processes
    try:
        folders = [Path(p.stdout.readline().strip()) for p in processes]  # type: ignore[union-attr]  # a pipe
        killed.kill()
        killed.wait()
        assert folders[0].exists()
        with short_socket_dir() as path:
            assert not folders[0].exists()
            assert folders[1].exists()
            assert path.parent == folders[1].parent
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert living.returncode is not None


def test_socket_directory_of_an_attacker_is_avoided(short_tmp: Path) -> None:
    """When somebody has put something in the place of our directory, another one is taken."""
    trap = short_tmp / f"bandmaster-{os.geteuid()}"
    trap.symlink_to("/tmp")
    with short_socket_dir() as path:
        assert trap not in path.parents
        assert path.parent.stat().st_mode & 0o777 == 0o700


def test_limits() -> None:
    """The limit of open files is raised to the hard one, and connections fit under it."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 1024), hard))
        raised = raise_open_files_limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] == raised == hard
        assert 16 <= default_max_connections() < raised / 2
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_keys() -> None:
    """Keys are 32 random bytes, written and read as text; other texts are refused unrepeated."""
    key = make_key()
    assert len(key) == KEY_SIZE
    assert key != make_key()
    assert decode_key(encode_key(key) + "\n") == key
    for wrong in ("no hex", "00" * 15, ""):
        with pytest.raises(AuthenticationError) as caught:
            decode_key(wrong)
        assert not wrong or wrong not in str(caught.value)
