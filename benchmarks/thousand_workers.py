"""A thousand connected workers with jobs of 0.2 s: how near is the rate to the ideal one?

Run it as ``python benchmarks/thousand_workers.py``. The workers are threads of a few client
processes; each has its own connection and sleeps 0.2 s a job. Ideal is workers / 0.2 s, which is
more evaluations a second than one core dispatches: the rate is also given against the largest that
this machine reaches with jobs that take no time.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

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
    threading.stack_size(256 * 1024)
    threads = [threading.Thread(target=loop.run) for loop in loops]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def measure(n_workers: int, n_clients: int, seconds: float, rounds: float) -> tuple[float, float]:
    """Return evaluations a second, and the share of a core that the master needed."""
    n = int(n_workers * rounds)
    study = Study(
        {"x": {"_type": "uniform", "_value": [0, 1]}},
        optimizer=RandomOptimizer(),
        generator=FlatIterGenerator(),
    )
    study.set_plan(Plan(n_evaluations=n))
    dispatcher, key = Dispatcher(study, run_id="many"), make_key()
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "s")
        server = Server(key=key, unix_path=path, name="many")
        server.register(protocol.DISPATCHER, dispatcher)
        server.start()
        command = [sys.executable, __file__, "--client", path, key.hex()]
        command += [str(n_workers // n_clients), str(seconds)]
        clients = [subprocess.Popen(command) for _ in range(n_clients)]
        try:
            if not dispatcher.sessions.wait_for_count(n_workers, timeout=120):
                raise SystemExit(f"only {len(dispatcher.sessions)} workers came in 120 s")
            began, cpu = time.perf_counter(), time.process_time()
            dispatcher.open()
            Driver(dispatcher, Follower(study)).run()
            took, used = time.perf_counter() - began, time.process_time() - cpu
        finally:
            dispatcher.stop("the benchmark is over")
            for process in clients:
                process.wait()
            server.close()
            dispatcher.close()
    return n / took, used / took


def main() -> None:
    """Print the figures."""
    if sys.argv[1:2] == ["--client"]:
        path, key, n, seconds = sys.argv[2:]
        client(path, bytes.fromhex(key), int(n), float(seconds))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=1000)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=0.2)
    parser.add_argument("--rounds", type=float, default=10.0, help="jobs a worker")
    arguments = parser.parse_args()
    n_workers = arguments.workers // arguments.clients * arguments.clients
    rate, share = measure(n_workers, arguments.clients, arguments.seconds, arguments.rounds)
    ideal = n_workers / arguments.seconds
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{n_workers} workers, jobs of {arguments.seconds:g} s: {rate:.0f} evaluations/s, "
        f"{rate / ideal:.0%} of the ideal {ideal:.0f}/s; master: {share:.0%} of a core, "
        f"{memory:.0f} MiB"
    )
    top, _ = measure(n_workers, arguments.clients, 0.0, arguments.rounds)
    print(
        f"jobs that take no time: {top:.0f} evaluations/s, so {rate / min(ideal, top):.0%} of "
        "what can be reached here"
    )


if __name__ == "__main__":
    main()
