"""Local runs: worker processes for a function, without a name server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from processes import SPACE
from programs import Program

from bandmaster import RandomOptimizer
from bandmaster.asynccomm.local import run_local
from bandmaster.core.outcome import Status
from bandmaster.core.plan import Plan
from bandmaster.errors import CommError, ConfigurationError
from bandmaster.multifidelity import FlatIterGenerator
from bandmaster.study.follower import Follower
from bandmaster.study.study import Study


def _study(n_evaluations: int | None, *, max_retries: int = 1) -> Study:
    study = Study(
        SPACE, optimizer=RandomOptimizer(), generator=FlatIterGenerator(), max_retries=max_retries
    )
    study.set_plan(Plan(n_evaluations=n_evaluations))
    return study


def _run(function: Callable[..., Any], n: int | None = 2, n_jobs: int = 2, **options: Any) -> Study:
    study = _study(n, max_retries=options.pop("max_retries", 1))
    run_local(study, function, n_jobs, follower=Follower(study), **options)
    return study


def test_first_result_comes_soon() -> None:
    """Within a few times what an interpreter takes to load a worker's modules."""
    load = [sys.executable, "-c", "import bandmaster.asynccomm.worker_loop"]
    began = time.monotonic()
    subprocess.run(load, check=True)
    bare = time.monotonic() - began
    began = time.time()
    study = _run(lambda config: config["x"])
    assert study.history[0].finished - began < 8 * bare


def test_closures_and_lambdas_run_in_other_processes() -> None:
    """A function that only this process knows reaches the workers, and runs in each of them."""
    offset = 10.0

    def closure(config: dict[str, float]) -> dict[str, Any]:
        time.sleep(0.01)
        return {"loss": config["x"] + offset, "info": os.getpid()}

    study = _run(closure, 60)
    pids = {e.info for e in study.history}
    assert 2 == len(pids)
    assert os.getpid() not in pids
    assert all(10 <= e.loss <= 11 for e in study.history if e.loss is not None)


def test_a_plain_function_loads_no_heavy_library() -> None:
    """A worker process has neither numpy nor ConfigSpace, scipy, pandas, nor the study."""

    def heavy(config: dict[str, float]) -> dict[str, Any]:
        import sys

        names = ("ConfigSpace", "bandmaster.study", "matplotlib", "numpy", "pandas", "scipy")
        return {"loss": 0.0, "info": [name for name in names if name in sys.modules]}

    assert [[]] == [e.info for e in _run(heavy, 1, 1).history]


def test_dead_workers_are_replaced() -> None:
    """A process that dies in a job is replaced; the job is retried, then it is crashed."""
    study = _run(lambda config: os._exit(5), 2)
    assert [Status.CRASHED] * 2 == [e.status for e in study.history]


def test_stopped_process_is_killed_by_job_timeout() -> None:
    """SIGSTOP: the process is silent, so it is killed and replaced; its job times out."""
    study = _run(lambda config: os.kill(os.getpid(), signal.SIGSTOP), 1, job_timeout=0.3)
    assert [Status.TIMEOUT] == [e.status for e in study.history]


def test_timeout_ends_what_cannot_be_interrupted() -> None:
    """An evaluation that swallows every exception is ended with its process."""

    def stubborn(config: object) -> None:
        while True:
            try:
                time.sleep(60)
            except BaseException:  # noqa: BLE001 - that is the test
                continue

    began = time.monotonic()
    study = _run(stubborn, None, timeout=2.0, grace=0.2)
    assert time.monotonic() - began < 10
    assert {Status.STOPPED} == {e.status for e in study.history}


def test_exception_not_to_be_caught_is_raised_here() -> None:
    """With `catch`, other exceptions end the run, with the worker's traceback as their cause."""

    def wrong(config: object) -> float:
        raise KeyError("not to be caught")

    with pytest.raises(KeyError, match="not to be caught") as caught:
        _run(wrong, catch=(ValueError,))
    assert "in wrong" in str(caught.value.__cause__)


def test_study_goes_on_after_a_run_that_was_ended() -> None:
    """Jobs that were out come back: a second run does them."""
    study = _study(4)
    with pytest.raises(KeyError):
        run_local(study, _raise_key_error, 2, follower=Follower(study), catch=(ValueError,))
    run_local(study, abs_x, 2, follower=Follower(study))
    assert [True] * 4 == [e.ok for e in study.history]


def _raise_key_error(config: object) -> float:
    raise KeyError("not to be caught")


def abs_x(config: dict[str, float]) -> float:
    """Return x; imported by the workers from this module."""
    return abs(config["x"])


def test_what_cannot_be_sent_is_refused() -> None:
    """A lock in a closure cannot go to another process: a clear error before anything starts."""
    import threading

    lock = threading.Lock()

    def locked(config: object) -> float:
        with lock:
            return 0.0

    with pytest.raises(ConfigurationError, match="cannot be sent to another process"):
        _run(locked)


class _Bomb:
    def __reduce__(self) -> Any:
        return (exec, ("raise ImportError('a module of the parent only')",))


def test_processes_that_cannot_start_end_the_run(capfd: pytest.CaptureFixture[str]) -> None:
    """When the function cannot be loaded there, three processes are enough to know."""
    bomb = _Bomb()
    with pytest.raises(CommError, match="before they were ready"):
        _run(lambda config: bomb)
    assert "a module of the parent only" in capfd.readouterr().err


def test_ctrl_c_leaves_nothing(tmp_path: Path) -> None:
    """Ctrl-C in a terminal reaches the whole group: one KeyboardInterrupt, no process left."""
    script = tmp_path / "script.py"
    script.write_text(
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import test_local, time\n"
        "def slow(config):\n"
        "    print('begins', flush=True)\n"
        "    time.sleep(60)\n"
        "test_local._run(slow, 4)\n"
    )
    environment = {"PYTHONPATH": os.pathsep.join([*map(str, _paths()), os.environ.get("P", "")])}
    with Program([script, Path(__file__).parent], cwd=tmp_path, env=environment) as program:
        program.wait_for(lambda p: p.out.count("begins") == 2)
        os.killpg(program.process.pid, signal.SIGINT)
        assert program.finish(10) in (-2, 1)
        assert 1 == program.err.count("KeyboardInterrupt")
        with pytest.raises(ProcessLookupError):
            os.killpg(program.process.pid, 0)


def _paths() -> list[Path]:
    root = Path(__file__).resolve().parents[2]
    return [root, root / "tests"]
