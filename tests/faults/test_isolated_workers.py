"""Workers whose evaluations are isolated, and what is left when they die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from faults.isolated import alive
from processes import SPACE, Cluster, running, wait_until
from programs import Program, bandmaster, program_environment

from bandmaster import Worker, fmin
from bandmaster.core.outcome import Status

FAMILY = """
import subprocess
def objective(config):
    with open("runs.txt", "a") as file:
        file.write("begins ")
    if len(open("runs.txt").read().split()) > 1:
        return config["x"]
    daemon = subprocess.Popen(["sleep", "600"], start_new_session=True)
    print("family", os.getpid(), os.getppid(), daemon.pid, flush=True)
    while True:
        pass
"""


def _family(worker: Program) -> list[int]:
    """Return the process ids of child, keeper and grandchild."""
    worker.wait_for(lambda p: "family" in p.out and p.out.endswith("\n"))
    return [int(word) for word in worker.out.split("family")[1].split()[:3]]


def _gone(pids: list[int], within: float) -> None:
    assert wait_until(lambda: not any(map(alive, pids)), 10) < within


def test_nothing_outlives_a_worker_that_is_killed(tmp_path: Path) -> None:
    """kill -9: child, keeper and a daemon of the child end; the job runs elsewhere within 1 s."""
    with Cluster(tmp_path) as cluster:
        master = cluster.master()
        first = cluster.worker(FAMILY, 0, more={"isolate": True})
        with running(master, n_evaluations=1) as run:
            pids = _family(first)
            cluster.worker(FAMILY, 1, more={"isolate": True})
            assert wait_until(lambda: len(master.dispatcher.sessions.pids) == 2)
            assert [True] * 3 == [alive(pid) for pid in pids]
            first.process.kill()
            began = time.monotonic()
            [evaluation] = run.result().evaluations
            assert time.monotonic() - began < 1.5
            assert evaluation.ok
            assert ".1" in evaluation.worker
        _gone(pids, 1.0)


def test_second_signal_ends_an_isolated_evaluation(tmp_path: Path) -> None:
    """The worker is not bound to what it evaluates: it leaves at once, and leaves nothing."""
    with Cluster(tmp_path) as cluster, running(cluster.master(), n_evaluations=1):
        worker = cluster.worker(FAMILY, 0, more={"isolate": True})
        pids = _family(worker)
        worker.interrupt()
        worker.wait_for(lambda p: "is interrupted" in p.err)
        assert alive(pids[0])  # Ctrl-C does not reach it
        worker.interrupt()
        assert 130 == worker.finish(3)
        _gone(pids, 1.0)
        assert [] == worker.bad_lines


def test_cancelling_a_job_ends_it_at_once(tmp_path: Path) -> None:
    """`master.cancel` of one that never reports: its process is gone, the worker is not."""
    with Cluster(tmp_path) as cluster:
        master = cluster.master()
        worker = cluster.worker(FAMILY, 0, more={"isolate": True})
        with running(master, n_evaluations=2) as run:
            child, _, daemon = _family(worker)
            master.cancel(0)
            _gone([child, daemon], 1.0)
            first, second = run.result().evaluations
        assert (Status.STOPPED, Status.OK) == (first.status, second.status)
        assert first.worker == second.worker


def test_shutdown_ends_an_isolated_evaluation_and_its_job_goes_back(tmp_path: Path) -> None:
    """A thread that computes could not be ended; a child can."""

    def spin(config: Any) -> float:
        with open(tmp_path / "pid", "a") as file:
            file.write(f"{os.getpid()}\n")
        while True:
            pass

    with Cluster(tmp_path) as cluster:
        master = cluster.master()
        worker = Worker(cluster.run_id, "127.0.0.1", cluster.names.port, isolate=True)
        worker.initialize(spin).run(background=True)
        with running(master, n_evaluations=1) as run:
            wait_until((tmp_path / "pid").exists)
            wait_until((tmp_path / "pid").read_text)
            began = time.monotonic()
            worker.shutdown()
            assert time.monotonic() - began < 2.0
            _gone([int((tmp_path / "pid").read_text())], 1.0)
            [entry] = master.study.open_jobs
            assert (True, 0) == (entry.waiting, entry.lost)
            cluster.worker("def objective(config): return 0.5")
            assert run.result().evaluations[0].ok


def test_a_worker_in_the_background_goes_with_its_parent(tmp_path: Path) -> None:
    """Parent, worker process, keeper, child: kill -9 of the first is the end of all."""
    script = tmp_path / "parent.py"
    with Cluster(tmp_path) as cluster, running(cluster.master(), n_evaluations=1):
        script.write_text(
            f"import os, time\nfrom bandmaster import Worker\n{FAMILY}\n"
            f"worker = Worker('e2e', '127.0.0.1', {cluster.names.port}, isolate=True)\n"
            "worker.initialize(objective).run(background=True, concurrent_type='process')\n"
            "time.sleep(600)\n"
        )
        with Program([script], cwd=tmp_path) as parent:
            pids = _family(parent)
            parent.process.kill()
            _gone(pids, 2.0)


def test_a_plain_evaluation_that_forks_does_not_hide_its_workers_death(tmp_path: Path) -> None:
    """The copy of the connection in the fork is closed: the master sees kill -9 at once."""
    forks = """
def objective(config):
    if os.path.exists("forked.txt"):
        return config["x"]
    child = os.fork()
    if not child:
        time.sleep(600)
    with open("forked.txt", "w") as file:
        file.write(str(child))
    note("forked")
    time.sleep(600)
"""
    with Cluster(tmp_path) as cluster:
        master = cluster.master()
        first = cluster.worker(forks, 0)
        with running(master, n_evaluations=1) as run:
            first.wait_for(lambda p: "forked" in p.out)
            cluster.worker(forks, 1)
            assert wait_until(lambda: len(master.dispatcher.sessions.pids) == 2)
            child = int((tmp_path / "forked.txt").read_text())
            try:
                first.process.kill()
                began = time.monotonic()
                assert run.result().evaluations[0].ok
                assert time.monotonic() - began < 1.0
                assert alive(child)
            finally:
                os.kill(child, signal.SIGKILL)


CLASS = '''
import os, sys
from bandmaster import Worker

OFFSET = 0.5

def helper(x):
    """Belongs to this file."""
    return x + OFFSET

class Mine(Worker):
    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.data = [1.0, 2.0]

    def compute(self, config, budget, context):
        if config["x"] < 0.3:
            os._exit(5)
        if config["x"] < 0.5:
            while True:
                pass
        return {"loss": helper(config["x"]), "info": [sum(self.data), os.getpid()]}

if __name__ == "__main__":
    Mine(sys.argv[1], "127.0.0.1", int(sys.argv[2]), isolate=True, time_limit=0.3).run()
'''


@pytest.mark.parametrize("how", ["script", "command line"])
def test_subclass_of_a_script_is_isolated_with_its_state(tmp_path: Path, how: str) -> None:
    """What `__init__` made is there; deaths cost one outcome each; the worker stays the same."""
    script = tmp_path / "mine.py"
    script.write_text(CLASS)
    with Cluster(tmp_path) as cluster:
        command: list[Any] = [script, cluster.run_id, str(cluster.names.port)]
        if how == "command line":
            where = ["--host", "127.0.0.1", "--port", str(cluster.names.port)]
            limits = ["--isolate", "--time-limit", "0.3", "--memory-limit", "1GiB"]
            target = [f"{script}:Mine", "--run-id", cluster.run_id]
            command = bandmaster("worker", *target, *where, *limits)
        with Program(command, cwd=tmp_path) as worker:
            master = cluster.master()
            with running(master, n_evaluations=10) as run:
                evaluations = list(run.result(40).evaluations)
            master.shutdown()
            assert 0 == worker.finish(10)
            assert [] == worker.bad_lines
    assert 1 == len({e.worker for e in evaluations})
    for evaluation in evaluations:
        x = evaluation.config["x"]
        status = Status.OK if x >= 0.5 else Status.TIMEOUT if x >= 0.3 else Status.CRASHED
        assert status is evaluation.status
        if x >= 0.5:
            assert 3.0 == evaluation.info[0]
    assert {Status.OK, Status.TIMEOUT, Status.CRASHED} == {e.status for e in evaluations}


def test_fmin_with_evaluations_that_die() -> None:
    """`fmin(isolate=True)` runs to its end with the same workers, each death one failure."""
    limit = 0.4

    def deadly(config: dict[str, float]) -> dict[str, Any]:
        if config["x"] < limit:
            os.kill(os.getpid(), signal.SIGSEGV)
        return {"loss": config["x"], "info": os.getppid()}

    result = fmin(
        deadly, SPACE, "Random", n_iterations=30, n_jobs=2, isolate=True, show_progressbar=False
    )
    assert 30 == len(result.evaluations)
    assert 2 == len({e.worker for e in result.evaluations})
    for evaluation in result.evaluations:
        dies = evaluation.config["x"] < limit
        assert (Status.CRASHED if dies else Status.OK) is evaluation.status
        if dies:
            assert "SIGSEGV" in (evaluation.error or "").splitlines()[-1]


def test_timeout_of_a_run_ends_what_is_isolated() -> None:
    """Soon after its timeout `fmin` returns, whatever the evaluations do."""

    def spin(config: Any) -> float:
        while True:
            pass

    began = time.monotonic()
    result = fmin(
        spin, SPACE, "Random", timeout=1.5, n_jobs=2, isolate=True, show_progressbar=False
    )
    assert time.monotonic() - began < 5
    assert {Status.STOPPED} == {e.status for e in result.evaluations}


SPINS = """
import os
from bandmaster import fmin
def spin(config):
    print("pid", os.getpid(), os.getppid(), flush=True)
    while True:
        pass
if __name__ == "__main__":
    space = {"x": {"_type": "uniform", "_value": [0, 1]}}
    fmin(spin, space, "Random", n_iterations=9, n_jobs=2, isolate=True, show_progressbar=False)
"""


@pytest.mark.parametrize("how", ["kill", "Ctrl-C twice"])
def test_nothing_outlives_a_local_run(tmp_path: Path, how: str) -> None:
    """Neither children nor keepers, whatever ends the process that runs the search."""
    script = tmp_path / "spins.py"
    script.write_text(SPINS)
    with Program([script], cwd=tmp_path) as program:
        program.wait_for(lambda p: p.out.count("pid") == 2 and p.out.endswith("\n"))
        pids = [int(word) for word in program.out.split() if word != "pid"]
        if how == "kill":
            program.process.kill()
        else:
            program.interrupt()
            program.wait_for(lambda p: "is interrupted" in p.err)
            program.interrupt()
        program.finish(10)
        _gone(pids, 3.0)


CHATTY = """
import sys
from bandmaster import Worker
def objective(config, job):
    if job.number == 0:
        print("x" * 1_000_000, flush=True)
    return config["x"]
worker = Worker("e2e", "127.0.0.1", int(sys.argv[1]), isolate=True, time_limit=0.5)
worker.initialize(objective).run()
"""


def test_output_that_nobody_reads_holds_up_one_evaluation_at_most(tmp_path: Path) -> None:
    """What fills the worker's standard output is ended by the time limit; the worker goes on."""
    with Cluster(tmp_path) as cluster:
        worker = subprocess.Popen(
            [sys.executable, "-c", CHATTY, str(cluster.names.port)],
            stdout=subprocess.PIPE,  # of which not a byte is read
            env=program_environment(),
        )
        try:
            master = cluster.master()
            with running(master, n_evaluations=3) as run:
                statuses = [e.status for e in run.result().evaluations]
            assert [Status.TIMEOUT, Status.OK, Status.OK] == statuses
            master.shutdown()
            assert 0 == worker.wait(10)
        finally:
            worker.kill()
            worker.wait()
            assert worker.stdout is not None
            worker.stdout.close()


@pytest.fixture
def small_memory(tmp_path: Path) -> Iterator[Path]:
    """Return the file that puts a process into a group with 150 MB of memory."""
    assert os.geteuid() == 0, "making a group of processes for this test takes root"
    first, second = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
    folder = (first if first.is_dir() else second) / f"bandmaster-{os.getpid()}"
    limit = "memory.limit_in_bytes" if first.is_dir() else "memory.max"
    folder.mkdir()
    try:
        (folder / limit).write_text(str(150_000_000))
        yield folder / "cgroup.procs"
        wait_until(lambda: not (folder / "cgroup.procs").read_text())
    finally:
        folder.rmdir()


def test_kernel_that_is_out_of_memory_takes_the_child(tmp_path: Path, small_memory: Path) -> None:
    """A real out-of-memory kill: the outcome says so, and the worker lives on."""
    greedy = f"""
open({str(small_memory)!r}, "w").write(str(os.getpid()))
def objective(config, job):
    hoard = []
    while job.number == 1:
        hoard.append(b"x" * 1_000_000)
    return config["x"]
"""
    with Cluster(tmp_path) as cluster:
        master = cluster.master()
        worker = cluster.worker(greedy, more={"isolate": True})
        with running(master, n_evaluations=3) as run:
            first, killed, last = sorted(run.result().evaluations, key=lambda e: e.job)
        master.shutdown()
        assert 0 == worker.finish(10)
    assert (Status.OK, Status.CRASHED, Status.OK) == (first.status, killed.status, last.status)
    message = (killed.error or "").splitlines()[-1]
    assert "was ended by SIGKILL, which this worker did not send" in message
    assert "the kernel has ended processes because memory was short" in message
    assert 1 == len({e.worker for e in (first, killed, last)})
