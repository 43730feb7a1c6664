"""Nothing hangs silently: whatever goes wrong gets a clear error or a failed outcome."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from processes import QUICK, SLOW, Cluster, running, wait_until

from bandmaster import RandomOptimizer, Worker
from bandmaster.core.outcome import Status
from bandmaster.errors import ConfigurationError, IllegalConfigurationError
from bandmaster.multifidelity import FlatIterGenerator
from bandmaster.optimizers import Suggestion


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return where scripts and outputs go."""
    return tmp_path


_ODD = """
import numpy as np

class Unserialisable: pass

def objective(config, job):
    returned = [
        np.float32(0.5), np.array([0.5]), {"loss": np.int64(1)}, 1,
        None, "a string", {"x": 1.0}, {"loss": 0.5, "info": Unserialisable()},
        float("nan"), {"loss": float("inf")}, True,
    ]
    if job.number < len(returned):
        return returned[job.number]
    if job.number == len(returned):
        raise ValueError("the objective is wrong")
    sys.exit(3)
"""


def test_whatever_an_objective_returns_or_raises_is_an_outcome(folder: Path) -> None:
    """numpy numbers count; None, text, NaN, a dict without loss, an object and sys.exit fail."""
    with Cluster(folder) as cluster:
        worker = cluster.worker(_ODD)
        history = cluster.master().run(n_trials=13).history
        rows = sorted(history, key=lambda e: e.job)
        assert [0.5, 0.5, 1.0, 1.0] == [e.loss for e in rows[:4]]
        assert [Status.FAILED] * 9 == [e.status for e in rows[4:]]
        said = ["returned None", "'a string'", "['x']", "Unserialisable", "nan", "inf", "True",
                "ValueError: the objective is wrong", "SystemExit: 3"]  # fmt: skip
        assert [True] * 9 == [text in str(e.error) for text, e in zip(said, rows[4:], strict=True)]
        assert worker.process.poll() is None


def test_failures_are_in_the_log_at_default_level(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The traceback of a failed evaluation is a WARNING of the master."""
    with Cluster(folder) as cluster:
        cluster.worker("def objective(config): return 1 / 0")
        cluster.master().run(n_trials=1)
    warnings = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert any("ZeroDivisionError" in text for text in warnings)


def test_job_that_kills_its_workers_ends_as_crashed(folder: Path) -> None:
    """os._exit in an objective: after max_retries the job is crashed, and the run ends."""
    with Cluster(folder) as cluster:
        for number in range(3):
            cluster.worker("def objective(config): os._exit(7)", number)
        [evaluation] = cluster.master(max_retries=2).run(n_trials=1).history
        assert Status.CRASHED is evaluation.status
        assert "lost 3 times" in str(evaluation.error)


def test_outcome_that_is_too_large_fails_alone(folder: Path) -> None:
    """A result that no message can hold becomes a failed outcome; the worker goes on."""
    objective = (
        "def objective(config, job):\n"
        "    return {'loss': 1.0, 'info': b'x' * (100_000_000 if job.number == 0 else 10)}"
    )
    with Cluster(folder) as cluster:
        cluster.worker(objective)
        rows = list(cluster.master().run(n_trials=2).history)
        assert [Status.FAILED, Status.OK] == [e.status for e in rows]
        assert "could not be sent" in str(rows[0].error)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"port": 1}, "cannot be reached"),
        ({"run_id": "another"}, "does not know 'bandmaster.another.dispatcher'"),
    ],
)
def test_worker_that_finds_no_master_says_why(
    folder: Path, options: dict[str, Any], said: str
) -> None:
    """A wrong port or run_id: a warning with the reason while it looks, an error when it stops."""
    with Cluster(folder) as cluster:
        master = cluster.master()
        master.start()
        # The key is in the connection file of run "e2e"; by its name the other run is found too.
        environment = f"os.environ['BANDMASTER_KEY'] = '{cluster.names.key.hex()}'\n"  # type: ignore[union-attr]  # it has one
        worker = cluster.worker(environment + QUICK, timeout=3.0, **options)
        assert 1 == worker.finish(10)
        assert "found no master of run" in worker.err
        assert said in worker.err.splitlines()[-1]


def test_worker_survives_a_name_server_that_is_gone(folder: Path) -> None:
    """Without a name server it looks on, says so, and works once there is one."""
    with Cluster(folder) as cluster:
        cluster.names.shutdown()
        worker = cluster.worker()
        worker.wait_for(lambda p: "found no master" in p.err and "cannot be reached" in p.err)
        cluster.names.start()
        assert 1 == len(cluster.master().run(n_trials=1).history)


def test_silence_is_explained(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    """After a while without news a warning says what the run waits for."""
    with Cluster(folder) as cluster:
        master = cluster.master(warn_after=0.1)
        with running(master, n_trials=1) as run:
            wait_until(lambda: "0 of 1 are connected" in caplog.text)
            slow = cluster.worker(SLOW.format(seconds=2), "slow")
            wait_until(lambda: "waiting for job 0" in caplog.text)
            assert f"pid {slow.process.pid}" in caplog.text
            slow.process.kill()
            wait_until(lambda: "no workers are connected to run 'e2e'" in caplog.text)
            cluster.worker()
            run.result()


class _Broken(RandomOptimizer):
    def __init__(self, at: str) -> None:
        self._at = at

    def ask(self, *arguments: Any) -> Suggestion:
        if self._at == "ask":
            raise LookupError("the optimizer is broken")
        if self._at == "illegal":
            return Suggestion({"x": 7.0})
        return super().ask(*arguments)

    def tell(self, evaluation: object) -> None:
        if self._at == "tell":
            raise LookupError("the optimizer is broken")


_Broken.trusted = False


@pytest.mark.parametrize(
    ("at", "error", "said"),
    [
        ("ask", LookupError, "is broken"),
        ("tell", LookupError, "is broken"),
        ("illegal", IllegalConfigurationError, "x"),
    ],
)
def test_broken_optimizer_ends_the_run_with_its_error(
    folder: Path, at: str, error: type[Exception], said: str
) -> None:
    """What an optimizer raises in a handler, or an illegal configuration, is raised by run."""
    with Cluster(folder) as cluster:
        worker = cluster.worker()
        master = cluster.master(optimizer=_Broken(at))
        began = time.monotonic()
        with pytest.raises(error, match=said):
            master.run(n_trials=3)
        assert time.monotonic() - began < 5
        master.shutdown()
        assert 0 == worker.finish(5)


def test_failing_callback_ends_the_run(folder: Path) -> None:
    """What a callback raises is raised by run."""

    def callback(*_: object) -> None:
        raise LookupError("the callback is broken")

    with Cluster(folder) as cluster:
        cluster.worker()
        with pytest.raises(LookupError, match="callback is broken"):
            cluster.master(callbacks=[callback]).run(n_trials=3)


def test_arguments_that_do_not_fit_are_refused_at_once() -> None:
    """Errors of the caller are raised where he is: in the constructor or in run."""
    from bandmaster import Master

    with pytest.raises(ConfigurationError, match="there is no search space"):
        Master("r", RandomOptimizer(), FlatIterGenerator())
    with pytest.raises(ConfigurationError, match="cannot be a run_id"):
        Worker("no such run_id, please")
    with pytest.raises(ConfigurationError, match="nothing to run"):
        Worker("r").run()
    with pytest.raises(ConfigurationError, match="concurrent_type"):
        Worker("r").initialize(abs).run(background=True, concurrent_type="fibre")
    with pytest.raises(ConfigurationError, match="needs a parameter"):
        Worker("r").initialize(lambda config, budget, nonsense, more: 0)


def test_background_worker_that_fails_says_so(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A thread that gives up logs an ERROR and keeps it."""
    with Cluster(folder) as cluster:
        worker = Worker(cluster.run_id, "127.0.0.1", cluster.names.port, timeout=0.1)
        worker.initialize(abs).run(background=True)
        wait_until(lambda: worker.error is not None)
        worker.shutdown()
    assert "does not know 'bandmaster.e2e.dispatcher'" in str(worker.error)
    assert "ends: " in caplog.text
