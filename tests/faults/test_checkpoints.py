"""Checkpoints of real workers: handed on, through the master too, whatever is killed meanwhile."""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest
from processes import SPACE, Cluster, Running, running, wait_until
from programs import Program

from bandmaster import Master, RandomOptimizer
from bandmaster.checkpoints import ManagedStore
from bandmaster.core import events as ev
from bandmaster.fmin import fmin
from bandmaster.multifidelity import HyperBandIterGenerator, SuccessiveHalvingIterGenerator
from bandmaster.study.reader import StudyReader
from bandmaster.study.result import Result

# As on another machine: the mark of the master's store is not there.
BLIND = """
from bandmaster.checkpoints import DirectoryStore
DirectoryStore.sees = lambda self, mark: False
"""
# Ends the process in the middle of its first upload, if it is told to by a file.
DIES_SAVING = (
    BLIND
    + """
from bandmaster.asynccomm.wire import Client

def call(self, method, payload=b"", *, timeout=None, real=Client.call, count=[0]):
    count[0] += method == "put"
    if count[0] == 3 and os.path.exists("die"):
        os.remove("die")
        os.kill(os.getpid(), signal.SIGKILL)
    return real(self, method, payload, timeout=timeout)

Client.call = call
"""
)
TRAIN = """
def objective(config, budget, context):
    state = context.load() or {"steps": [], "ballast": b"0" * BALLAST}
    assert context.step == len(state["steps"]), (context.step, state["steps"])
    for step in range(context.step + 1, int(budget) + 1):
        time.sleep(SECONDS)
        state["steps"].append(os.getpid())
        with open("steps.txt", "a") as file:
            file.write(f"{context.job.trial} {step} {os.getpid()}\\n")
        context.report({"loss": config["x"] / step}, checkpoint=state)
        if step == DIES_AFTER and os.path.exists("die"):
            os.remove("die")
            os.kill(os.getpid(), signal.SIGKILL)
    return {"loss": config["x"] / budget, "info": state["steps"]}
"""


def train(ballast: int = 10, dies_after: int = -1, seconds: float = 0.0) -> str:
    return f"BALLAST, DIES_AFTER, SECONDS = {ballast}, {dies_after}, {seconds}\n{TRAIN}"


def steps(folder: Path) -> list[tuple[int, int, int]]:
    """Return what was trained: trial, step, process."""
    lines = (folder / "steps.txt").read_text().splitlines()
    return [tuple(map(int, line.split())) for line in lines]  # type: ignore[misc]  # three each


def store_of(master: Master) -> ManagedStore:
    store = master.checkpoints.store
    assert isinstance(store, ManagedStore)
    return store


def check_training(result: Result, folder: Path) -> None:
    """Every step of every trial was made once, and each evaluation has all that came before."""
    assert [] == [e.error for e in result.history if not e.ok]
    assert {1} == set(Counter((trial, step) for trial, step, _ in steps(folder)).values())
    for evaluation in result.history:
        made = [process for trial, _, process in steps(folder) if trial == evaluation.trial]
        assert made[: int(evaluation.budget)] == evaluation.info


HALVING = [SuccessiveHalvingIterGenerator(1, 9, 3), HyperBandIterGenerator(1, 9, 3)]


@pytest.mark.parametrize("blind", [False, True], ids=["seen", "through the master"])
@pytest.mark.parametrize("generator", HALVING, ids=lambda g: type(g).__name__)
@pytest.mark.parametrize("isolate", [False, True], ids=["", "isolated"])
def test_a_promoted_trial_goes_on_where_it_was(
    tmp_path: Path, generator: object, blind: bool, isolate: bool
) -> None:
    """Whoever trained it before: no step is made twice, and none is left out."""
    fresh = type(generator)(1, 9, 3)  # type: ignore[call-arg]  # both take these
    options = {"prelude": BLIND if blind else "", "more": {"isolate": isolate}}
    with Cluster(tmp_path) as cluster:
        first = cluster.worker(train(3 << 20), 0, **options)
        master = cluster.master(iter_generator=fresh)
        with running(master, n_evaluations=9) as run:
            run.result(60.0)
        first.process.kill()
        cluster.worker(train(3 << 20), 1, **options)
        with running(master, n_iterations=1) as run:
            result = run.result(60.0)
        # Of a finished bracket only the best one's stays.
        wait_until(lambda: len(list(store_of(master).names())) == 1)
        where = Path(store_of(master).url)
        master.shutdown()
        assert not where.exists()
    check_training(result, tmp_path)
    assert 2 == max(len(set(e.info)) for e in result.history)


@pytest.mark.parametrize("store", [None, "memory://only here"])
@pytest.mark.parametrize("strategy", ["Serial", "AsyncComm"])
def test_fmin_hands_checkpoints_on(tmp_path: Path, strategy: str, store: str | None) -> None:
    """A search without name server does so by itself, also to a store of this process alone."""

    def objective(config, budget, context):  # type: ignore[no-untyped-def]  # a user's
        done = context.load() or 0
        for step in range(context.step + 1, int(budget) + 1):
            done += 1
            with open(tmp_path / "steps.txt", "a") as file:
                file.write(f"{context.job.trial} {step} 0\n")
            context.report(config["x"] / step, checkpoint=done)
        return {"loss": config["x"] / done, "info": [0] * done}

    result = fmin(
        objective, SPACE, optimizer="Random", n_iterations=2, show_progressbar=False,
        n_jobs=1 if strategy == "Serial" else 2, parallel_strategy=strategy,
        multi_fidelity_iter_generator=HyperBandIterGenerator(1, 9, 3), checkpoint_store=store,
    )  # fmt: skip
    check_training(result, tmp_path)


@pytest.mark.parametrize("blind", [False, True], ids=["seen", "through the master"])
def test_another_worker_goes_on_from_the_last_report(tmp_path: Path, blind: bool) -> None:
    """Of a worker that is killed after a report nothing is lost, and no step is made twice."""
    (tmp_path / "die").touch()
    with Cluster(tmp_path) as cluster:
        master = cluster.master(iter_generator=SuccessiveHalvingIterGenerator(6, 6, 3))
        prelude = BLIND if blind else ""
        workers = [cluster.worker(train(10, 3), n, prelude=prelude) for n in range(2)]
        with running(master, n_trials=1) as run:
            result = run.result(60.0)
        assert [1] == [e.attempt for e in result.history]
        events = list(master.study._journal.read())
        told = [(e.attempt, e.step) for e in events if isinstance(e, ev.JobReported)]
        assert [(0, 1), (0, 2), (0, 3), (1, 4), (1, 5), (1, 6)] == told
        del workers
    check_training(result, tmp_path)
    assert [3, 3] == sorted(Counter(process for _, _, process in steps(tmp_path)).values())


def test_a_worker_that_is_killed_while_it_saves_leaves_nothing(tmp_path: Path) -> None:
    """The master removes what has arrived, and another worker makes the step again."""
    (tmp_path / "die").touch()
    with Cluster(tmp_path) as cluster:
        master = cluster.master(iter_generator=SuccessiveHalvingIterGenerator(2, 2, 3))
        for number in range(2):
            cluster.worker(train(10 << 20), number, prelude=DIES_SAVING)
        with running(master, n_trials=1) as run:
            result = run.result(60.0)
        folder = Path(store_of(master).url)
        assert [] == os.listdir(folder / "incoming")
        wait_until(lambda: len(list(store_of(master).names())) == 1)
    assert [(1, True)] == [(e.attempt, e.ok) for e in result.history]
    assert [1, 1, 2] == sorted(step for _, step, _ in steps(tmp_path))


def test_a_worker_waits_with_its_checkpoint_for_the_next_master(tmp_path: Path) -> None:
    """A restart of the master loses no evaluation that saves through it."""
    slow = train(5 << 20, seconds=0.2)
    with Cluster(tmp_path) as cluster:
        options = {"checkpoint_file": tmp_path / "study.db"}
        first = cluster.master(
            iter_generator=SuccessiveHalvingIterGenerator(8, 8, 3), **options
        )  # fmt: skip
        cluster.worker(slow, prelude=BLIND)
        left = Running(first, n_trials=1)
        wait_until(lambda: (tmp_path / "steps.txt").exists() and len(steps(tmp_path)) >= 2)
        first.shutdown(shutdown_workers=False)
        left.result()
        before = len(steps(tmp_path))
        second = cluster.master(
            iter_generator=SuccessiveHalvingIterGenerator(8, 8, 3), **options
        )  # fmt: skip
        with running(second, n_trials=1) as run:
            result = run.result(60.0)
        assert store_of(second).url == str(Path(store_of(first).url))
        assert f"{tmp_path}/study.db.checkpoints" == str(Path(store_of(second).url).parent)
    check_training(result, tmp_path)
    assert [0] == [e.attempt for e in result.history]
    assert before < 8


def test_the_best_checkpoint_stays_where_it_was_wanted(tmp_path: Path) -> None:
    """With a store of one's own it can be loaded afterwards, by its name."""
    with Cluster(tmp_path) as cluster:
        cluster.worker(train())
        master = cluster.master(
            iter_generator=SuccessiveHalvingIterGenerator(1, 9, 3),
            checkpoint_store=tmp_path / "kept",
        )
        with running(master, n_iterations=1) as run:
            result = run.result(60.0)
        best = min((e for e in result.history if e.budget == 9), key=lambda e: e.loss or 0.0)
        events = list(master.study._journal.read())
        name = next(
            e.outcome.checkpoint for e in events
            if isinstance(e, ev.JobFinished) and e.job == best.job
        )  # fmt: skip
        assert name is not None
        assert 9 == len(master.checkpoints.load(name)["steps"])  # type: ignore[index]  # a dict
        master.shutdown()
        [folder] = (tmp_path / "kept").iterdir()
        assert name in os.listdir(folder)


def test_nothing_heavy_is_imported_to_save(tmp_path: Path) -> None:
    """A worker that keeps checkpoints in a directory imports no fsspec."""
    objective = """
def objective(config, budget, context):
    context.report(config["x"], checkpoint={"x": 1})
    return {"loss": config["x"], "info": "fsspec" in sys.modules}
"""
    with Cluster(tmp_path) as cluster:
        cluster.worker(objective)
        master = cluster.master(optimizer=RandomOptimizer())
        with running(master, n_trials=2) as run:
            assert [False, False] == [e.info for e in run.result().history]


MASTER = """
from bandmaster import HyperBandIterGenerator, Master, RandomOptimizer
master = Master(
    "e2e", RandomOptimizer(), HyperBandIterGenerator(1, 9, 3), checkpoint_file="study.db",
    nameserver="127.0.0.1", nameserver_port={port}, config_space={space!r},
)
try:
    print("finished", len(master.run(n_iterations=4).evaluations), flush=True)
finally:
    master.shutdown()
"""


def test_a_master_that_is_killed_again_and_again_deletes_nothing_that_is_needed(
    tmp_path: Path,
) -> None:
    """Whatever it had deleted and whatever was on its way: all training goes on where it was."""
    rng, script = random.Random(1), tmp_path / "master.py"
    slow = train(1 << 20, seconds=0.05)
    with Cluster(tmp_path) as cluster:
        script.write_text(MASTER.format(port=cluster.names.port, space=SPACE))
        for number, prelude in enumerate(("", BLIND)):
            cluster.worker(slow, number, prelude=prelude)
        for _ in range(4):
            with Program([script], cwd=tmp_path) as master:
                done = len(steps(tmp_path)) if (tmp_path / "steps.txt").exists() else 0
                master.wait_for(
                    lambda p, done=done: (
                        (tmp_path / "steps.txt").exists()
                        and len(steps(tmp_path)) > done + rng.randrange(5)
                    )
                )
                time.sleep(rng.random() * 0.3)
                master.process.send_signal(signal.SIGKILL)
                master.finish()
        with Program([script], cwd=tmp_path) as master:
            assert 0 == master.finish(100), master
    with StudyReader("e2e", tmp_path / "study.db") as reader:
        check_training(Result.of(reader), tmp_path)  # type: ignore[arg-type]  # a reader will do
        assert HyperBandIterGenerator(1, 9, 3).num_all_configs(4) == len(reader.history)


MEMORY = """
import os, resource
from pathlib import Path
from bandmaster import SuccessiveHalvingIterGenerator, fmin
from bandmaster.checkpoints import DirectoryStore

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

def objective(config, budget, context):
    DirectoryStore.sees = lambda self, mark: False
    before = peak()
    if budget == 1:
        context.save(Path("tree"))
    else:
        assert (context.load() / "weights").stat().st_size == 100 << 20
    return {"loss": config["x"], "info": peak() - before}

if __name__ == "__main__":
    os.mkdir("tree")
    with open("tree/weights", "wb") as file:
        for _ in range(100):
            file.write(os.urandom(1 << 20))
    before = peak()
    result = fmin(
        objective, {"x": {"_type": "uniform", "_value": [0, 1]}}, optimizer="Random",
        n_jobs=1, parallel_strategy="AsyncComm", n_iterations=1, show_progressbar=False,
        multi_fidelity_iter_generator=SuccessiveHalvingIterGenerator(1, 3, 3),
    )
    print(peak() - before, *[e.info for e in result.history])
"""


def test_no_checkpoint_is_ever_in_memory_as_a_whole(tmp_path: Path) -> None:
    """One of 100 MB costs worker and master some parts of it, saved and loaded."""
    (tmp_path / "script.py").write_text(MEMORY)
    with Program([tmp_path / "script.py"], cwd=tmp_path) as program:
        assert 0 == program.finish(100), program
        grown = [float(word) for word in program.out.split()]
    assert 5 == len(grown)
    assert max(grown) < 40
