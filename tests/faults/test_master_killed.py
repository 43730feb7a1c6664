"""A master that is killed in the middle of its brackets, again and again, loses nothing."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from processes import SPACE, Cluster
from programs import Program

from bandmaster import ETPEOptimizer, HyperBandIterGenerator
from bandmaster.core import events as ev
from bandmaster.storage import MemoryJournal, open_storage
from bandmaster.study import Study

OBJECTIVE = """
def objective(config, budget, job):
    time.sleep(0.03 * budget)
    with open("done.txt", "a") as file:
        file.write(f"{job.trial} {budget}\\n")
    return config["x"] / budget
"""
MASTER = """
import logging
from bandmaster import ETPEOptimizer, HyperBandIterGenerator, Master
logging.basicConfig(level=logging.INFO)
master = Master(
    "e2e", ETPEOptimizer(), HyperBandIterGenerator(1, 9, 3), checkpoint_file="study.db",
    nameserver="127.0.0.1", nameserver_port={port}, config_space={space!r},
)
try:
    print("finished", len(master.run(n_iterations=9).evaluations), flush=True)
finally:
    master.shutdown()
"""
KILLS = 5


@pytest.mark.timeout(180)
def test_a_killed_master_goes_on_where_it_was(tmp_path: Path) -> None:
    """Restarted with the same command it ends as planned, and no evaluation ran twice."""
    done = tmp_path / "done.txt"
    done.touch()
    script = tmp_path / "master.py"
    generator = HyperBandIterGenerator(1, 9, 3)
    total = generator.num_all_configs(9)
    rng = random.Random(3)
    kill_at = sorted(rng.sample(range(2, total - 4), KILLS))
    with Cluster(tmp_path) as cluster:
        script.write_text(MASTER.format(port=cluster.names.port, space=SPACE))
        for number in range(4):
            cluster.worker(OBJECTIVE, worker_id=number)
        for count in kill_at:
            with Program([script], cwd=tmp_path) as master:
                _until(lambda count=count: len(done.read_text().splitlines()) >= count, master)
                master.process.send_signal(signal.SIGKILL)
                master.process.wait()
        with Program([script], cwd=tmp_path) as master:
            assert 0 == master.process.wait(90), str(master)
            assert f"finished {total}" in master.out
    runs = Counter(done.read_text().splitlines())
    with open_storage(f"sqlite:///{tmp_path}/study.db") as storage:
        events = list(storage.read_journal("e2e").read())
    finished = [event for event in events if isinstance(event, ev.JobFinished)]
    assert total == len(finished) == len({event.job for event in finished})
    assert all(event.outcome.ok for event in finished)
    assert {1} == set(runs.values()), "an evaluation that finished was run again"
    assert total == len(runs)
    _check_replay(events)


def _until(condition, master: Program) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, f"nothing happened\n{master}"
        assert master.process.poll() is None, str(master)
        time.sleep(0.005)


def _check_replay(events: list[ev.Event]) -> None:
    """An uninterrupted study that sees the same events makes the same proposals."""
    for i, event in enumerate(events):
        if isinstance(event, ev.JobIssued) and event.attempt == 0:
            study = Study(
                SPACE,
                optimizer=ETPEOptimizer(),
                generator=HyperBandIterGenerator(1, 9, 3),
                journal=MemoryJournal(events[:i]),
            )
            if study.open_jobs and any(entry.waiting for entry in study.open_jobs):
                continue  # a lost job goes first, here as there
            job = study.ask()
            assert job is not None
            assert (event.job, event.trial, event.budget) == (job.number, job.trial, job.budget)
            assert event.config is None or dict(event.config) == dict(job.config)
