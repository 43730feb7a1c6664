"""A cable that is pulled out between workers and their master, for long and for short."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from lab import Lab
from processes import SPACE, wait_until
from programs import Program, bandmaster

from bandmaster.core import events as ev
from bandmaster.storage import open_storage

NOTICED_WITHIN = 40.0

# The evaluations wait for a word of the test: a file for each attempt.
WORKER = """
import logging, os, time
logging.basicConfig(level=logging.INFO)
from bandmaster import Worker

def objective(config, job):
    name = f"{job.number}.{job.attempt}"
    print("begins", name, flush=True)
    while not os.path.exists(f"go-{name}"):
        time.sleep(0.01)
    print("ends", name, flush=True)
    return config["x"]

Worker(run_id="lab", nameserver="NEAR", worker_id="NAME").initialize(objective).run()
"""
MASTER = """
import logging
logging.basicConfig(level=logging.INFO)
from bandmaster import Master, RandomOptimizer
with Master(
    "lab", RandomOptimizer(), checkpoint_file="study.db", nameserver="NEAR", config_space=SPACE
) as master:
    master.run(n_trials=TRIALS)
    print("finished", flush=True)
"""


class Run:
    """A run whose name server and master are on the near machine of a lab."""

    def __init__(
        self, folder: Path, stack: ExitStack, lab: Lab, n_trials: int, *options: str
    ) -> None:
        self.folder, self.lab, self._stack = folder, lab, stack
        command = bandmaster("nameserver", "--run-id", "lab", "--host", lab.NEAR)
        names = self._start([*lab.near, *command, *options])
        names.wait_for(lambda p: "connection file" in p.out)
        text = MASTER.replace("SPACE", repr(SPACE)).replace("TRIALS", str(n_trials))
        self.master = self._python(lab.near, "master", text)
        self.master.wait_for(lambda p: "waits for workers" in p.err)

    def worker(self, machine: list[str], name: str) -> Program:
        """Start a worker and wait until the master knows it."""
        worker = self._python(machine, name, WORKER.replace("NAME", name))
        self.master.wait_for(lambda p: f".{name} (pid" in p.err)
        return worker

    def go(self, job: int, attempt: int) -> None:
        """Let an evaluation end."""
        (self.folder / f"go-{job}.{attempt}").touch()

    def events(self, kind: type) -> list[ev.Event]:
        """Return the events of a kind that the journal has by now."""
        with open_storage(f"sqlite:///{self.folder}/study.db") as storage:
            return [e for e in storage.read_journal("lab").read() if isinstance(e, kind)]

    def finished(self) -> dict[int, tuple[int, str]]:
        """Return attempt and worker of each job that has ended, by the journal."""
        return {
            event.job: (event.attempt, event.outcome.worker.rsplit(".", 1)[1])
            for event in self.events(ev.JobFinished)
        }

    def _python(self, machine: list[str], name: str, text: str) -> Program:
        script = self.folder / f"{name}.py"
        script.write_text(text.replace("NEAR", self.lab.NEAR))
        return self._start([*machine, *Program([script], cwd=self.folder).command])

    def _start(self, command: list[str]) -> Program:
        return self._stack.enter_context(Program(command, cwd=self.folder))


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Run]]:
    """Return a function that starts a run: the trials of its plan, its name server's options."""
    with ExitStack() as stack:
        lab = stack.enter_context(Lab())
        yield lambda n_trials, *options: Run(tmp_path, stack, lab, n_trials, *options)


def job_of(worker: Program) -> int:
    """Wait until a worker has a first job; return its number."""
    worker.wait_for(lambda p: "begins" in p.out)
    return int(worker.out.split()[1].split(".")[0])


@pytest.mark.parametrize("options", [(), ("--tls",)], ids=["plain", "TLS"])
def test_a_link_that_is_down_for_long(start: Callable[..., Run], options: tuple[str, ...]) -> None:
    """Jobs behind it are requeued within 40 s; late results count unless the job has ended."""
    run = start(3, *options)
    far = [run.worker(run.lab.far, name) for name in ("a", "b")]
    jobs = {job_of(worker): name for worker, name in zip(far, ("a", "b"), strict=True)}
    # The third job keeps the run going until both late results have come, in whatever order.
    keeper = run.worker(run.lab.near, "d")
    third = job_of(keeper)
    near = run.worker(run.lab.near, "c")
    run.lab.cut()
    cut_at = time.monotonic()
    for job in jobs:
        run.go(job, 0)  # they end on the far side, and nobody hears of it
    for worker in far:
        worker.wait_for(lambda p: "ends" in p.out)
    near.wait_for(lambda p: "begins" in p.out, NOTICED_WITHIN)
    assert time.monotonic() - cut_at < NOTICED_WITHIN
    first = job_of(near)
    [other] = set(jobs) - {first}
    run.go(first, 1)  # this one ends elsewhere before the link is back
    near.wait_for(lambda p: f"begins {other}.1" in p.out, NOTICED_WITHIN)
    run.lab.mend()
    run.master.wait_for(lambda p: f"late outcome of job {first} " in p.err)
    wait_until(lambda: other in run.finished(), NOTICED_WITHIN)
    run.go(third, 0)
    run.master.wait_for(lambda p: "finished" in p.out)
    expected = {first: (1, "c"), other: (0, jobs[other]), third: (0, "d")}
    assert expected == run.finished()
    run.go(other, 1)
    programs = [run.master, near, keeper, *far]
    assert [0] * 5 == [program.finish() for program in programs]
    assert [] == [line for program in programs for line in program.bad_lines]


def test_a_link_that_is_down_for_short(start: Callable[..., Run]) -> None:
    """5 s are nothing: what ends meanwhile arrives afterwards, and nobody is said to be lost."""
    run = start(3)
    worker = run.worker(run.lab.far, "a")
    assert 0 == job_of(worker)
    run.lab.cut()
    run.go(0, 0)
    time.sleep(5)  # the length of the fault
    run.lab.mend()
    for job in (1, 2):
        worker.wait_for(lambda p, job=job: f"begins {job}.0" in p.out)
        run.go(job, 0)
    assert [0, 0] == [program.finish() for program in (run.master, worker)]
    assert dict.fromkeys(range(3), (0, "a")) == run.finished()
    assert [] == run.events(ev.JobRequeued)
    for program in (run.master, worker):
        assert "lost its master" not in program.err
        assert [] == program.bad_lines
