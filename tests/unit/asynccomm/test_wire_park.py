"""Parked callers: they wake for a reason, and the server notices at once when one dies."""

from __future__ import annotations

import subprocess
import sys
import threading
import time

import pytest
from unit.asynccomm.wire_helpers import GOOD, KEY, message, raw, serving

from bandmaster.asynccomm.wire import Client, WakeFd

PARKER = """
import sys
from bandmaster.asynccomm.wire import Address, Client
client = Client(Address.parse(sys.argv[1]), "echo", key=sys.argv[2].encode())
client.connect()
client.call("park")
"""


def test_woken() -> None:
    """Setting the wake descriptor ends the waiting, for everyone who waits on it."""
    answers: list[bytes] = []
    with serving() as (address, echo, _):

        def park() -> None:
            with Client(address, "echo", key=KEY) as client:
                answers.append(client.call("park"))

        threads = [threading.Thread(target=park) for _ in range(5)]
        for thread in threads:
            thread.start()
        for _ in threads:
            assert echo.parked.acquire(timeout=5)
        echo.wake.set()
        for thread in threads:
            thread.join()
    assert answers == [b"woken"] * 5


def test_already_woken() -> None:
    """A descriptor that was set before ends the waiting at once; cleared, it does not."""
    with serving() as (address, echo, _), Client(address, "echo", key=KEY) as client:
        echo.wake.set()
        assert client.call("park") == b"woken"
        echo.wake.clear()
        assert client.call("park", b"0.01") == b"timeout"


@pytest.mark.parametrize("timeout", [b"0", b"0.0004", b"0.05"])
def test_timeout(timeout: bytes) -> None:
    """Waiting ends after the time given, not before."""
    with serving() as (address, _, _), Client(address, "echo", key=KEY) as client:
        begin = time.monotonic()
        assert client.call("park", timeout) == b"timeout"
        assert time.monotonic() - begin >= float(timeout)


def test_client_that_leaves() -> None:
    """A parked caller that closes its connection is gone, in far less than a second."""
    with serving() as (address, echo, _), Client(address, "echo", key=KEY) as client:
        thread = threading.Thread(target=_swallow, args=(client,))
        thread.start()
        assert echo.parked.acquire(timeout=5)
        begin = time.monotonic()
        client.close()
        assert echo.someone_left.acquire(timeout=5)
        assert time.monotonic() - begin < 3.0
        thread.join()
    assert echo.ended == ["gone"]


@pytest.mark.parametrize("unix", [False, True], ids=["tcp", "unix"])
def test_client_that_is_killed(unix: bool, tmp_path: object) -> None:
    """A parked caller's process that dies of SIGKILL is noticed in less than a second."""
    with serving(unix_path=f"{tmp_path}/s" if unix else None) as (address, echo, _):
        process = subprocess.Popen([sys.executable, "-c", PARKER, str(address), KEY.decode()])
        try:
            assert echo.parked.acquire(timeout=20)
            process.kill()
            begin = time.monotonic()
            assert echo.someone_left.acquire(timeout=5)
            assert time.monotonic() - begin < 3.0
        finally:
            process.kill()
            process.wait()
    assert echo.ended == ["gone"]


def test_data_while_parked_is_no_death() -> None:
    """A caller that talks out of turn is not gone; when it then hangs up it is."""
    parked = message(GOOD.replace(b"\xa4echo\xc4\x01x", b"\xa4park\xc4\x0230"))
    with serving() as (address, echo, _):
        with raw(address) as sock:
            sock.sendall(parked)
            assert echo.parked.acquire(timeout=5)
            sock.sendall(message(GOOD))
            echo.wake.set()
            assert b"woken" in sock.recv(48)
            echo.wake.clear()
        with raw(address) as sock:
            sock.sendall(parked)
            assert echo.parked.acquire(timeout=5)
            sock.sendall(b"P")
        for _ in range(2):
            assert echo.someone_left.acquire(timeout=5)
    assert echo.ended == ["woken", "gone"]


def test_parked_is_not_busy() -> None:
    """Out-of-turn data does not make the parked thread spin."""
    parked = message(GOOD.replace(b"\xa4echo\xc4\x01x", b"\xa4park\xc4\x030.3"))
    with serving() as (address, echo, _), raw(address) as sock:
        sock.sendall(parked)
        assert echo.parked.acquire(timeout=5)
        sock.sendall(b"P")
        begin = time.process_time()
        assert b"timeout" in sock.recv(1000)
        assert time.process_time() - begin < 0.1


def test_wake_fd_life() -> None:
    """It can be set twice, cleared twice, closed twice, and set after it was closed."""
    import select

    wake = WakeFd()
    poller = select.poll()
    poller.register(wake.fileno(), select.POLLIN)
    assert poller.poll(0) == []
    wake.set()
    wake.set()
    assert poller.poll(0) == [(wake.fileno(), select.POLLIN)]
    wake.clear()
    wake.clear()
    assert poller.poll(0) == []
    wake.close()
    wake.close()
    wake.set()
    wake.clear()
    assert wake.fileno() == -1


def test_wake_fd_without_eventfd(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has no eventfd a pipe does the same, however often it is set."""
    import os
    import select

    monkeypatch.delattr(os, "eventfd")
    wake = WakeFd()
    for _ in range(20_000):
        wake.set()
    poller = select.poll()
    poller.register(wake.fileno(), select.POLLIN)
    assert len(poller.poll(0)) == 1
    wake.clear()
    assert poller.poll(0) == []
    wake.close()


def _swallow(client: Client) -> None:
    from bandmaster.errors import MasterLostError

    with pytest.raises(MasterLostError):
        client.call("park")
