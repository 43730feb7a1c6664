"""The words of a master to its workers."""

from __future__ import annotations

import threading
from typing import cast

from unit.asynccomm.wire_helpers import KEY

from bandmaster.asynccomm import protocol
from bandmaster.asynccomm.addresses import Address
from bandmaster.asynccomm.control import ControlHandler
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
