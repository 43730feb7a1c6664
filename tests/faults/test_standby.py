"""A second master: refused, or standing by until the first one is gone."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest
from processes import SPACE, Cluster
from programs import Program, bandmaster

from bandmaster import Study
from bandmaster.core import events as ev
from bandmaster.storage import open_storage

OBJECTIVE = """
def objective(config, job):
    while job.trial >= 20 and not os.path.exists("go"):
        time.sleep(0.02)
    with open("done.txt", "a") as file:
        file.write(f"{job.trial}\\n")
    return config["x"]
"""
MASTER = """
import logging
from bandmaster import Master, RandomOptimizer
logging.basicConfig(level=logging.INFO)
with Master("e2e", RandomOptimizer(), checkpoint_file="study.db", config_space={space!r},
            nameserver="127.0.0.1", nameserver_port={port}, standby={standby},
            lease_seconds={lease}) as master:
    print("takes", len(master.study.history), flush=True)
    print("finished", len(master.run(n_trials={n}).evaluations), flush=True)
"""
N, LEASE = 60, 10


def script(cluster: Cluster, folder: Path, *, standby: bool, lease: float = LEASE) -> Program:
    """Return a master's program."""
    path = folder / f"master_{standby}.py"
    path.write_text(
        MASTER.format(space=SPACE, port=cluster.names.port, standby=standby, lease=lease, n=N)
    )
    return Program([path], cwd=folder)


@pytest.mark.timeout(120)
def test_a_standby_master_takes_over_with_the_workers(tmp_path: Path) -> None:
    """It waits; when the first is killed it has the study and the workers within the lease."""
    done = tmp_path / "done.txt"
    done.touch()
    with Cluster(tmp_path) as cluster:
        for number in range(3):
            cluster.worker(OBJECTIVE, worker_id=number)
        with script(cluster, tmp_path, standby=False) as first:
            first.wait_for(lambda _: len(done.read_text().splitlines()) >= 20)
            with script(cluster, tmp_path, standby=False) as refused:
                assert 1 == refused.finish()
                assert f"is being written by pid {first.process.pid}" in refused.err
                assert "wait for it with standby=True" in refused.err
            with script(cluster, tmp_path, standby=True) as second:
                second.wait_for(lambda p: "Standing by" in p.err)
                assert "takes" not in second.out
                first.process.send_signal(signal.SIGKILL)
                killed = time.monotonic()
                second.wait_for(lambda p: "takes 20" in p.out)
                second.wait_for(lambda p: p.err.count("goes on with job") == 3)
                assert time.monotonic() - killed < LEASE
                (tmp_path / "go").touch()
                assert 0 == second.finish()
                assert f"finished {N}" in second.out
    ran = done.read_text().splitlines()
    assert N == len(ran) == len(set(ran)), "an evaluation was lost or ran twice"
    with open_storage(f"sqlite:///{tmp_path}/study.db") as storage:
        events = list(storage.read_journal("e2e").read())
    finished = [event.job for event in events if isinstance(event, ev.JobFinished)]
    assert N == len(finished) == len(set(finished))


@pytest.mark.timeout(120)
def test_a_master_that_was_stopped_leaves_its_workers_to_the_next_one(tmp_path: Path) -> None:
    """It runs again and ends with an error; its workers do not, though it would dismiss them."""
    done, lease = tmp_path / "done.txt", 4
    done.touch()
    with Cluster(tmp_path) as cluster:
        workers = [cluster.worker(OBJECTIVE, worker_id=number) for number in range(2)]
        with script(cluster, tmp_path, standby=False, lease=lease) as first:
            first.wait_for(lambda _: len(done.read_text().splitlines()) >= 20)
            with script(cluster, tmp_path, standby=True, lease=lease) as second:
                second.wait_for(lambda p: "Standing by" in p.err)
                first.process.send_signal(signal.SIGSTOP)
                second.wait_for(lambda p: p.err.count("goes on with job") == 2, 60)
                first.process.send_signal(signal.SIGCONT)
                assert 1 == first.finish(30)
                assert "StorageError" in first.err
                assert "the workers stay" in first.err
                (tmp_path / "go").touch()
                assert 0 == second.finish(60)
                assert f"finished {N}" in second.out
                assert [0, 0] == [worker.finish(20) for worker in workers]


def test_the_command_line_names_its_own_options(tmp_path: Path) -> None:
    """Busy studies are refused with what the command line offers; they are listed and deleted."""
    (tmp_path / "space.yaml").write_text("x: {_type: uniform, _value: [-5, 5]}\n")
    url = f"sqlite:///{tmp_path}/study.db"
    master = bandmaster(
        "master", "space.yaml", "--run-id", "cli", "--generator", "flat", "--n-trials", "1",
        "--checkpoint-file", "study.db",
    )  # fmt: skip

    def call(*command: str) -> Program:
        with Program(command, cwd=tmp_path) as program:
            program.finish()
            return program

    with Study({"x": {"_type": "uniform", "_value": [-5, 5]}}, name="cli", storage=url) as study:
        study.ask()
        busy = call(*master)
        assert 2 == busy.process.returncode
        assert "wait for it with --standby" in busy.err
        assert "standby=True" not in busy.err
        listed = call(*bandmaster("studies", "list", "study.db"))
        assert "cli" in listed.out
        assert "pid" in listed.out
        kept = call(*bandmaster("studies", "delete", "study.db", "cli"))
        assert 2 == kept.process.returncode
        assert "--force" in kept.err
    assert 0 == call(*bandmaster("studies", "delete", "study.db", "cli")).process.returncode
    assert "there is no study 'cli'" in call(*bandmaster("studies", "delete", url, "cli")).err
    assert "no file" in call(*bandmaster("studies", "list", "other.db")).err
    assert "--checkpoint-file" in call(*master[:-2], "--standby").err
