"""The words that go from a master to its workers: wake, stop, cancel, shutdown."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from bandmaster.asynccomm import protocol
from bandmaster.asynccomm.addresses import Address
from bandmaster.asynccomm.wire import Client, Peer
from bandmaster.asynccomm.worker_loop import WorkerLoop
from bandmaster.core.codec import pack, unpack
from bandmaster.errors import BandmasterError, ProtocolError

__all__ = [
    "ControlHandler",
    "call_worker",
    "call_workers",
    "in_background",
]

logger = logging.getLogger(__name__)

_TIMEOUT = 1.0
_AT_ONCE = 32
_WITHIN = 5.0


class ControlHandler:
    """What a worker's server answers.

    Parameters
    ----------
    loop : WorkerLoop
    """

    def __init__(self, loop: WorkerLoop) -> None:
        self._loop = loop

    def handle(self, peer: Peer, method: str, payload: bytes) -> bytes:
        """Answer one of the calls that `call_worker` makes."""
        with peer.blocked():  # to wake is to look for a master, which may take seconds
            match method, unpack(payload):
                case "wake", str(master):
                    self._loop.wake(Address.parse(master))
                    return pack(None)
                case "cancel" | "stop", [int(job), int(attempt)]:
                    return pack(self._loop.cancel(job, attempt, at_once=method == "cancel"))
                case "shutdown", str(reason):
                    self._loop.stop(reason)
                    return pack(None)
        raise ProtocolError(f"a worker has no {method!r} with these arguments")

    def disconnected(self, peer: Peer) -> None:
        """Nothing is kept for a connection."""


def call_worker(address: Address, key: bytes | None, method: str, argument: object) -> bool:
    """Say a word to a worker; False when it could not be reached, which may well be."""
    client = Client(address, protocol.CONTROL, key=key, connect_timeout=_TIMEOUT)
    try:
        client.connect()
        client.call(method, pack(argument), timeout=_TIMEOUT)
    except BandmasterError as error:
        logger.debug("%s cannot be told to %s: %s", address, method, error)
        return False
    finally:
        client.close()
    return True


def call_workers(
    addresses: Iterable[Address],
    key: bytes | None,
    method: str,
    argument: object,
    *,
    within: float = _WITHIN,
) -> int:
    """Say the same word to many workers, 32 at a time; returns how many heard it.

    After `within` seconds no more are called: a call to a machine that is gone takes its time.
    """
    addresses = list(addresses)
    if not addresses:
        return 0
    deadline = time.monotonic() + within

    def call(address: Address) -> bool:
        return time.monotonic() < deadline and call_worker(address, key, method, argument)

    with ThreadPoolExecutor(min(_AT_ONCE, len(addresses)), thread_name_prefix=method) as pool:
        return sum(pool.map(call, addresses))


def in_background(work: Callable[[], object], name: str) -> threading.Thread:
    """Start a daemon thread; what it raises as an error of ours is logged."""

    def run() -> None:
        try:
            work()
        except BandmasterError as error:
            logger.debug("%s: %s", name, error)

    thread = threading.Thread(target=run, name=name, daemon=True)
    thread.start()
    return thread
