"""Few threads serve many connections; what blocks one of them keeps nobody waiting."""

from __future__ import annotations

import contextlib
import threading

import msgpack
import pytest
from unit.asynccomm.wire_helpers import GOOD, KEY, message, raw, serving

from bandmaster.asynccomm.wire import Client, Peer, Server
from bandmaster.asynccomm.wire._ready import Ready
from bandmaster.errors import MasterLostError


class Blocking:
    """A handler that blocks until it is let go, in the way it is told to."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.release = threading.Event()

    def handle(self, peer: Peer, method: str, payload: bytes) -> bytes:
        if method == "block":
            with peer.blocked():
                self.entered.release()
                assert self.release.wait(10)
        return method.encode()

    def disconnected(self, peer: Peer) -> None:
        """Nothing to do."""


def test_blocked_handlers_keep_nobody_waiting() -> None:
    """However many calls block within `Peer.blocked`, others are answered meanwhile."""
    handler, answers = Blocking(), []
    with Server(key=KEY) as server:
        server.register("it", handler)

        def block() -> None:
            with Client(server.address, "it", key=KEY) as client:
                answers.append(client.call("block"))

        threads = [threading.Thread(target=block) for _ in range(12)]
        for thread in threads:
            thread.start()
        for _ in threads:
            assert handler.entered.acquire(timeout=5)
        with Client(server.address, "it", key=KEY) as client:
            assert client.call("quick", timeout=5) == b"quick"
        handler.release.set()
        for thread in threads:
            thread.join()
    assert answers == [b"block"] * 12


class Holding(Blocking):
    """A handler whose answers to "hold" wait, and whose answers to "refuse" never leave."""

    def __init__(self) -> None:
        super().__init__()
        self.held: list[int] = []

    def handle(self, peer: Peer, method: str, payload: bytes) -> bytes:
        if method == "hold":
            self.held.append(0)
            peer.hold(self._leave)
        elif method == "refuse":
            peer.hold(self._refuse)
        return super().handle(peer, method, payload)

    def _leave(self) -> None:
        self.held.pop()

    def _refuse(self) -> None:
        raise OSError("the disk is gone")


def test_answers_that_are_held_leave_after_what_they_wait_for() -> None:
    """An answer that waits comes after the waiting; if that fails, the connection just ends."""
    handler = Holding()
    with Server(key=KEY) as server:
        server.register("it", handler)
        with Client(server.address, "it", key=KEY) as client:
            for _ in range(10):
                assert client.call("hold", timeout=5) == b"hold"
                assert handler.held == []
            with pytest.raises(MasterLostError):
                client.call("refuse", timeout=5)
        with Client(server.address, "it", key=KEY) as client:
            assert client.call("quick", timeout=5) == b"quick"


def test_a_held_answer_does_not_wait_for_a_handler_that_blocks() -> None:
    """A thread that holds answers and then blocks leaves them to the thread that relieves it."""
    handler = Holding()
    with Server(key=KEY) as server:
        server.register("it", handler)

        def call(method: str) -> None:
            with Client(server.address, "it", key=KEY) as client:
                for _ in range(20 if method == "hold" else 1):
                    client.call(method, timeout=10)

        threads = [threading.Thread(target=call, args=(m,)) for m in ("block", "hold", "block")]
        for thread in threads:
            thread.start()
        threads[1].join(5)
        assert not threads[1].is_alive()
        handler.release.set()
        for thread in threads:
            thread.join()


class HoldingMuch(Holding):
    """A handler whose answers are held, and too long to be sent in one go."""

    def handle(self, peer: Peer, method: str, payload: bytes) -> bytes:
        answer = super().handle(peer, method, payload)
        return answer * 2_000_000 if method == "hold" else answer


def test_a_long_answer_that_was_held_leaves_one_thread_at_work() -> None:
    """Sending it may block, so a second thread comes; only one of them waits for what is next."""
    frame = message(msgpack.packb(("it", "exchange", ("quick", b""), {})))
    with Server(key=KEY) as server, contextlib.ExitStack() as stack:
        server.register("it", HoldingMuch())
        others = [stack.enter_context(raw(server.address)) for _ in range(8)]
        with Client(server.address, "it", key=KEY) as client:
            for _ in range(10):
                client.call("hold", timeout=5)
                for other in others:
                    other.sendall(frame)
                for other in others:
                    other.settimeout(5)
                    assert other.recv(1000)


def test_half_a_message_keeps_nobody_waiting() -> None:
    """A peer that stops in the middle of a message costs a thread, not the service."""
    frame = message(GOOD)
    with serving() as (address, _, _), raw(address) as one, raw(address) as two:
        one.sendall(frame[:10])
        two.sendall(frame[:-1])
        with Client(address, "echo", key=KEY) as client:
            assert client.call("echo", b"x", timeout=5) == b"x"
        two.sendall(frame[-1:])
        assert two.recv(1)


def test_threads_do_not_grow_with_connections() -> None:
    """Fifty idle connections have a handful of threads between them."""
    with serving() as (address, _, _):
        clients = [Client(address, "echo", key=KEY) for _ in range(50)]
        try:
            for client in clients:
                client.connect()
                assert client.call("echo", b"x") == b"x"
            assert threading.active_count() < 25
        finally:
            for client in clients:
                client.close()


def call_twice(client: Client) -> None:
    """It is watched anew after the first call."""
    for _ in range(2):
        client.call("echo", b"x", timeout=5)


@pytest.mark.parametrize("what", ["add", "arm"])
def test_a_connection_that_cannot_be_watched_ends(
    what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system refuses one: its client hears of it, and others are served."""
    real = getattr(Ready, what)
    refused: list[int] = []

    def refuse_one(ready: Ready, fd: int) -> None:
        if not refused:
            refused.append(fd)
            raise OSError(12, "Cannot allocate memory")
        real(ready, fd)

    monkeypatch.setattr(Ready, what, refuse_one)
    with serving() as (address, echo, server):
        with Client(address, "echo", key=KEY) as client:
            with pytest.raises(MasterLostError):
                call_twice(client)
            assert echo.someone_left.acquire(timeout=5)
            assert 0 == server.connections
        with Client(address, "echo", key=KEY) as client:
            assert b"x" == client.call("echo", b"x", timeout=5)
    assert 2 == len(echo.left)


def test_a_failure_while_it_waits_ends_no_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread keeps its place: there is no other to take it."""
    real = Ready.wait
    failed: list[bool] = []

    def fail_once(ready: Ready, *, blocking: bool = True) -> int | None:
        if not failed:
            failed.append(blocking)
            raise OSError(12, "Cannot allocate memory")
        return real(ready, blocking=blocking)

    monkeypatch.setattr(Ready, "wait", fail_once)
    with serving() as (address, _, _), Client(address, "echo", key=KEY) as client:
        assert b"x" == client.call("echo", b"x", timeout=5)
    assert failed


def test_a_server_that_cannot_be_started_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """No descriptor and no thread; `no_leaks` looks."""

    class Refused(threading.Thread):
        def start(self) -> None:
            raise RuntimeError("can't start new thread")

    server = Server(key=KEY)
    with monkeypatch.context() as patch:
        patch.setattr(threading, "Thread", Refused)
        with pytest.raises(RuntimeError, match="new thread"):
            server.start()
