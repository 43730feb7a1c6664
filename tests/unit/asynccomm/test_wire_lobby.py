"""Those who are not let in yet: a bounded number, and the silent ones make room."""

from __future__ import annotations

import socket

import pytest
from unit.asynccomm.wire_helpers import KEY, drained, raw, serving

from bandmaster.asynccomm.preamble import HELLO_SIZE
from bandmaster.asynccomm.wire import Client
from bandmaster.asynccomm.wire._lobby import Lobby


def test_the_one_that_waits_longest_makes_room(caplog: pytest.LogCaptureFixture) -> None:
    """One too many silent connections ends the first; who knows the key gets in all the same."""
    with serving() as (address, _, server):
        server._lobby = Lobby(most=3)
        silent = [socket.create_connection((address.host, address.port)) for _ in range(3)]
        for sock in silent:
            sock.settimeout(5)
            assert HELLO_SIZE == len(sock.recv(1000, socket.MSG_PEEK))
        with Client(address, "echo", key=KEY) as client:
            assert HELLO_SIZE == len(drained(silent[0]))
            assert b"x" == client.call("echo", b"x")
            for sock in silent[1:]:
                sock.setblocking(False)
                assert HELLO_SIZE == len(sock.recv(1000))
                with pytest.raises(BlockingIOError):
                    sock.recv(1)  # it is still there
        for sock in silent:
            sock.close()
    assert any("say nothing at the same time" in m for m in caplog.messages)


def test_those_who_are_in_do_not_count() -> None:
    """Connections that are through the preamble take no place in the lobby."""
    with serving() as (address, _, server):
        server._lobby = Lobby(most=2)
        clients = [Client(address, "echo", key=KEY) for _ in range(6)]
        for client in clients:
            client.connect()
            client.call("echo", b"x")  # by its answer it is let in
        with raw(address, greet=False):
            assert [b"x"] * 6 == [client.call("echo", b"x") for client in clients]
        for client in clients:
            client.close()


def test_strangers_do_not_keep_anybody_out() -> None:
    """Of a full server those leave that say nothing; those who are in stay."""
    with serving(max_connections=4) as (address, _, _):
        with Client(address, "echo", key=KEY) as inside:
            assert b"x" == inside.call("echo", b"x")
            silent = [socket.create_connection((address.host, address.port)) for _ in range(3)]
            for sock in silent:
                sock.settimeout(5)
                assert HELLO_SIZE == len(sock.recv(1000, socket.MSG_PEEK))
            with Client(address, "echo", key=KEY) as client:
                assert b"x" == client.call("echo", b"x")
            assert HELLO_SIZE == len(drained(silent[0]))
            assert b"x" == inside.call("echo", b"x")
        for sock in silent:
            sock.close()
