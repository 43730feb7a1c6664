"""The words of a master to its workers."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import cast

from unit.asynccomm.wire_helpers import KEY

from bandmaster.asynccomm import protocol
from bandmaster.asynccomm.addresses import Address
from bandmaster.asynccomm.control import ControlHandler, call_workers
from bandmaster.asynccomm.wire import Client, Server
from bandmaster.asynccomm.worker_loop import WorkerLoop
from bandmaster.core.codec import pack, unpack


class Loop:
    """A worker that finds its new master late."""

    def __init__(self) -> None:
        self.looking = threading.Event()
        self.found = threading.Event()

    def wake(self, master: Address) -> None:
        self.looking.set()
        assert self.found.wait(10)

    def cancel(self, job: int, attempt: int, *, at_once: bool) -> bool:
        return (job, attempt, at_once) == (7, 1, True)


def test_a_worker_that_looks_for_its_master_hears_other_words() -> None:
    """To connect may take as long as it likes: a job can be cancelled meanwhile."""
    loop = Loop()
    with Server(key=KEY) as server:
        server.register(protocol.CONTROL, ControlHandler(cast(WorkerLoop, loop)))

        def wake() -> None:
            with Client(server.address, protocol.CONTROL, key=KEY) as client:
                client.call("wake", pack("127.0.0.1:9"), timeout=10)

        waking = threading.Thread(target=wake)
        waking.start()
        assert loop.looking.wait(5)
        with Client(server.address, protocol.CONTROL, key=KEY) as client:
            assert unpack(client.call("cancel", pack([7, 1]), timeout=5))
        loop.found.set()
        waking.join()


def test_workers_that_cannot_be_reached_hold_nobody_up() -> None:
    """Each takes a second or two; some seconds are all that they get together."""
    with contextlib.ExitStack() as stack:
        silent = []
        for _ in range(3):
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=8))
            silent.append(Address(*listener.getsockname()))
        began = time.monotonic()
        assert 0 == call_workers(silent * 40, KEY, "shutdown", "over", within=0.05)
        assert time.monotonic() - began < 5.0


def test_all_workers_hear_it() -> None:
    """One call each, however many there are."""
    loop = Loop()
    with Server(key=KEY) as server:
        server.register(protocol.CONTROL, ControlHandler(cast(WorkerLoop, loop)))
        assert 50 == call_workers([server.address] * 50, KEY, "cancel", [7, 1])
