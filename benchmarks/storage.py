"""What storing costs: evaluations a second, bytes an evaluation, seconds to load.

Run with ``python benchmarks/storage.py [--evaluations 100000] [--folder DIR] [--url URL]``. Each
rate is printed beside the same for memory, measured turn and turn about in the same run (medians);
the time of one fdatasync in the folder, before and after, says what the disk allows. The space has
ten parameters. Evaluations do nothing; they run in eight worker processes over the dispatcher, and
in threads that play workers without a network.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import threading
import time
from pathlib import Path

from bandmaster.asynccomm.local import run_local
from bandmaster.core.outcome import Outcome, Status
from bandmaster.core.plan import Plan
from bandmaster.multifidelity import FlatIterGenerator
from bandmaster.optimizers import RandomOptimizer
from bandmaster.storage import Journal, open_storage
from bandmaster.study import Study
from bandmaster.study.follower import Follower

SPACE = {
    **{f"learning_rate_{i}": {"_type": "uniform", "_value": [0.0, 1.0]} for i in range(5)},
    **{f"number_of_{i}": {"_type": "int_uniform", "_value": [0, 1000]} for i in range(3)},
    **{f"activation_{i}": {"_type": "choice", "_value": ["relu", "tanh"]} for i in range(2)},
}
THREADS = WORKERS = 8
TURNS = 5
WARM = 50  # evaluations a worker that are not counted, while processes start


def make_study(journal: Journal) -> Study:
    """Return a study on a journal."""
    return Study(
        SPACE, optimizer=RandomOptimizer(), generator=FlatIterGenerator(), journal=journal, name="b"
    )


def drive(study: Study, n: int, threads: int) -> float:
    """Let threads evaluate nothing, each waiting as a dispatcher does; return evaluations/s."""

    def work(worker: int) -> None:
        name = f"bandmaster.benchmark.worker.localhost.{10_000 + worker}.0"
        job = study.ask(worker=name)
        for _ in range(n // threads):
            now = time.time()
            outcome = Outcome(Status.OK, 0.5, {}, None, None, None, now, now, name)
            study.tell(job, outcome, durable=False)
            job = study.ask(worker=name)  # one wait for both, as the reply to a worker has

    crew = [threading.Thread(target=work, args=(i,)) for i in range(threads)]
    before = time.perf_counter()
    for thread in crew:
        thread.start()
    for thread in crew:
        thread.join()
    return n / (time.perf_counter() - before)


def sync_ms(folder: Path) -> float:
    """Return the median of what one small write and fdatasync takes."""
    times = []
    with (folder / "sync").open("wb", buffering=0) as file:
        for _ in range(100):
            before = time.perf_counter()
            file.write(b"x" * 4096)
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - before)
    return sorted(times)[50] * 1e3


def over_network(journal: Journal, n: int) -> tuple[float, float]:
    """Let worker processes evaluate nothing; return evaluations/s and master CPU in us for one."""
    study = make_study(journal)
    study.set_plan(Plan(n_evaluations=n))
    marks: list[float] = []

    def watch() -> None:
        study.wait_for(lambda: len(study.history) >= WARM * WORKERS)
        marks.append(time.process_time())

    watcher = threading.Thread(target=watch)
    watcher.start()
    run_local(study, lambda config: 0.5, WORKERS, follower=Follower(study))
    watcher.join()
    finished = study.history.column("finished")
    seconds = float(finished.max() - finished[WARM * WORKERS])
    counted = n - WARM * WORKERS
    return counted / seconds, (time.process_time() - marks[0]) / counted * 1e6


def network_rates(url: str, n: int) -> None:
    """Print evaluations a second over the dispatcher, with and without the storage."""
    found: dict[str, list[tuple[float, float]]] = {"memory://": [], url: []}
    for turn in range(TURNS):
        for place, there in found.items():
            with open_storage(place) as storage:
                there.append(over_network(storage.open_journal(f"net-{turn}", create=True), n))
    (memory, memory_cpu), (stored, stored_cpu) = (
        [statistics.median(column) for column in zip(*there, strict=True)]
        for there in found.values()
    )
    print(
        f"{WORKERS} worker processes: {stored:6.0f} evaluations/s ({stored_cpu:.0f} us of master "
        f"CPU each), memory {memory:6.0f} ({memory_cpu:.0f} us), ratio {stored / memory:.2f}"
    )


def rates(url: str, n: int) -> None:
    """Print evaluations a second of threads, with and without the storage."""
    for threads in (1, THREADS):
        found: dict[str, list[float]] = {"memory://": [], url: []}
        for turn in range(3):
            for place, rates_there in found.items():
                with open_storage(place) as storage:
                    study = make_study(storage.open_journal(f"{threads}-{turn}", create=True))
                    rates_there.append(drive(study, n, threads))
        memory, stored = (sorted(r)[1] for r in found.values())
        print(
            f"{threads} threads: {stored:6.0f} evaluations/s, memory {memory:6.0f}, "
            f"ratio {stored / memory:.2f}"
        )


def size_and_loading(folder: Path, n: int) -> None:
    """Print bytes an evaluation, and how long loading takes, in reading and in all."""
    path = folder / "size.db"
    url = f"sqlite:///{path}?synchronous=normal"
    with open_storage(url) as storage:
        drive(make_study(storage.open_journal("size", create=True)), n, THREADS)
    print(f"file: {path.stat().st_size / n:.0f} bytes an evaluation, {n} evaluations")
    with open_storage(url) as storage:
        before = time.perf_counter()
        n_events = sum(1 for _ in storage.read_journal("size").read())
        reading = time.perf_counter() - before
        before, cpu = time.perf_counter(), time.process_time()
        make_study(storage.open_journal("size", create=False))
        whole, cpu = time.perf_counter() - before, time.process_time() - cpu
    print(
        f"load: {whole:.2f} s ({cpu:.2f} s of CPU) through Study; reading {n_events} events alone "
        f"{reading:.2f} s"
    )


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--evaluations", type=int, default=100_000)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--url", help="another storage for the rates, e.g. PostgreSQL")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        print(f"write + fdatasync: {sync_ms(folder):.2f} ms (median)")
        url = options.url or f"sqlite:///{folder}/rates.db"
        network_rates(url, 4_000)
        print(f"write + fdatasync: {sync_ms(folder):.2f} ms (median)")
        rates(url, 4_000)
        size_and_loading(folder, options.evaluations)


if __name__ == "__main__":
    main()
