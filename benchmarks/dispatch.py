"""Dispatching no-op evaluations: ours, a bare Pyro5 + msgpack loop, Optuna's journal.

Run it as ``python benchmarks/dispatch.py``; figures of one run can be compared, those of different
runs or machines cannot. Random search over one float, 1, 2, 4 and 8 worker processes. CPU is that
of the process which hands out the jobs.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from bandmaster.asynccomm.local import run_local
from bandmaster.core.plan import Plan
from bandmaster.multifidelity import FlatIterGenerator
from bandmaster.optimizers import RandomOptimizer
from bandmaster.study.follower import Follower
from bandmaster.study.study import Study

SPACE = {"x": {"_type": "uniform", "_value": [0, 1]}}
WARM = 50  # evaluations that are not counted, while processes start

BARE = """
import sys, Pyro5.api
Pyro5.api.config.SERIALIZER = "msgpack"
with Pyro5.api.Proxy(sys.argv[1]) as master:
    result = None
    while (job := master.exchange(result)) is not None:
        result = [job[0], job[1]["x"]]
"""

OPTUNA = """
import sys, time, optuna
optuna.logging.set_verbosity(optuna.logging.ERROR)
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
study = optuna.load_study(study_name="s", storage=JournalStorage(JournalFileBackend(sys.argv[1])),
                          sampler=optuna.samplers.RandomSampler())
study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=int(sys.argv[2]))
"""


def ours(n_workers: int, n: int) -> tuple[float, float]:
    """Return evaluations a second, and microseconds of master CPU an evaluation."""
    study = Study(SPACE, optimizer=RandomOptimizer(), generator=FlatIterGenerator())
    study.set_plan(Plan(n_evaluations=n))
    marks: list[float] = []

    def watch() -> None:
        study.wait_for(lambda: len(study.history) >= WARM * n_workers)
        marks.append(time.process_time())

    watcher = threading.Thread(target=watch)
    watcher.start()
    run_local(study, lambda config: config["x"], n_workers, follower=Follower(study))
    watcher.join()
    first = study.history.column("finished")[WARM * n_workers]
    seconds = float(study.history.column("finished").max() - first)
    counted = n - WARM * n_workers
    return counted / seconds, (time.process_time() - marks[0]) / counted * 1e6


def bare(n_workers: int, n: int) -> tuple[float, float]:
    """Measure Pyro5 as it comes, with msgpack and a Unix socket, and nothing to think about."""
    import Pyro5.api
    import Pyro5.server

    Pyro5.api.config.SERIALIZER = "msgpack"
    lock, issued = threading.Lock(), 0
    marks: list[tuple[float, float]] = []

    @Pyro5.server.expose
    class Exchange:
        def exchange(self, _result: object) -> object:
            nonlocal issued
            with lock:
                issued += 1
                if issued in (WARM * n_workers, n):
                    marks.append((time.perf_counter(), time.process_time()))
                return None if issued > n else [issued, {"x": 0.5}, 1.0]

    with tempfile.TemporaryDirectory() as folder:
        daemon = Pyro5.api.Daemon(unixsocket=f"{folder}/s")
        uri = daemon.register(Exchange())
        thread = threading.Thread(target=daemon.requestLoop)
        thread.start()
        command = [sys.executable, "-c", BARE, str(uri)]
        workers = [subprocess.Popen(command) for _ in range(n_workers)]
        for worker in workers:
            worker.wait()
        daemon.shutdown()
        thread.join()
    (began, cpu_began), (ended, cpu_ended) = marks[:2]
    counted = n - WARM * n_workers
    return counted / (ended - began), (cpu_ended - cpu_began) / counted * 1e6


def optuna(n_workers: int, n: int) -> float:
    """Measure Optuna's random sampler: processes that share a journal file."""
    import optuna as library
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    library.logging.set_verbosity(library.logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "journal")
        study = library.create_study(
            study_name="s", storage=JournalStorage(JournalFileBackend(path))
        )
        command = [sys.executable, "-c", OPTUNA, path, str(n // n_workers)]
        workers = [subprocess.Popen(command) for _ in range(n_workers)]
        for worker in workers:
            worker.wait()
        trials = study.trials
    starts = [t.datetime_start for t in trials if t.datetime_start is not None]
    ends = [t.datetime_complete for t in trials if t.datetime_complete is not None]
    return len(ends) / (max(ends) - min(starts)).total_seconds()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=6000, help="evaluations a measurement")
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2, 4, 8])
    arguments = parser.parse_args()
    has_optuna = importlib.util.find_spec("optuna") is not None
    if not has_optuna:
        print("Optuna is not installed, so it is left out")
    print("workers   bandmaster            bare Pyro5            of bare   Optuna journal")
    for n_workers in arguments.workers:
        rate, cpu = ours(n_workers, arguments.n)
        plain, plain_cpu = bare(n_workers, arguments.n)
        other = f"{optuna(n_workers, 400):6.0f}/s" if has_optuna else "-"
        print(
            f"{n_workers:7d}   {rate:7.0f}/s {cpu:5.0f} us   {plain:7.0f}/s {plain_cpu:5.0f} us"
            f"   {rate / plain:6.0%}   {other}"
        )


if __name__ == "__main__":
    main()
