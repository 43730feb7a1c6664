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
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import joblib
import pytest
from faults.isolated import alive, isolated, sockets_of
from processes import wait_until

from bandmaster.core.context import Context
from bandmaster.core.decisions import Decision
from bandmaster.core.job import Job
from bandmaster.core.outcome import Outcome, Status
from bandmaster.errors import CodecError, CommError, ConfigurationError

MIB = 1 << 20


def _last(outcome: Outcome) -> str:
    return (outcome.error or "").splitlines()[-1]


def deadly() -> Callable[..., Any]:
    """Return a function that dies as it is told, else returns its process id."""

    def evaluate(config: Any) -> Any:  # a closure goes to the child by value
        match config["do"]:
            case "segfault":
                ctypes.string_at(0)
            case "abort":
                os.abort()
            case "exit":
                os._exit(7)
            case "exit 0":
                os._exit(0)
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "stop":
                os.kill(os.getpid(), signal.SIGSTOP)
            case "spin":
                while True:
                    pass
            case "hold the GIL":
                ctypes.PyDLL(None).usleep(60_000_000)
            case "swallow":
                while True:
                    try:
                        time.sleep(60)
                    except BaseException:  # noqa: BLE001 - that is the test
                        continue
            case "close":
                os.closerange(3, 1024)
            case "raise":
                raise KeyError("no more than this")
        return {"loss": 0.5, "info": os.getpid()}

    return evaluate


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
            assert message in _last(outcome)
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
    assert "test_isolation.py" in error
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
        assert "the evaluation ran longer than time_limit=0.3 s" == _last(outcome)
        if how != "stop":
            assert "test_isolation.py" in (outcome.error or "")
        assert evaluations.run().ok


def test_process_is_kept_from_job_to_job() -> None:
    """Failures that are data cost no process."""
    with isolated(deadly(), time_limit=10.0, memory_limit=1 << 40) as evaluations:
        pid = evaluations.run().info
        failed = evaluations.run("raise")
        assert Status.FAILED is failed.status
        assert "KeyError: 'no more than this'" == _last(failed)
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


def test_memory_limit_ends_what_takes_too_much() -> None:
    """Status CRASHED with the limit; memory that is only reserved does not count."""

    def greedy(config: Any) -> float:
        import mmap

        hoard = []
        if config["do"] == "reserve":
            hoard.append(mmap.mmap(-1, 1 << 34))
            return 0.5
        while config["do"]:
            hoard.append(b"x" * MIB)
        return 0.5

    with isolated(greedy, memory_limit=200 * MIB) as evaluations:
        assert evaluations.run("reserve").ok
        outcome = evaluations.run("take")
        assert Status.CRASHED is outcome.status
        assert "the evaluation needed more than memory_limit=200 MiB" in _last(outcome)
        assert evaluations.run().ok


def test_memory_of_the_processes_that_an_evaluation_starts_counts() -> None:
    """All of them together, shared pages once."""

    def family(config: Any) -> float:
        hoard = b"x" * (40 * MIB)
        if config["do"] == "share":  # four processes of which each sees the 40 MiB
            for _ in range(4):
                if os.fork() == 0:
                    time.sleep(60)
                    os._exit(0)
            time.sleep(0.3)
            return float(len(hoard))
        code = f"x = b'x' * {200 * MIB}; import time; time.sleep(60)"
        subprocess.run([sys.executable, "-c", code], check=True)
        return 0.0

    with isolated(family, memory_limit=150 * MIB) as evaluations:
        assert evaluations.run("share").ok
        outcome = evaluations.run("start")
        assert "its 6 processes used" in _last(outcome)


def test_memory_that_evaluations_leave_does_not_count_against_a_later_one() -> None:
    """A child that has used up half of what was free is replaced when it has nothing to do."""

    def leaky(config: Any) -> dict[str, Any]:
        import builtins

        builtins.__dict__.setdefault("hoard", []).append(b"x" * (30 * MIB))
        time.sleep(0.01)
        return {"loss": 0.5, "info": os.getpid()}

    with isolated(leaky, memory_limit=200 * MIB) as evaluations:
        outcomes = [evaluations.run() for _ in range(12)]
    assert [True] * 12 == [o.ok for o in outcomes]
    assert 1 < len({o.info for o in outcomes}) < 12


def test_a_fork_that_returns_is_ended_and_says_nothing() -> None:
    """Of an evaluation that forks and returns twice the parent's outcome counts, once."""

    def forks(config: Any) -> float:
        return 0.5 if os.fork() else 1.5

    with isolated(forks) as evaluations:
        assert [0.5] * 5 == [evaluations.run().loss for _ in range(5)]


def test_what_an_evaluation_has_started_ends_with_its_process() -> None:
    """Children, their children, daemons that fled into sessions of their own: none is left."""

    def parent(config: Any) -> dict[str, Any]:
        sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
        plain = subprocess.Popen(sleep)
        read, write = os.pipe()
        if os.fork() == 0:  # a daemon, as the textbook has it
            os.setsid()
            if os.fork() == 0:
                os.write(write, b"%d" % os.getpid())
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                time.sleep(600)
            os._exit(0)
        pids = [plain.pid, int(os.read(read, 20))]
        if config["do"] == "die":
            with open(config["file"], "w") as file:
                file.write(f"{pids[0]} {pids[1]}")
            os._exit(1)
        return {"loss": 0.5, "info": pids}

    with isolated(parent) as evaluations:
        pids = evaluations.run().info
        assert [True, True] == [alive(pid) for pid in pids]
    assert [False, False] == [alive(pid) for pid in pids]


def test_outcome_of_a_crash_comes_after_its_descendants_have_ended(tmp_path: Any) -> None:
    """The next evaluation has the machine for itself."""

    def dies(config: Any) -> float:
        child = subprocess.Popen(["sleep", "600"], start_new_session=True)
        with open(config["file"], "w") as file:
            file.write(str(child.pid))
        os._exit(1)

    with isolated(dies) as evaluations:
        for _ in range(3):
            outcome = evaluations.run(file=str(tmp_path / "pid"))
            assert Status.CRASHED is outcome.status
            assert not alive(int((tmp_path / "pid").read_text()))


def test_a_child_that_is_replaced_takes_along_what_it_has_left() -> None:
    """Also one that takes a while to die: the next evaluation has the machine for itself."""

    def leaves(config: Any) -> dict[str, Any]:
        if config["do"] == "look":
            return {"loss": 0.5, "info": [pid for pid in config["pids"] if alive(pid)]}
        hoard.append(b"x" * (100 * MIB))  # which takes the kernel some milliseconds to free
        child = subprocess.Popen(["sleep", "600"], start_new_session=True)
        threading.Thread(target=time.sleep, args=(600,)).start()
        return {"loss": 0.5, "info": [os.getpid(), child.pid]}

    hoard: list[bytes] = []
    with isolated(leaves) as evaluations:
        for _ in range(5):
            pids = evaluations.run("leave").info
            assert [] == evaluations.run("look", pids=pids).info


def test_threads_that_are_left_end_with_their_process() -> None:
    """One that would keep a program alive costs the process after the job, not the outcome."""

    def leaves(config: Any) -> dict[str, Any]:
        match config["do"]:
            case "thread" | "daemon" as kind:
                daemon = kind == "daemon"
                threading.Thread(target=time.sleep, args=(600,), daemon=daemon).start()
            case "pool":  # of a library, say, that keeps it for the next time
                pools.append(ThreadPoolExecutor(2))
                pools[-1].submit(abs, -1)
            case "joblib":
                joblib.Parallel(2)(joblib.delayed(abs)(x) for x in range(4))
        return {"loss": 0.5, "info": os.getpid()}

    pools: list[ThreadPoolExecutor] = []
    with isolated(leaves) as evaluations:
        first = evaluations.run().info
        for kind in ("daemon", "pool", "joblib", "thread"):
            assert first == evaluations.run(kind).info
        assert first != evaluations.run().info
        assert not alive(first)


def test_reports_go_to_the_master_and_decisions_come_back() -> None:
    """`report`, its answer and `should_stop` work as they do without isolation."""
    heard: list[Any] = []

    def answer(metrics: Any) -> Decision:
        heard.append(metrics)
        if "wrong" in metrics:
            raise CodecError("that is no number")
        return Decision.STOP if len(heard) == 3 else Decision.CONTINUE

    def reports(config: Any, context: Any) -> dict[str, Any]:
        decisions = []
        while not context.should_stop:
            decisions.append(context.report(len(decisions), auto_stop=False).value)
        try:
            context.report({"wrong": 1.0}, auto_stop=False)
        except CodecError as error:
            decisions.append(str(error))
        return {"loss": 0.5, "info": decisions}

    with isolated(reports, answer=answer) as evaluations:
        info = evaluations.run().info
    assert ["continue", "continue", "stop", "that is no number"] == info
    assert [{"loss": 0}, {"loss": 1}, {"loss": 2}, {"wrong": 1.0}] == heard


def test_told_to_stop_an_evaluation_ends_in_its_child() -> None:
    """`report` ends it there, and the child goes on with the next job."""

    def reports(config: Any, context: Any) -> float:
        if config["do"] == "report":
            context.report({"loss": 0.25, "epoch": 1.0})
        return 0.5

    with isolated(reports, answer=lambda metrics: Decision.STOP) as evaluations:
        outcome = evaluations.run("report")
        assert (Status.STOPPED, 0.25) == (outcome.status, outcome.loss)
        assert {"epoch": 1.0} == outcome.metrics
        assert Status.OK is evaluations.run("return").status


def test_what_an_evaluation_logs_is_logged_by_the_worker(caplog: pytest.LogCaptureFixture) -> None:
    """With its name, level, place and traceback; also of one that dies, and from its threads."""
    import logging

    def talks(config: Any) -> float:
        log = logging.getLogger("users.own")
        log.debug("hidden")
        log.info("job %s at %.1f", "x", 0.5)
        thread = threading.Thread(target=log.info, args=("from a thread",))
        thread.start()
        thread.join()
        try:
            raise KeyError("a key")
        except KeyError:
            log.warning("trouble", exc_info=True)
        if config["do"] == "spin":
            while True:
                log.info("again")
        if config["do"] == "die":
            os._exit(1)
        return 0.5

    with caplog.at_level(logging.INFO), isolated(talks, time_limit=0.5) as evaluations:
        evaluations.run()
        assert ["job x at 0.5", "from a thread"] == [r.getMessage() for r in caplog.records[:2]]
        record = caplog.records[2]
        assert ("users.own", "WARNING") == (record.name, record.levelname)
        assert "test_isolation.py" == record.filename
        assert "KeyError: 'a key'" in record.getMessage()
        caplog.clear()
        assert Status.CRASHED is evaluations.run("die").status
        assert 3 == len([r for r in caplog.records if r.name == "users.own"])
        assert Status.TIMEOUT is evaluations.run("spin").status
        assert evaluations.run().ok


def test_cancelling_ends_an_evaluation_at_once() -> None:
    """Status STOPPED with the reason, whatever the evaluation is doing; not the one after it."""
    with isolated(deadly()) as evaluations:
        evaluations.run()
        assert not evaluations.evaluator.cancel("too early")
        for how in ("spin", "hold the GIL", "stop"):
            timer = threading.Timer(0.1, evaluations.evaluator.cancel, ("never mind",))
            timer.start()
            began = time.monotonic()
            outcome = evaluations.run(how)
            timer.join()
            assert time.monotonic() - began < 1.0
            assert (Status.STOPPED, "never mind") == (outcome.status, outcome.error)
            assert evaluations.run().ok


def test_a_cancel_that_comes_before_the_evaluation_counts() -> None:
    """Between the worker's decision to begin and the beginning there is room for it."""
    with isolated(deadly()) as evaluations:
        job = Job(0, 0, 0, {"do": "swallow"}, 1.0)
        context = Context(job)
        context.cancelled = "never mind"
        outcome = evaluations.evaluator.run(job, context)
        assert (Status.STOPPED, "never mind") == (outcome.status, outcome.error)
        assert evaluations.run().ok


def test_limits_hold_while_a_report_is_under_way() -> None:
    """A master that does not answer keeps no evaluation alive."""
    answered = threading.Event()
    late = []

    def answer(metrics: Any) -> Decision:
        late.append(answered.wait(20))
        return Decision.CONTINUE

    def reports(config: Any, context: Any) -> float:
        if config["do"] == "report":
            context.report(0.5)
        return 0.5

    with isolated(reports, time_limit=0.5, answer=answer) as evaluations:
        outcome = evaluations.run("report")
        assert (Status.TIMEOUT, []) == (outcome.status, late)
        answered.set()
        assert evaluations.run().ok
        assert evaluations.run("report").ok


def test_large_configurations_and_results_pass() -> None:
    """Megabytes in both directions."""

    def large(config: Any) -> Any:
        if not config["text"]:
            return Outcome(Status.OK, 0.5, info=object())  # nobody has judged that
        return {"loss": 0.5, "info": config["text"] * 3}

    with isolated(large) as evaluations:
        text = "x" * (3 * MIB)
        assert 3 * text == evaluations.run(text=text).info
        assert "could not be sent" in _last(evaluations.run(text=""))  # that is no Unicode


def test_exception_that_is_not_to_be_caught_is_raised_in_the_worker() -> None:
    """As without isolation, with the child's traceback as its cause."""
    with isolated(deadly(), catch=(ValueError,)) as evaluations:
        with pytest.raises(KeyError, match="no more than this") as caught:
            evaluations.run("raise")
        assert "in evaluate" in str(caught.value.__cause__)
        assert evaluations.run().ok


def test_exception_that_cannot_be_pickled_is_told_as_text() -> None:
    """Its traceback is in the error."""

    class Stubborn(Exception):
        def __reduce__(self) -> Any:
            raise TypeError("not me")

    def raises(config: Any) -> float:
        raise Stubborn("no way")

    with (
        isolated(raises, catch=(ValueError,)) as evaluations,
        pytest.raises(CommError, match="no way"),
    ):
        evaluations.run()


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


class _Unloadable:
    """Breaks where it is unpickled."""

    def __init__(self, how: str) -> None:
        self.how = how

    def __call__(self, config: Any) -> float:
        return 0.5

    def __reduce__(self) -> Any:
        if self.how == "raise":
            return int, ("not a number",)
        if self.how == "sleep":
            return time.sleep, (600,)
        return os._exit, (9,)


@pytest.mark.parametrize(("how", "message"), [("raise", "ValueError"), ("exit", "exit code 9")])
def test_objective_that_cannot_be_loaded_is_a_mistake_not_a_failure(how: str, message: str) -> None:
    """It would fail every job of the search, so the worker says so and ends."""
    with (
        isolated(_Unloadable(how)) as evaluations,
        pytest.raises(ConfigurationError, match="cannot be loaded in a process of its own") as e,
    ):
        evaluations.run()
    assert message in str(e.value)


def test_loading_has_a_limit_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """An import that hangs is a time out, not of the evaluation's `time_limit`."""
    monkeypatch.setattr("bandmaster.asynccomm.isolation.evaluator._TO_LOAD", 0.3)
    with isolated(_Unloadable("sleep"), time_limit=0.1) as evaluations:
        outcome = evaluations.run()
        assert Status.TIMEOUT is outcome.status
        assert "loading the objective took too long" == _last(outcome)
        assert outcome.finished - outcome.started >= 0.3


def test_objective_that_cannot_be_pickled_is_refused_before_anything_starts() -> None:
    """The message says what to do."""
    lock = threading.Lock()

    def locked(config: Any) -> float:
        with lock:
            return 0.5

    with pytest.raises(ConfigurationError, match="have to be made inside the evaluation"):
        isolated(locked).__enter__()


def test_a_keeper_that_is_killed_is_replaced_and_leaves_nothing() -> None:
    """Its child goes with it; the job is a crash, the next one runs."""
    with isolated(deadly()) as evaluations:
        child = evaluations.run().info
        keeper = evaluations.keeper
        timer = threading.Timer(0.1, os.kill, (keeper, signal.SIGKILL))
        timer.start()
        outcome = evaluations.run("spin")
        assert Status.CRASHED is outcome.status
        assert "keeps watch over the evaluation's was ended from outside" in _last(outcome)
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


def test_child_inherits_no_connection() -> None:
    """It has one line to its worker, and neither the keeper's nor any other socket or pipe."""
    import socket

    ours, theirs = socket.socketpair()
    os.set_inheritable(ours.fileno(), True)  # even one that asks for it
    with ours, theirs, isolated(deadly()) as evaluations:
        child = evaluations.run().info
        assert 1 == len(sockets_of(child) - _stdio())


def _stdio() -> set[str]:
    return {os.readlink(f"/proc/self/fd/{number}") for number in (1, 2)}


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


def test_children_that_die_leave_no_descriptors() -> None:
    """Neither descriptors nor memory of the worker grow, nor with children that die."""

    def short(config: Any) -> float:
        if config["do"]:
            os._exit(1)
        return 0.5

    with isolated(short) as evaluations:
        for _ in range(20):
            evaluations.run("die")
        before = len(os.listdir("/proc/self/fd")), threading.active_count()
        for _ in range(30):
            evaluations.run("die")
        assert evaluations.run().ok
        assert before == (len(os.listdir("/proc/self/fd")), threading.active_count())
