"""Workers that are killed in their jobs, all at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from processes import QUICK, SLOW, Cluster, running, wait_until


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
