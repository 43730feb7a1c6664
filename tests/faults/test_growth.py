"""Nothing grows with the number of evaluations but their history."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from processes import QUICK, SPACE, Cluster
from programs import Program

FIRST, MORE = 2_000, 10_000
MB = 1024 * 1024
MOST_GROWTH = 20 * MB
_SLACK = 8  # threads or descriptors: a few are made when they are first needed

MASTER = """
import sys
from bandmaster import Master, RandomOptimizer
with Master(
    "e2e", RandomOptimizer(), nameserver="127.0.0.1", nameserver_port=PORT, config_space=SPACE
) as master:
    for n_trials in (FIRST, FIRST + MORE):
        master.run(n_trials=n_trials, min_n_workers=2)
        print("ran", n_trials, flush=True)
        while not Path(f"looked-{n_trials}").exists():
            time.sleep(0.01)
"""
ALONE = """
from bandmaster import RandomOptimizer
from bandmaster.core.plan import Plan
from bandmaster.multifidelity import FlatIterGenerator
from bandmaster.study import Study
study = Study(SPACE, optimizer=RandomOptimizer(), generator=FlatIterGenerator())
for n_trials in (FIRST, FIRST + MORE):
    study.set_plan(Plan(n_trials=n_trials))
    while (job := study.ask(worker="host.1234.0")) is not None:
        study.tell(job, job.config["x"])
    print("ran", n_trials, flush=True)
    while not Path(f"looked-{n_trials}").exists():
        time.sleep(0.01)
"""


@dataclass(frozen=True, slots=True)
class Size:
    """What a process has."""

    memory: int
    threads: int
    files: int

    @classmethod
    def of(cls, pid: int) -> Size:
        """Measure it."""
        process = Path(f"/proc/{pid}")
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        memory = int(status["VmRSS"].split()[0]) * 1024
        return cls(memory, int(status["Threads"]), len(list((process / "fd").iterdir())))


def growth(programs: list[Program], leader: Program) -> list[Size]:
    """Return by how much each program grows while `leader` comes from FIRST to MORE."""
    sizes = []
    for n_trials in (FIRST, FIRST + MORE):
        leader.wait_for(lambda p, n=n_trials: f"ran {n}\n" in p.out, 60)
        sizes.append([Size.of(program.process.pid) for program in programs])
        (leader.cwd / f"looked-{n_trials}").touch()
    return [
        Size(b.memory - a.memory, b.threads - a.threads, b.files - a.files)
        for a, b in zip(*sizes, strict=True)
    ]


def script(path: Path, text: str, port: int | None = 0) -> Path:
    """Write a program."""
    for name, value in {"SPACE": SPACE, "FIRST": FIRST, "MORE": MORE, "PORT": port}.items():
        text = text.replace(name, repr(value))
    path.parent.mkdir(exist_ok=True)
    path.write_text("import time\nfrom pathlib import Path\n" + text)
    return path


def test_nothing_grows_but_the_history(tmp_path: Path) -> None:
    """After 10,000 more evaluations master and workers have the threads and files they had.

    Their memory has grown by at most 20 MB over what a study of that size takes without a network.
    """
    alone = script(tmp_path / "alone" / "alone.py", ALONE)
    with Program([alone], cwd=alone.parent) as study:
        [history] = growth([study], study)
        assert 0 == study.finish()
    with Cluster(tmp_path) as cluster:
        workers = [cluster.worker(QUICK, number) for number in range(2)]
        text = script(tmp_path / "master.py", MASTER, cluster.names.port)
        with Program([text], cwd=tmp_path) as master:
            grown = growth([master, *workers], master)
            assert 0 == master.finish()
        assert [0, 0] == [worker.finish() for worker in workers]
    for size, own in zip(grown, (history.memory, 0, 0), strict=True):
        assert size.memory <= own + MOST_GROWTH, (grown, history)
        assert size.threads <= _SLACK, grown
        assert size.files <= _SLACK, grown
    print(f"history {history.memory / MB:.1f} MB, grown: {grown}")
