"""Whatever the user's function does, a run goes on, or ends and says why: with real processes."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from processes import QUICK, SLOW, SPACE, Cluster, running, wait_until
from programs import Program, bandmaster

from bandmaster import fmin
from bandmaster.core.job import Job
from bandmaster.core.outcome import Status
from bandmaster.errors import AllFailedError, ConfigurationError, UnknownJobError
from bandmaster.facade import Study
from bandmaster.multifidelity import HyperBandIterGenerator
from bandmaster.study.result import Result

STRATEGIES = {
    "serial": {"n_jobs": 1},
    "processes": {"n_jobs": 2},
    "batches": {"n_jobs": 2, "parallel_strategy": "MapReduce"},
    "brackets": {"n_jobs": 2, "multi_fidelity_iter_generator": (1, 9, 3)},
}
SLEEPING = """
def objective(config):
    note("begins")
    time.sleep(60)
"""
REPORTING = """
def objective(config, context):
    note("begins")
    while not context.report(1.0, auto_stop=False).value == "stop":
        time.sleep(0.01)
    note("heard")
    return 0.5
"""
KILLING = """
def objective(config, job):
    if job.trial == 1:
        note("dies")
        os.kill(os.getpid(), signal.SIGKILL)
    return config["x"]
"""
MOODY = """
def objective(config, job):
    if job.attempt < 2:
        raise OSError(f"no luck in attempt {job.attempt}")
    return config["x"]
"""


def search(function: Callable[..., Any], **options: Any) -> Result:
    """Search at random, without a bar."""
    brackets = options.pop("multi_fidelity_iter_generator", None)
    if brackets is not None:
        options["multi_fidelity_iter_generator"] = HyperBandIterGenerator(*brackets)
    return fmin(function, SPACE, "Random", show_progressbar=False, **options)


# -- cancel ------------------------------------------------------------------------------------


@pytest.mark.parametrize("isolate", [True, False], ids=["isolated", "at its next report"])
def test_a_cancelled_job_frees_its_worker(tmp_path: Path, isolate: bool) -> None:
    """It ends STOPPED at once; its worker is free within a second, and goes on with the next."""
    with Cluster(tmp_path) as cluster:
        worker = cluster.worker(SLEEPING if isolate else REPORTING, more={"isolate": isolate})
        master = cluster.master()
        with running(master, n_trials=2) as run:
            worker.wait_for(lambda p: p.out.count("begins") == 1)
            began = time.monotonic()
            assert master.cancel(0, reason="not needed")
            assert [(Status.STOPPED, "not needed")] == [
                (e.status, e.error) for e in master.study.history
            ]
            worker.wait_for(lambda p: p.out.count("begins") == 2)
            assert time.monotonic() - began < 2
            assert not master.cancel(0)
            assert master.cancel(trial=1)
            history = run.result().history
        assert [Status.STOPPED] * 2 == [e.status for e in history]


def test_what_cannot_be_cancelled_is_an_error(tmp_path: Path) -> None:
    """No such job, no such trial, neither or both."""
    with Cluster(tmp_path) as cluster:
        cluster.worker()
        master = cluster.master()
        master.run(n_trials=2)
        with pytest.raises(UnknownJobError, match="job 2 was never issued"):
            master.cancel(2)
        with pytest.raises(UnknownJobError, match="trial 5 was never issued"):
            master.cancel(trial=5)
        with pytest.raises(ConfigurationError, match="either a job or a trial"):
            master.cancel()
        with pytest.raises(ConfigurationError, match="either a job or a trial"):
            master.cancel(0, trial=0)
        assert not master.cancel(trial=0)


# -- retries -----------------------------------------------------------------------------------


def test_a_configuration_that_kills_its_workers_is_given_up(tmp_path: Path) -> None:
    """After max_retries it is marked CRASHED, and the search goes on with whoever is left."""
    with Cluster(tmp_path) as cluster:
        for number in range(4):
            cluster.worker(KILLING, number)
        master = cluster.master(max_retries=2)
        history = master.run(n_trials=6, min_n_workers=4).history
        by_trial = {e.trial: e for e in history}
    assert (6, Status.CRASHED, 2) == (len(history), by_trial[1].status, by_trial[1].attempt)
    assert "its workers were lost 3 times" in by_trial[1].error
    assert 5 == sum(e.ok for e in history)


def test_failures_are_tried_again(tmp_path: Path) -> None:
    """As often as was asked for, here and with fmin; then it counts."""
    with Cluster(tmp_path) as cluster:
        cluster.worker(MOODY)
        master = cluster.master(retry_failed=2)
        history = master.run(n_trials=3).history
        assert [(2, True)] * 3 == [(e.attempt, e.ok) for e in history]

    def moody(config: object, job: Any) -> float:
        if job.attempt < 2:
            raise OSError(f"no luck in attempt {job.attempt}")
        return 1.0

    for strategy in STRATEGIES.values():
        for retries, ok in ((2, True), (1, False)):
            result = search(moody, n_trials=3, retry_failed=retries, **strategy)
            assert {(retries, ok)} == {(e.attempt, e.ok) for e in result.evaluations}


# -- nothing but failures ----------------------------------------------------------------------


@pytest.mark.parametrize("options", STRATEGIES.values(), ids=STRATEGIES)
def test_a_search_of_failures_only_is_ended_and_can_go_on(
    tmp_path: Path, options: dict[str, Any]
) -> None:
    """The error has the count and the last traceback; the same search goes on with a better one."""

    def broken(config: object) -> float:
        raise ImportError("no module named 'torch'")

    common: dict[str, Any] = {
        "n_trials": 9, "storage": f"sqlite:///{tmp_path}/study.db", "max_initial_failures": 4,
        **options,
    }  # fmt: skip
    with pytest.raises(AllFailedError, match="the first 4 evaluations have all failed") as caught:
        search(broken, **common)
    assert 4 == caught.value.count
    assert "in broken" in caught.value.last
    assert "ImportError: no module named 'torch'" in str(caught.value)
    result = search(lambda config: 1.0, **common)
    trials = {e.trial for e in result.evaluations}
    assert set(range(9)) == trials
    assert 4 <= sum(not e.ok for e in result.evaluations)


def test_a_search_may_be_told_never_to_give_up() -> None:
    """None switches it off; also for a Study, which takes the default otherwise."""
    study = Study(SPACE, optimizer="Random")
    with pytest.raises(AllFailedError):
        study.optimize(lambda config: float("nan"), n_trials=30)
    assert 10 == len(study.history)
    study.optimize(lambda config: float("nan"), n_trials=30, max_initial_failures=None)
    assert 40 == len(study.history)


def test_a_master_of_failures_only_is_ended(tmp_path: Path) -> None:
    """Its table is printed all the same, the error says why, and the exit code is 2."""
    (tmp_path / "space.yaml").write_text("x: {_type: uniform, _value: [0, 1]}\n")
    with Cluster(tmp_path) as cluster:
        worker = cluster.worker("def objective(config): raise ImportError('no torch')")
        command = bandmaster(
            "master", "space.yaml", "--run-id", "e2e", "--generator", "flat", "--n-trials", "1000",
            "--optimizer", "Random", "--max-initial-failures", "3",
        )  # fmt: skip
        with Program(command, cwd=tmp_path) as master:
            assert 2 == master.finish(15), master
        assert 0 == worker.finish(5)
    assert "Error: the first 3 evaluations have all failed" in master.err
    assert "(--max-initial-failures 3)" in master.err
    assert "ImportError: no torch" in master.err.splitlines()[-1]
    assert "| Num Configs" in master.out


# -- silence -----------------------------------------------------------------------------------


def test_workers_with_a_wrong_key_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A run that waits for workers says that some were refused, and why."""
    with Cluster(tmp_path) as cluster:
        master = cluster.master(warn_after=0.2)
        with running(master, n_trials=1) as run:
            wait_until(lambda: "0 of 1 are connected" in caplog.text)
            master._reception._server.use_key(b"k" * 32)  # type: ignore[union-attr]  # it runs
            worker = cluster.worker(QUICK)
            wait_until(
                lambda: re.search(r"No worker has joined .*; at \d.*refused .*key", caplog.text)
            )
            assert worker.finish(10) != 0
            master._reception._server.use_key(master._entrance.key)  # type: ignore[union-attr]
            cluster.worker(SLOW.format(seconds=1), "second")
            wait_until(lambda: re.search(r"waiting for job 0 .*; the last one .*key", caplog.text))
            run.result()


def test_a_storage_that_hangs_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Locked by another program, it lets all workers wait, and the run says so."""
    import sqlite3
    from contextlib import closing

    with Cluster(tmp_path) as cluster:
        cluster.worker(SLOW.format(seconds=0.2))
        path = tmp_path / "study.db"
        master = cluster.master(checkpoint_file=path, warn_after=0.5)
        with running(master, n_trials=3) as run:
            wait_until(lambda: len(master.study.history) >= 1)
            with closing(sqlite3.connect(path, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                wait_until(
                    lambda: "the storage has not confirmed what 1 workers told" in caplog.text, 20
                )
                other.execute("ROLLBACK")
            assert 3 == len(run.result().history)


def test_a_process_that_is_killed_by_every_job_never_hangs_a_local_run() -> None:
    """Each configuration crashes in its turn, and the run ends as one of failures only."""
    with pytest.raises(AllFailedError, match="its workers were lost"):
        search(lambda config: os._exit(9), n_trials=8, n_jobs=2, max_retries=0,
               max_initial_failures=3)  # fmt: skip


def test_a_batch_in_which_a_process_dies_runs_again_one_at_a_time() -> None:
    """The one that kills its process is found and given up; all others are evaluated."""

    def deadly(config: object, job: Job) -> float:
        if job.trial == 1:
            os._exit(3)
        return float(job.trial)

    result = search(deadly, n_trials=2, n_jobs=2, parallel_strategy="MapReduce", max_retries=0)
    ends = {e.trial: (e.status, e.loss) for e in result.evaluations}
    assert {0: (Status.OK, 0.0), 1: (Status.CRASHED, None)} == ends
    crashed = next(e for e in result.evaluations if e.trial == 1)
    assert crashed.error is not None
    assert "EXIT(3)" in crashed.error
