"""A master that is killed in the middle of its brackets, 20 times in a run, loses nothing."""

from __future__ import annotations

import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from invariants import check_replay, violations
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
    print("finished", len(master.run(n_iterations={brackets}).evaluations), flush=True)
finally:
    master.shutdown()
"""
KILLS, SEED = 20, 3
BRACKETS = 27
_MOMENTS = 40  # at which the journal is replayed


@pytest.mark.timeout(240)
def test_a_killed_master_goes_on_where_it_was(tmp_path: Path) -> None:
    """Restarted with the same command it ends as planned, and no evaluation ran twice.

    It is killed when some evaluations have ended, or at any time after its start: in its imports,
    while it loads the study, while its workers come back.
    """
    done = tmp_path / "done.txt"
    done.touch()
    script = tmp_path / "master.py"
    total = HyperBandIterGenerator(1, 9, 3).num_all_configs(BRACKETS)
    rng, story = random.Random(SEED), [f"seed {SEED}"]

    def n_done() -> int:
        return len(done.read_text().splitlines())

    with Cluster(tmp_path) as cluster:
        script.write_text(MASTER.format(port=cluster.names.port, space=SPACE, brackets=BRACKETS))
        for number in range(4):
            cluster.worker(OBJECTIVE, worker_id=number)
        for kill in range(KILLS):
            with Program([script], cwd=tmp_path) as master:
                if rng.random() < 0.3:
                    time.sleep(rng.uniform(0.0, 1.2))  # any moment will do
                else:
                    wanted = n_done() + rng.randint(1, 9)
                    _until(lambda wanted=wanted: n_done() >= wanted, master, story)
                assert master.process.poll() is None, f"{story}\n{master}"
                master.process.send_signal(signal.SIGKILL)
                master.process.wait()
            story.append(f"kill {kill} after {n_done()} evaluations")
        with Program([script], cwd=tmp_path) as master:
            assert 0 == master.process.wait(90), f"{story}\n{master}"
            assert f"finished {total}" in master.out, story
    runs = Counter(done.read_text().splitlines())
    with open_storage(f"sqlite:///{tmp_path}/study.db") as storage:
        events = list(storage.read_journal("e2e").read())
    finished = [event for event in events if isinstance(event, ev.JobFinished)]
    assert total == len(finished) == len({event.job for event in finished}), story
    assert all(event.outcome.ok for event in finished), story
    assert {1} == set(runs.values()), f"an evaluation that finished was run again: {story}"
    assert total == len(runs), story
    assert [] == violations(events), story
    check_replay(events, _study, rng, _MOMENTS)


def _study(journal: MemoryJournal) -> Study:
    generator = HyperBandIterGenerator(1, 9, 3)
    return Study(SPACE, optimizer=ETPEOptimizer(), generator=generator, journal=journal)


def _until(condition, master: Program, story: list[str]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, f"nothing happened: {story}\n{master}"
        assert master.process.poll() is None, f"{story}\n{master}"
        time.sleep(0.005)
