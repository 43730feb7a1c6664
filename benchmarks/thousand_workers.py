"""A thousand connected workers with jobs of 0.2 s: how near is the rate to the ideal one?

Run it as ``python benchmarks/thousand_workers.py``. The workers are threads of a few client
processes; each has its own connection and sleeps 0.2 s a job. Ideal is workers / 0.2 s, which is
more than two cores can do: so the same is done with a bare Pyro5 + msgpack exchange (its
multiplexing server, nothing to think about), and CPU is given for both sides.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from bandmaster.asynccomm import protocol
from bandmaster.asynccomm.dispatcher import Dispatcher
from bandmaster.asynccomm.driver import Driver
from bandmaster.asynccomm.security import make_key
from bandmaster.asynccomm.wire import Address, Client, Server
from bandmaster.asynccomm.worker_loop import WorkerLoop
from bandmaster.core.evaluate import Objective
from bandmaster.core.evaluator import InProcess
from bandmaster.core.plan import Plan
from bandmaster.multifidelity import FlatIterGenerator
from bandmaster.optimizers import RandomOptimizer
from bandmaster.study.follower import Follower
from bandmaster.study.study import Study


def client(path: str, key: bytes, n: int, seconds: float) -> None:
    """Be `n` workers."""

    def connect() -> Client:
        made = Client(Address.unix(path), protocol.DISPATCHER, key=key, connect_timeout=60)
        made.connect()
        return made

    def objective(config: dict[str, float]) -> float:
        time.sleep(seconds)
        return config["x"]

    loops = [
        WorkerLoop(
            InProcess(Objective(objective)), connect, run_id="many",
            worker=f"{os.getpid()}.{number}", host="here", pid=os.getpid(), patience=60.0,
        )
        for number in range(n)
    ]  # fmt: skip
    run_threads([loop.run for loop in loops])


class Rate(NamedTuple):
    """What a run came to; CPU in microseconds an evaluation."""

    rate: float
    master: float
    clients: float


def measure(n_workers: int, n_clients: int, seconds: float, rounds: float) -> Rate:
    """Return the figures of ours, without the first rounds and the last, as in `measure_bare`."""
    first, n = 2 * n_workers, 2 * n_workers + int(n_workers * rounds)
    study = Study(
        {"x": {"_type": "uniform", "_value": [0, 1]}},
        optimizer=RandomOptimizer(),
        generator=FlatIterGenerator(),
    )
    study.set_plan(Plan(n_evaluations=n + n_workers))
    dispatcher, key = Dispatcher(study, run_id="many"), make_key()
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "s")
        server = Server(key=key, unix_path=path, name="many")
        server.register(protocol.DISPATCHER, dispatcher)
        server.start()
        clients = start(n_clients, "--client", path, key.hex(), n_workers // n_clients, seconds)
        try:
            if not dispatcher.sessions.wait_for_count(n_workers, timeout=120):
                raise SystemExit(f"only {len(dispatcher.sessions)} workers came in 120 s")
            marks: list[Mark] = []
            counts: list[int] = []

            def watch() -> None:
                for goal in (first, n):
                    while len(study.history) < goal:
                        time.sleep(0.05)  # to be woken by each would cost what is measured
                    counts.append(len(study.history))
                    marks.append(Mark.now(clients))

            watcher = threading.Thread(target=watch)
            watcher.start()
            dispatcher.open()
            Driver(dispatcher, Follower(study)).run()
            watcher.join()
        finally:
            dispatcher.stop("the benchmark is over")
            for process in clients:
                process.wait()
            server.close()
            dispatcher.close()
    return Mark.rate(marks, counts[1] - counts[0])


def bare_client(uri: str, n: int, seconds: float) -> None:
    """Be `n` bare workers."""
    import Pyro5.api

    Pyro5.api.config.SERIALIZER = "msgpack"

    def work() -> None:
        with Pyro5.api.Proxy(uri) as master:
            result = None
            while (job := master.exchange(result)) is not None:
                time.sleep(seconds)
                result = [job[0], job[1]["x"]]

    run_threads([work] * n)


def measure_bare(n_workers: int, n_clients: int, seconds: float, rounds: float) -> Rate:
    """Return the figures of Pyro5 alone; the first round, in which workers connect, is left out."""
    import Pyro5.api
    import Pyro5.server

    Pyro5.api.config.SERIALIZER, Pyro5.api.config.SERVERTYPE = "msgpack", "multiplex"
    first, n = 2 * n_workers, 2 * n_workers + int(n_workers * rounds)
    marks: list[Mark] = []
    issued = 0

    @Pyro5.server.expose
    class Exchange:
        def exchange(self, _result: object) -> object:
            nonlocal issued
            issued += 1
            if issued in (first, n):
                marks.append(Mark.now(clients))
            return None if issued > n else [issued, {"x": 0.5}, 1.0]

    with tempfile.TemporaryDirectory() as folder:
        daemon = Pyro5.api.Daemon(unixsocket=f"{folder}/s")
        uri = daemon.register(Exchange())
        clients = start(n_clients, "--bare-client", uri, n_workers // n_clients, seconds)
        thread = threading.Thread(target=daemon.requestLoop)
        thread.start()
        for process in clients:
            process.wait()
        daemon.shutdown()
        thread.join()
    return Mark.rate(marks, n - first)


class Mark(NamedTuple):
    """A moment, and the CPU that both sides have used by then."""

    time: float
    master: float
    clients: float

    @classmethod
    def now(cls, clients: list[subprocess.Popen[bytes]]) -> Mark:
        """Look at the clocks."""
        ticks = 0
        for process in clients:
            stat = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(stat[11]) + int(stat[12])
        used = ticks / os.sysconf("SC_CLK_TCK")
        return cls(time.perf_counter(), time.process_time(), used)

    @staticmethod
    def rate(marks: list[Mark], n: int) -> Rate:
        """Return what `n` evaluations between two marks came to."""
        took, master, clients = (end - begin for begin, end in zip(*marks, strict=True))
        return Rate(n / took, master / n * 1e6, clients / n * 1e6)


def start(n_clients: int, *arguments: object) -> list[subprocess.Popen[bytes]]:
    """Start the processes of the workers."""
    command = [sys.executable, __file__, *map(str, arguments)]
    return [subprocess.Popen(command) for _ in range(n_clients)]


def run_threads(targets: list[Callable[[], object]]) -> None:
    """Run each in a thread."""
    threading.stack_size(256 * 1024)
    threads = [threading.Thread(target=target) for target in targets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main() -> None:
    """Print the figures."""
    if sys.argv[1:2] == ["--client"]:
        path, key, n, seconds = sys.argv[2:]
        client(path, bytes.fromhex(key), int(n), float(seconds))
        return
    if sys.argv[1:2] == ["--bare-client"]:
        uri, n, seconds = sys.argv[2:]
        bare_client(uri, int(n), float(seconds))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=0.2)
    parser.add_argument("--rounds", type=float, default=15.0, help="jobs a worker")
    arguments = parser.parse_args()
    n_workers = arguments.workers // arguments.clients * arguments.clients
    ideal = n_workers / arguments.seconds
    options = (n_workers, arguments.clients, arguments.seconds, arguments.rounds)
    ours, bare = measure(*options), measure_bare(*options)
    print(f"{n_workers} workers, jobs of {arguments.seconds:g} s: ideal {ideal:.0f} evaluations/s")
    for name, figures in (("bandmaster", ours), ("bare Pyro5", bare)):
        print(
            f"{name}: {figures.rate:5.0f}/s, {figures.rate / ideal:4.0%} of the ideal; "
            f"CPU an evaluation: master {figures.master:3.0f} us, clients {figures.clients:3.0f} us"
        )
    print(f"{ours.rate / bare.rate:.0%} of the bare exchange")


if __name__ == "__main__":
    main()
