"""What one exchange costs each side, step by step, in one thread.

Run ``python benchmarks/exchange.py``. Microseconds of the thread's CPU, the least of many rounds,
so that others on the machine hardly matter: for finding out what a change of code costs. How many
exchanges a second that makes, `dispatch.py` and `thousand_workers.py` say.

wire
    Reading a call from one of many connections and answering it, without anything to think about.
dispatcher
    Telling a study an outcome and asking for the next job, without a wire; random search.
worker
    Sending an outcome, reading the next job and evaluating it; the answers are there already.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable

import msgpack

from bandmaster.asynccomm import protocol
from bandmaster.asynccomm.dispatcher import Dispatcher
from bandmaster.asynccomm.wire import Address, Client, Peer, Throttle
from bandmaster.asynccomm.wire._connection import Connection
from bandmaster.asynccomm.wire._daemon import GuardedDaemon
from bandmaster.asynccomm.wire._patterns import ANSWER, call_pattern
from bandmaster.asynccomm.wire._ready import Ready
from bandmaster.asynccomm.worker_loop import WorkerLoop
from bandmaster.core.evaluate import Objective
from bandmaster.core.evaluator import InProcess
from bandmaster.core.job import Job
from bandmaster.core.outcome import Outcome, Status
from bandmaster.multifidelity import FlatIterGenerator
from bandmaster.optimizers import RandomOptimizer
from bandmaster.study.study import Study

SIZE = 1 << 26


class Echo:
    """Has nothing to think about."""

    def handle(self, peer: Peer, method: str, payload: bytes) -> bytes:
        return payload

    def disconnected(self, peer: Peer) -> None:
        pass


def served(number: int) -> tuple[Connection, socket.socket]:
    """Return a server's connection, and the socket of its client."""
    here, there = socket.socketpair()
    connection = Connection(here, serving=True, max_message=SIZE)
    connection.peer = Peer(connection, number, "here")
    return connection, there


def least(rounds: int, prepare: Callable[[], None], act: Callable[[], None], n: int) -> float:
    """Return microseconds for each of the `n` that a round does."""
    best = float("inf")
    for _ in range(rounds):
        prepare()
        begin = time.thread_time()
        act()
        best = min(best, time.thread_time() - begin)
    return best / n * 1e6


def wire(n: int, rounds: int) -> float:
    """Return what reading and answering takes; the clients' part is not counted."""
    daemon = GuardedDaemon(key=None, max_message=SIZE, log=Throttle(logging.getLogger(__name__)))
    daemon.add("echo", Echo())
    ready, call = Ready(), call_pattern("echo", "exchange").fill(1, bytes(100))
    connections, clients = {}, []
    for number in range(n):
        connection, there = served(number)
        connections[connection.fileno()] = connection
        clients.append(there)
        ready.add(connection.fileno())
        there.send(call)

    def prepare() -> None:
        for there in clients:
            there.recv(4096)  # the answer to the last call
            there.send(call)

    def act() -> None:
        for _ in range(n):
            fd = ready.wait()
            daemon.answer(connections[fd])
            ready.arm(fd)

    act()
    return least(rounds, prepare, act, n)


def dispatcher(n: int, rounds: int) -> float:
    """Return what a dispatcher's part of an exchange takes."""
    study = Study(
        {"x": {"_type": "uniform", "_value": [0, 1]}},
        optimizer=RandomOptimizer(),
        generator=FlatIterGenerator(),
    )
    handler = Dispatcher(study, run_id="many")
    peers = []
    for number in range(n):
        connection, _ = served(number)
        peers.append(connection.peer)
        hello = protocol.Hello("many", f"w{number}", "h", 1)
        handler.handle(connection.peer, "hello", hello.encode())
    handler.open()
    jobs = [handler.handle(peer, "exchange", b"") for peer in peers]
    payloads: list[bytes] = []

    def prepare() -> None:
        outcome = Outcome(Status.OK, 0.5, started=1e9, finished=1e9, worker="w")
        fields = (msgpack.unpackb(job)[1] for job in jobs)
        payloads[:] = [protocol.write_exchange(job[0], job[1], outcome) for job in fields]

    def act() -> None:
        jobs[:] = [
            handler.handle(peer, "exchange", payload)
            for peer, payload in zip(peers, payloads, strict=True)
        ]

    return least(rounds, prepare, act, n)


def worker(n: int, rounds: int) -> float:
    """Return what a worker's part of an exchange takes, with an objective that does nothing."""
    answer = protocol.write_job(
        Job(7, 0, 7, {"x": 0.37454}, 1, {"model_based_pick": False}, issued=1.7e9)
    )
    loops = []
    for number in range(n):
        here, there = socket.socketpair()
        client = Client(Address.unix("/unused"), protocol.DISPATCHER, key=None)
        client._connection = Connection(here, serving=False, max_message=SIZE)
        loop = WorkerLoop(
            InProcess(Objective(lambda config: config["x"])), lambda it=client: it, run_id="many",
            worker=f"w{number}", host="here", pid=1,
        )  # fmt: skip
        loop._client = client
        loops.append((loop, client, there))

    def prepare() -> None:
        for _, client, there in loops:
            if client._sequence:
                there.recv(4096)
            there.send(ANSWER.fill(client._sequence + 1, answer, b"\0"))

    def act() -> None:
        for loop, _, _ in loops:
            loop._exchange()

    return least(rounds, prepare, act, n)


def main() -> None:
    """Print the figures, with few and with many connections: caches matter."""
    for n, rounds in ((10, 300), (500, 20)):
        figures = (wire(n, rounds), dispatcher(n, rounds), worker(n, rounds))
        print(
            f"{n:4} connections: wire {figures[0]:5.1f} us, dispatcher and study "
            f"{figures[1]:5.1f} us, worker {figures[2]:5.1f} us"
        )


if __name__ == "__main__":
    main()
