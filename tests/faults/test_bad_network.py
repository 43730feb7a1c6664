"""A network that is slow, stalls, breaks off, or swallows what it is given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from processes import THROUGH, Cluster, running, wait_until
from proxy import Proxy

from bandmaster import Master

SEED = 5
IMPATIENT = "from bandmaster.asynccomm import worker; worker._PATIENCE = 2.0\n"
OBJECTIVE = """
def objective(config, job):
    note(f"begins {job.number}.{job.attempt}")
    time.sleep(0.05)
    return config["x"]
"""
TOLD = """
def objective(config, job):
    note(f"begins {job.number}.{job.attempt}")
    while not os.path.exists("go"):
        time.sleep(0.01)
    note("ends")
    return config["x"]
"""


class Bad:
    """A master, and a proxy through which its workers reach it."""

    def __init__(self, cluster: Cluster, stack: ExitStack) -> None:
        self.cluster = cluster
        self.master: Master = cluster.master()
        self.master.start()
        self.proxy = stack.enter_context(Proxy(("127.0.0.1", self.master.address.port), seed=SEED))
        self.through = THROUGH.format(port=self.proxy.port)

    @property
    def what_happened(self) -> str:
        """For messages."""
        return f"seed {SEED}: {self.proxy.n_resets} resets, {self.proxy.n_stalls} stalls"


@pytest.fixture(params=[None])
def bad(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Bad]:
    """Return a run whose network can be made worse; the parameter is its name server's `tls`."""
    with Cluster(tmp_path, tls=request.param) as cluster, ExitStack() as stack:
        yield Bad(cluster, stack)


def test_a_run_over_a_slow_and_flaky_network(bad: Bad) -> None:
    """200 ms a way, stalls of seconds, resets at random: it completes, each trial ends once."""
    proxy, n_trials = bad.proxy, 60
    workers = [bad.cluster.worker(OBJECTIVE, number, prelude=bad.through) for number in range(4)]
    wait_until(lambda: bad.master.n_workers == 4)
    proxy.delay, proxy.resets, proxy.stalls = 0.2, 0.03, 0.03
    with running(bad.master, n_trials=n_trials) as run:
        history = run.result(90).history
    proxy.delay = proxy.resets = proxy.stalls = 0.0
    assert list(range(n_trials)) == sorted(e.job for e in history), bad.what_happened
    assert all(e.ok for e in history), bad.what_happened
    assert proxy.n_resets > 1, bad.what_happened
    assert proxy.n_stalls > 1, bad.what_happened
    runs = Counter(
        line.split()[1] for w in workers for line in w.out.splitlines() if "begins" in line
    )
    assert {1} == set(runs.values()), "an attempt was run twice"
    bad.master.shutdown()
    assert [0] * 4 == [worker.finish(20) for worker in workers]
    assert [] == [line for worker in workers for line in worker.bad_lines]


@pytest.mark.parametrize("bad", [None, True], ids=["plain", "TLS"], indirect=True)
def test_a_connection_that_swallows_an_outcome(bad: Bad) -> None:
    """Both kernels think that all is well: the worker is patient for a while, and comes again."""
    worker = bad.cluster.worker(TOLD, prelude=bad.through + IMPATIENT)
    bad.master.dispatcher.poll = 0.5
    with running(bad.master, n_trials=1) as run:
        worker.wait_for(lambda p: "begins" in p.out)
        bad.proxy.swallow_all()
        (bad.cluster.folder / "go").touch()
        [evaluation] = run.result(20).history
    assert (0, True) == (evaluation.attempt, evaluation.ok)
    assert "lost its master" in worker.err
    wait_until(lambda: bad.master.n_workers == 1)


def test_a_connection_that_swallows_a_job(bad: Bad) -> None:
    """A job that was on its way is issued again as soon as its worker is back without it."""
    worker = bad.cluster.worker(OBJECTIVE, prelude=bad.through + IMPATIENT)
    # Only a worker that waits is sent its job at once, and its call is not answered before.
    wait_until(lambda: len(bad.master.dispatcher.waiters) == 1)
    bad.proxy.swallow_all()
    with running(bad.master, n_trials=1) as run:
        wait_until(lambda: bad.master.study.n_jobs == 1)
        [evaluation] = run.result(20).history
    assert (1, True) == (evaluation.attempt, evaluation.ok)
    assert 1 == worker.out.count("begins")


def test_a_stall_that_is_short_is_not_noticed(bad: Bad) -> None:
    """Everything is held back for as long as a job takes: it goes on as if nothing had been."""
    worker = bad.cluster.worker(TOLD, prelude=bad.through)
    with running(bad.master, n_trials=2) as run:
        worker.wait_for(lambda p: "begins" in p.out)
        bad.proxy.stall()
        (bad.cluster.folder / "go").touch()
        worker.wait_for(lambda p: "ends" in p.out)
        bad.proxy.flow()
        assert [0, 0] == [e.attempt for e in run.result().history]
    assert "lost its master" not in worker.err
