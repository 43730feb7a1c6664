"""Few threads serve many connections; what blocks one of them keeps nobody waiting."""

from __future__ import annotations

import threading

from unit.asynccomm.wire_helpers import GOOD, KEY, message, raw, serving

from bandmaster.asynccomm.wire import Client, Peer, Server


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
