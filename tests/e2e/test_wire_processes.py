"""The wire beside other things in a process: forks, other users of Pyro5, the environment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from unit.asynccomm.wire_helpers import KEY, serving

FORKER = r"""
import os, sys, time
from bandmaster.asynccomm.wire import Address, Client
client = Client(Address.parse(sys.argv[1]), "echo", key=sys.argv[2].encode())
client.connect()
client.call("echo", b"before")
child = os.fork()
if not child:
    assert not client.connected and client.fileno() == -1
    client.connect()
    assert client.call("echo", b"my own") == b"my own"
    client.close()
    del client
    os.write(1, b"child\n")
    time.sleep(60)
assert client.call("echo", b"after") == b"after"
os.write(1, b"%d\n" % child)
client.call("park")
"""

SERVER_FORKER = """
import os, sys, time
from bandmaster.asynccomm.wire import Server
class Handler:
    def handle(self, peer, method, payload):
        return payload
    def disconnected(self, peer):
        pass
with Server(key=sys.argv[1].encode()) as server:
    server.register("echo", Handler())
    print(server.address, flush=True)
    sys.stdin.readline()
    child = os.fork()
    if child:
        print(child, flush=True)
        time.sleep(60)
    else:
        server.close()
        time.sleep(60)
"""

FOREIGN = """
import sys
import Pyro5
from Pyro5.callcontext import current_context
before = Pyro5.config.as_dict()
Pyro5.config.SERVERTYPE = "multiplex"
Pyro5.config.COMPRESSION = True
Pyro5.config.SERIALIZER = "json"
Pyro5.config.COMMTIMEOUT = 0.2
Pyro5.config.THREADPOOL_SIZE = 2
Pyro5.config.SSL = True
Pyro5.config.DETAILED_TRACEBACK = True
changed = Pyro5.config.as_dict()
import threading, time
from bandmaster.asynccomm.wire import Client, Server
class Handler:
    def handle(self, peer, method, payload):
        if method == "slow":
            time.sleep(0.5)
        return payload
    def disconnected(self, peer):
        pass
current_context.annotations = {"USER": b"their own"}
key = b"k" * 32
with Server(key=key) as server:
    server.register("echo", Handler())
    clients = [Client(server.address, "echo", key=key) for _ in range(5)]
    for client in clients:
        client.connect()
        assert client.call("echo", b"x" * 5000) == b"x" * 5000
    assert clients[0].call("slow", b"y") == b"y"
    time.sleep(0.3)
    assert clients[1].call("echo", b"z") == b"z"
    for client in clients:
        client.close()
assert current_context.annotations == {"USER": b"their own"}
assert Pyro5.config.as_dict() == changed
print("fine", threading.active_count())
"""


def run(script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script to its end."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", script, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | environment,
        check=False,
    )


def test_a_forked_child_does_not_hide_its_parents_death() -> None:
    """A child forked by a client has no part in its connection: the server sees the parent die."""
    with serving() as (address, echo, _):
        process = subprocess.Popen(
            [sys.executable, "-c", FORKER, str(address), KEY.decode()],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        child = 0
        try:
            lines = [process.stdout.readline().strip(), process.stdout.readline().strip()]
            child = int(next(line for line in lines if line != "child"))
            assert "child" in lines
            assert echo.parked.acquire(timeout=10)
            assert echo.someone_left.acquire(timeout=5)  # the child's own connection
            process.kill()
            begin = time.monotonic()
            assert echo.someone_left.acquire(timeout=5)
            assert time.monotonic() - begin < 1.0
            os.kill(child, 0)  # which still lives
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
            if child:
                os.kill(child, 9)
    assert echo.ended == ["gone"]
    assert len({peer.id for peer in echo.peers}) == 2


def test_a_servers_child_holds_neither_port_nor_connections() -> None:
    """A child forked by a server leaves its parent's server alone and does not outlive it."""
    from bandmaster.asynccomm.wire import Address, Client
    from bandmaster.errors import MasterLostError

    process = subprocess.Popen(
        [sys.executable, "-c", SERVER_FORKER, KEY.decode()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    child = 0
    try:
        address = Address.parse(process.stdout.readline().strip())
        with Client(address, "echo", key=KEY) as client:
            client.call("echo")
            process.stdin.write("\n")
            process.stdin.flush()
            child = int(process.stdout.readline())
            assert client.call("echo", b"x") == b"x"
            with Client(address, "echo", key=KEY) as another:
                assert another.call("echo", b"x") == b"x"
            process.kill()
            process.wait()
            with pytest.raises(MasterLostError):
                client.call("echo", timeout=5)
        with pytest.raises(MasterLostError, match="refused"):
            Client(address, "echo", key=KEY).connect()
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()
        if child:
            os.kill(child, 9)


def test_interrupting_a_blocked_call() -> None:
    """Ctrl-C ends a call that waits, at once, and the connection with it."""
    script = """
import sys
from bandmaster.asynccomm.wire import Address, Client
client = Client(Address.parse(sys.argv[1]), "echo", key=sys.argv[2].encode())
client.connect()
try:
    client.call("park")
except KeyboardInterrupt:
    print("interrupted", client.connected)
"""
    with serving() as (address, echo, _):
        process = subprocess.Popen(
            [sys.executable, "-c", script, str(address), KEY.decode()],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert echo.parked.acquire(timeout=10)
            process.send_signal(signal.SIGINT)
            assert process.communicate(timeout=10)[0] == "interrupted False\n"
            assert echo.someone_left.acquire(timeout=5)
        finally:
            process.kill()
            process.communicate()
    assert echo.ended == ["gone"]


def test_another_user_of_pyro_in_the_process(root: Path) -> None:
    """Whatever Pyro's global settings say, our wire works, and it changes none of them."""
    done = run(FOREIGN, PYTHONPATH=str(root))
    assert (done.returncode, done.stdout, done.stderr) == (0, "fine 1\n", "")


def test_foreign_environment_variables(root: Path) -> None:
    """PYRO_ variables of something else do not keep us from starting, and stay as they are."""
    script = """
import logging, os, sys
logging.basicConfig(stream=sys.stdout, format="%(message)s")
import bandmaster.asynccomm.wire
import Pyro5
print(os.environ["PYRO_SOMETHING"], Pyro5.config.THREADPOOL_SIZE)
"""
    done = run(script, PYTHONPATH=str(root), PYRO_SOMETHING="else", PYRO_THREADPOOL_SIZE="7")
    assert (done.returncode, done.stderr) == (0, "")
    warning, values = done.stdout.splitlines()
    assert "PYRO_SOMETHING" in warning
    assert values == "else 80"


def test_known_environment_variables_are_kept(root: Path) -> None:
    """PYRO_ variables that Pyro5 knows are a user's settings and hold."""
    script = "import bandmaster.asynccomm.wire, Pyro5; print(Pyro5.config.THREADPOOL_SIZE)"
    done = run(script, PYTHONPATH=str(root), PYRO_THREADPOOL_SIZE="7")
    assert (done.returncode, done.stdout, done.stderr) == (0, "7\n", "")


def test_no_pickle(root: Path) -> None:
    """The wire brings no pickle of ours: none of its modules names it."""
    folder = root / "bandmaster" / "asynccomm"
    found = [p.name for p in folder.glob("wire/*.py") if "pickle" in p.read_text()]
    assert found == []
