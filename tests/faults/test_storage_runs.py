"""Runs with real workers whose storage fails in the middle: nothing acknowledged is lost."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest
from disks import mounted, read_only
from postgres import Server
from processes import Cluster, Running, running, wait_until
from programs import Program, bandmaster

from bandmaster import fmin
from bandmaster.core import events as ev
from bandmaster.errors import StorageError
from bandmaster.storage import open_storage

KB = 1024
OBJECTIVE = """
def objective(config, job):
    with open("begun.txt", "a") as file:
        file.write(f"{{os.getpid()}} {{job.number}}\\n")
    time.sleep(0.01)
    return {{"loss": config["x"], "info": "x" * {size}}}
"""
SPACE = {"x": {"_type": "uniform", "_value": [0, 1]}}
N_WORKERS = 3


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 8 MB."""
    with mounted(tmp_path / "small", 8) as disk:
        yield disk


def finished(url: str, name: str = "e2e") -> list[int]:
    """Return the jobs whose outcomes are stored."""
    with open_storage(url) as storage:
        events = storage.read_journal(name).read()
        return [event.job for event in events if isinstance(event, ev.JobFinished)]


def acknowledged(folder: Path) -> set[int]:
    """Return the jobs of which a worker knows that the master has them: it got another one."""
    begun = defaultdict(list)
    for line in (folder / "begun.txt").read_text().splitlines():
        pid, job = line.split()
        begun[pid].append(int(job))
    return {job for jobs in begun.values() for job in jobs[:-1]}


def start_workers(cluster: Cluster, size: int) -> None:
    """Start workers whose outcomes have a size."""
    (cluster.folder / "begun.txt").touch()
    for number in range(N_WORKERS):
        cluster.worker(OBJECTIVE.format(size=size), worker_id=number)


@pytest.mark.timeout(120)
def test_a_database_server_that_restarts_under_a_run(tmp_path: Path) -> None:
    """The run waits, goes on by itself, and has each evaluation once."""
    with Server() as server, Cluster(tmp_path) as cluster:
        url = server.new_database()
        start_workers(cluster, 1)
        master = cluster.master(checkpoint_file=url)
        with running(master, n_trials=300) as run:
            for count in (40, 120):
                wait_until(lambda count=count: len(master.study.history) >= count, 30)
                server.stop()
                server.start()
            assert 300 == len(run.result(60).evaluations)
        master.shutdown()
        stored = finished(url)
        assert 300 == len(stored) == len(set(stored))
        begun = [line.split()[1] for line in (tmp_path / "begun.txt").read_text().splitlines()]
        assert 300 == len(begun) == len(set(begun)), "an evaluation ran twice"


@pytest.mark.timeout(120)
def test_a_disk_that_fills_up_under_a_run(small_disk: Path, tmp_path: Path) -> None:
    """The run ends with an error that says so; with room, the next one has all of it and goes on.

    The workers keep what was not acknowledged, and hand it to the next master.
    """
    url = f"sqlite:///{small_disk}/a.db?retry=1"
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 7500 * KB)
    with Cluster(tmp_path) as cluster:
        start_workers(cluster, 2 * KB)
        first = cluster.master(checkpoint_file=url)
        began = time.monotonic()
        run = Running(first, n_trials=150)
        with pytest.raises(StorageError, match=r"full.*room"):
            run.result(60)
        assert time.monotonic() - began < 20
        first.shutdown()  # with its workers, it says; but these have outcomes to hand over
        ballast.unlink()
        before = finished(url)
        assert 10 < len(before) < 150
        assert acknowledged(tmp_path) <= set(before)
        second = cluster.master(checkpoint_file=url)
        with running(second, n_trials=150) as run:
            assert 150 == len(run.result(60).evaluations)
        second.shutdown()
        stored = finished(url)
        assert before == stored[: len(before)]
        assert 150 == len(stored) == len(set(stored))


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_disk_that_fills_up_under_fmin(small_disk: Path, n_jobs: int) -> None:
    """The search ends with an error that says so, and keeps what it had seen."""
    (small_disk / "ballast").write_bytes(b"x" * 7700 * KB)
    url = f"sqlite:///{small_disk}/a.db?retry=0.5"
    seen: list[int] = []

    def objective(config: dict[str, float]) -> dict[str, object]:
        return {"loss": config["x"], "info": "x" * 4 * KB}

    with pytest.raises(StorageError, match=r"full.*room"):
        fmin(
            objective, SPACE, "Random", n_iterations=500, n_jobs=n_jobs, storage=url,
            show_progressbar=False, callbacks=[lambda _, e: seen.append(e.job)],
        )  # fmt: skip
    (small_disk / "ballast").unlink()
    stored = finished(url, "fmin")
    assert len(stored) > 5
    assert len(stored) == len(set(stored))
    missing = set(range(max(stored))) - set(stored)
    assert len(missing) < n_jobs, "what the other workers were at"
    if n_jobs == 1:
        assert len(seen) <= len(stored) + 1


def test_a_disk_that_is_read_only(small_disk: Path) -> None:
    """A master says at once that it cannot write, and where; no traceback, no waiting."""
    (small_disk / "space.yaml").write_text("x: {_type: uniform, _value: [0, 1]}\n")
    with (
        read_only(small_disk),
        Program(
            bandmaster(
                "master", str(small_disk / "space.yaml"), "--run-id", "ro", "--generator", "flat",
                "--n-trials", "1", "--checkpoint-file", str(small_disk / "a.db"),
            ),
            cwd=small_disk.parent,
        ) as program,
    ):  # fmt: skip
        assert 2 == program.finish(30)
    assert "may this user write there?" in program.err
    assert "Traceback" not in program.err


@pytest.mark.timeout(120)
def test_a_disk_that_is_full_for_a_while(
    small_disk: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """While there is no room the run warns and waits; with room it goes on, with nothing lost."""
    url = f"sqlite:///{small_disk}/a.db"
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 7700 * KB)
    with Cluster(tmp_path) as cluster:
        start_workers(cluster, 2 * KB)
        master = cluster.master(checkpoint_file=url)
        with running(master, n_trials=100) as run:
            wait_until(lambda: "trying again" in caplog.text, 30)
            ballast.unlink()
            assert 100 == len(run.result(60).evaluations)
        master.shutdown()
    stored = finished(url)
    assert 100 == len(stored) == len(set(stored))
    assert 100 == len((tmp_path / "begun.txt").read_text().splitlines())
