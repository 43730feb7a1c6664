"""What evaluations in processes of their own take and leave: memory, forks, threads."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import joblib
from faults.isolated import alive, deadly, isolated, last_line, sockets_of

from bandmaster.core.outcome import Status


def _stdio() -> set[str]:
    return {os.readlink(f"/proc/self/fd/{number}") for number in (1, 2)}


MIB = 1 << 20


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
        assert "the evaluation needed more than memory_limit=200 MiB" in last_line(outcome)
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
        assert "its 6 processes used" in last_line(outcome)


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


def test_child_inherits_no_connection() -> None:
    """It has one line to its worker, and neither the keeper's nor any other socket or pipe."""
    import socket

    ours, theirs = socket.socketpair()
    os.set_inheritable(ours.fileno(), True)  # even one that asks for it
    with ours, theirs, isolated(deadly()) as evaluations:
        child = evaluations.run().info
        assert 1 == len(sockets_of(child) - _stdio())


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
