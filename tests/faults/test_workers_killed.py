"""Workers that are killed, or do not come, and what their master does meanwhile."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from processes import QUICK, SLOW, Cluster, running, wait_until

from bandmaster.asynccomm.naming import Names
from bandmaster.asynccomm.registration import Registration
from bandmaster.core.outcome import Status
from bandmaster.errors import ConfigurationError, NameServerError


def test_all_workers_are_killed(tmp_path: Path) -> None:
    """The run waits, says so, and goes on when new workers come: no trial is lost or added."""
    with Cluster(tmp_path) as cluster:
        master = cluster.master(warn_after=0.5)
        doomed = [cluster.worker(SLOW.format(seconds=60), number) for number in range(3)]
        with running(master, n_trials=10) as run:
            for worker in doomed:
                worker.wait_for(lambda p: "begins" in p.out)
            for worker in doomed:
                worker.process.kill()
            wait_until(lambda: master.n_workers == 0, 1.0)
            assert [True] * 3 == [entry.waiting for entry in master.study.open_jobs]
            cluster.worker(QUICK, "new")
            history = run.result().history
        assert list(range(10)) == sorted(e.job for e in history)
        assert [1, 1, 1, *[0] * 7] == [e.attempt for e in sorted(history, key=lambda e: e.job)]
        assert all(e.ok for e in history)


@pytest.mark.parametrize("n_workers", [0, 1])
def test_a_run_ends_with_its_master(tmp_path: Path, n_workers: int) -> None:
    """Shut down from another thread, a run returns, also one that waits for workers."""
    with Cluster(tmp_path) as cluster:
        workers = [cluster.worker(SLOW.format(seconds=0.5)) for _ in range(n_workers)]
        master = cluster.master()
        with running(master, n_trials=1000) as run:
            for worker in workers:
                worker.wait_for(lambda p: "begins" in p.out)
            wait_until(lambda: "not started" not in repr(master))
            master.shutdown()
            assert len(run.result(2.0).history) < 1000
        assert [0] * n_workers == [worker.finish(5) for worker in workers]


def test_a_run_that_waits_for_workers_can_be_drained(tmp_path: Path) -> None:
    """It returns with nothing, and starts nothing when a worker comes; the next run goes on."""
    with Cluster(tmp_path) as cluster:
        master = cluster.master()
        with running(master, n_trials=3) as run:
            wait_until(lambda: "not started" not in repr(master))
            master.drain()
            result = run.result(5.0)
            assert (0, "interrupted") == (len(result.history), result.ended)
        cluster.worker(QUICK)
        with running(master, n_trials=3) as run:
            result = run.result()
            assert (3, "n_trials") == (len(result.history), result.ended)


def test_a_search_that_is_over_waits_for_no_workers(tmp_path: Path) -> None:
    """The same command after its end gives the same result."""
    with Cluster(tmp_path) as cluster:
        cluster.worker(QUICK)
        first = cluster.master(checkpoint_file=tmp_path / "study.db")
        with running(first, n_trials=3) as run:
            run.result()
        first.shutdown()
        again = cluster.master(checkpoint_file=tmp_path / "study.db")
        with running(again, n_trials=3) as run:
            assert 3 == len(run.result().history)


def test_a_master_that_is_shut_down_while_it_registers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is found by nobody afterwards, and serves nobody."""
    register = Registration.start
    with Cluster(tmp_path) as cluster, ThreadPoolExecutor(1) as pool:
        master = cluster.master()

        def registering(self: Registration, **options: Any) -> None:
            register(self, **options)
            closing.append(pool.submit(master.shutdown))
            assert master._closed.wait(10)

        closing: list[Future[None]] = []
        monkeypatch.setattr(Registration, "start", registering)
        with pytest.raises(NameServerError, match="shut down meanwhile"):
            master.start()
        closing[0].result(10)
        with Names(cluster.names.address, key=cluster.names.key) as names:
            assert {} == names.list()


def test_an_evaluation_that_is_asked_to_stop_may_bring_its_loss(tmp_path: Path) -> None:
    """At a run's timeout, isolated or not: it is ended only after `grace`."""
    objective = """
def objective(config, context):
    while context.report(1.0, auto_stop=False) is Decision.CONTINUE:
        time.sleep(0.05)
    return 0.125
"""
    options = {"prelude": "from bandmaster.core.decisions import Decision"}
    with Cluster(tmp_path) as cluster:
        for isolate in (False, True):
            cluster.worker(objective, isolate, more={"isolate": isolate}, **options)
        master = cluster.master()
        with running(master, timeout=3.0, grace=20.0, min_n_workers=2) as run:
            history = run.result(40.0).history
        assert [(Status.OK, 0.125)] * 2 == [(e.status, e.loss) for e in history]


def test_one_run_has_one_master_and_a_master_one_run(tmp_path: Path) -> None:
    """A second one would take the first one's workers, or its plan."""
    with Cluster(tmp_path) as cluster:
        master, second = cluster.master(), cluster.master()
        with running(master, n_trials=2) as run:
            wait_until(lambda: "not started" not in repr(master))
            with pytest.raises(ConfigurationError, match="has a master already: pid"):
                second.run(n_trials=1)
            with pytest.raises(ConfigurationError, match=r"a run of <Master .* is going on"):
                master.run(n_trials=1)
            cluster.worker(QUICK)
            assert 2 == len(run.result().history)
        master.shutdown(shutdown_workers=False)
        with running(second, n_trials=1) as run:
            assert 1 == len(run.result().history)


def test_a_worker_that_is_kept_has_nothing_to_hand_over(tmp_path: Path) -> None:
    """At the end of a run its last outcome is acknowledged."""
    with Cluster(tmp_path) as cluster:
        worker = cluster.worker(QUICK)
        for _ in range(5):
            master = cluster.master()
            with running(master, n_trials=2) as run:
                run.result()
                wait_until(lambda run=master: len(run.dispatcher.waiters) == 1)  # type: ignore[misc]
            master.shutdown(shutdown_workers=False)
        assert "keeps the outcome" not in worker.err
