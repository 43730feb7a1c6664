"""An isolated evaluation that dies costs one outcome, which says of what."""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import signal
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from faults.isolated import alive, deadly, isolated, last_line
from processes import wait_until

from bandmaster.core.outcome import Status


def test_whatever_ends_the_process_is_one_crash_that_names_it() -> None:
    """Signals, exits and a closed connection: status CRASHED, the cause last, and life goes on."""
    expected = {
        "segfault": "the process of the evaluation was ended by SIGSEGV",
        "abort": "the process of the evaluation was ended by SIGABRT",
        "exit": "the process of the evaluation ended with exit code 7",
        "exit 0": "the process of the evaluation ended with exit code 0",
        "kill": "the process of the evaluation was ended by SIGKILL, which this worker did not",
        "close": "the evaluation has closed the connection of its process to the worker",
    }
    with isolated(deadly()) as evaluations:
        pids = {evaluations.run().info}
        for how, message in expected.items():
            outcome = evaluations.run(how)
            assert Status.CRASHED is outcome.status, how
            assert message in last_line(outcome)
            assert "w" == outcome.worker
            assert 0 < outcome.started <= outcome.finished
            after = evaluations.run()
            assert Status.OK is after.status
            pids.add(after.info)
        assert len(expected) + 1 == len(pids)


def test_a_crash_tells_the_line_of_python_where_it_happened() -> None:
    """The interpreter's own traceback of a segmentation fault is part of the error."""
    with isolated(deadly()) as evaluations:
        error = evaluations.run("segfault").error or ""
    assert "Fatal Python error: Segmentation fault" in error
    assert "faults/isolated.py" in error
    assert "bandmaster/asynccomm" not in error


@pytest.mark.parametrize("how", ["spin", "hold the GIL", "swallow", "stop"])
def test_time_limit_ends_what_cannot_be_interrupted(how: str) -> None:
    """Status TIMEOUT with the limit, little later than it; also when Python cannot run any more."""
    with isolated(deadly(), time_limit=0.3) as evaluations:
        evaluations.run()
        began = time.monotonic()
        outcome = evaluations.run(how)
        assert time.monotonic() - began < 1.3
        assert Status.TIMEOUT is outcome.status
        assert "the evaluation ran longer than time_limit=0.3 s" == last_line(outcome)
        if how != "stop":
            assert "faults/isolated.py" in (outcome.error or "")
        assert evaluations.run().ok


def test_process_is_kept_from_job_to_job() -> None:
    """Failures that are data cost no process."""
    with isolated(deadly(), time_limit=10.0, memory_limit=1 << 40) as evaluations:
        pid = evaluations.run().info
        failed = evaluations.run("raise")
        assert Status.FAILED is failed.status
        assert "KeyError: 'no more than this'" == last_line(failed)
        assert pid == evaluations.run().info
        assert os.getpid() != pid


def test_a_warm_evaluation_costs_little() -> None:
    """At most 5 ms over a plain one, with all limits on."""
    with isolated(deadly(), time_limit=60.0, memory_limit=1 << 33) as evaluations:
        evaluations.run()
        seconds = []
        for _ in range(100):
            began = time.perf_counter()
            evaluations.run()
            seconds.append(time.perf_counter() - began)
    assert statistics.median(seconds) < 0.005


def test_child_ends_in_good_order_when_it_is_idle(tmp_path: Path) -> None:
    """What the user's libraries do at exit is done; of a child that was ended it is not."""

    def registers(config: Any) -> float:
        import atexit

        def at_exit() -> None:
            with open(config["file"], "a") as file:
                file.write("ended well")

        atexit.register(at_exit)
        return 0.5

    with isolated(registers) as evaluations:
        evaluations.run(file=str(tmp_path / "exit"))
    assert "ended well" == (tmp_path / "exit").read_text()


def test_child_loads_no_heavy_library() -> None:
    """A plain function's child has neither numpy nor Pyro5, ConfigSpace, scipy, pandas."""

    def heavy(config: Any) -> dict[str, Any]:
        names = ("ConfigSpace", "Pyro5", "bandmaster.study", "numpy", "pandas", "scipy")
        return {"loss": 0.0, "info": [name for name in names if name in sys.modules]}

    with isolated(heavy) as evaluations:
        assert [] == evaluations.run().info


def test_a_keeper_that_is_killed_is_replaced_and_leaves_nothing() -> None:
    """Its child goes with it; the job is a crash, the next one runs."""
    with isolated(deadly()) as evaluations:
        child = evaluations.run().info
        keeper = evaluations.keeper
        timer = threading.Timer(0.1, os.kill, (keeper, signal.SIGKILL))
        timer.start()
        outcome = evaluations.run("spin")
        assert Status.CRASHED is outcome.status
        assert "keeps watch over the evaluation's was ended from outside" in last_line(outcome)
        assert wait_until(lambda: not alive(child), 2) < 1
        assert evaluations.run().ok
        assert keeper != evaluations.keeper


def test_a_child_that_ends_with_nothing_to_do_costs_no_job() -> None:
    """Nor does a keeper: it is seen before the next job is sent."""
    with isolated(deadly()) as evaluations:
        for kill_keeper in (False, True, False):
            child = evaluations.run().info
            os.kill(evaluations.keeper if kill_keeper else child, signal.SIGKILL)
            wait_until(lambda child=child: not alive(child))
            assert child != evaluations.run().info


def test_whatever_ends_what_and_when_each_job_has_one_outcome() -> None:
    """Deaths, time outs, cancels and kills from outside at random moments; nothing is left."""
    rng = random.Random(7)

    def lives_or_dies(config: Any) -> dict[str, Any]:
        time.sleep(config["seconds"])
        match config["do"]:
            case "segfault":
                ctypes.string_at(0)
            case "exit":
                os._exit(3)
            case "start":
                subprocess.Popen(["sleep", "600"])
            case "thread":
                threading.Thread(target=time.sleep, args=(600,)).start()
            case "fork":
                os.fork()
        return {"loss": 0.5, "info": config["do"]}

    def interfere(how: str, seconds: float, pid: int) -> None:
        time.sleep(seconds)
        if how == "cancel":
            evaluations.evaluator.cancel("never mind")
        elif how == "kill":
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)

    with isolated(lives_or_dies, time_limit=0.05, memory_limit=1 << 32) as evaluations:
        evaluations.run("warm", seconds=0)
        for _ in range(60):
            do = rng.choice(["live", "live", "segfault", "exit", "start", "thread", "fork"])
            how = rng.choice(["nothing", "nothing", "cancel", "kill"])
            inmate = evaluations.evaluator._inmate
            pid = 0 if inmate is None else inmate.pid
            thread = threading.Thread(
                target=interfere, args=(how if pid else "cancel", rng.choice([0, 0.002, 0.05]), pid)
            )
            thread.start()
            outcome = evaluations.run(do, seconds=rng.choice([0, 0, 0.002, 0.05]))
            thread.join()
            if outcome.ok:
                assert do == outcome.info
                assert do not in ("segfault", "exit")
            assert outcome.ok or outcome.error
        keeper = evaluations.keeper
    assert not alive(keeper)
