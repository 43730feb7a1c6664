"""One writer a study, whatever happens to processes: killed, stopped, standing by."""

from __future__ import annotations

import os
import signal
import socket
import sqlite3
import time
from pathlib import Path

import pytest
from programs import Program

from bandmaster.core.events import Noted
from bandmaster.errors import StudyBusyError
from bandmaster.storage import open_storage

WRITER = Path(__file__).with_name("storage_writer.py")
LEASE = 1.5


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/study.db"


def writer(url: str, cwd: Path, *more: str, lease: float = LEASE) -> Program:
    """Return a program that writes."""
    return Program([WRITER, url, "s", str(lease), *more], cwd=cwd)


def acknowledged(program: Program) -> int:
    """Return the last position that it printed as durable."""
    lines = [line for line in program.out.splitlines(keepends=True) if line.endswith("\n")]
    return max((int(line.split()[1]) for line in lines if line.startswith("ack")), default=0)


def numbers(url: str) -> list[int]:
    """Return what is stored."""
    with open_storage(url) as storage:
        return [int(e.text) for e in storage.read_journal("s").read() if isinstance(e, Noted)]


def test_a_killed_writer_loses_nothing_and_blocks_nobody(url: str, tmp_path: Path) -> None:
    """After kill -9 all acknowledged events are there, and the next one writes at once."""
    for _ in range(3):
        with writer(url, tmp_path, lease=60) as program:
            program.wait_for(lambda p: p.out.count("ack") > 20)
            program.process.kill()
            program.process.wait()
            found = numbers(url)
            assert list(range(len(found))) == found
            assert acknowledged(program) <= len(found)
            begun = time.monotonic()
            with open_storage(url) as storage:
                storage.open_journal("s", create=False).close()
            assert time.monotonic() - begun < 5  # not the minute of its lease


def test_a_second_writer_is_told_who_holds_it(url: str, tmp_path: Path) -> None:
    """The error names host, process and until when; the first one goes on undisturbed."""
    with writer(url, tmp_path) as program:
        program.wait_for(acknowledged)
        with open_storage(url) as storage:
            with pytest.raises(StudyBusyError) as caught:
                storage.open_journal("s", create=True)
            assert f"pid {program.process.pid} on {socket.gethostname()}" in str(caught.value)
            assert "until 20" in str(caught.value)
        before = acknowledged(program)
        program.wait_for(lambda p: acknowledged(p) > before)


def test_a_standby_takes_over_within_the_lease(url: str, tmp_path: Path) -> None:
    """A second one that stands by writes within the lease time after the first is killed."""
    with writer(url, tmp_path) as first:
        first.wait_for(acknowledged)
        with writer(url, tmp_path, "standby") as second:
            _standby_takes_over(first, second, url)


def _standby_takes_over(first: Program, second: Program, url: str) -> None:
    second.wait_for(lambda p: "Standing by" in p.err)
    assert "ack" not in second.out
    first.process.kill()
    begun = time.monotonic()
    second.wait_for(acknowledged)
    assert time.monotonic() - begun < LEASE
    found = numbers(url)
    assert list(range(len(found))) == found
    assert acknowledged(first) <= len(found)


def test_a_writer_stopped_past_its_lease_writes_nothing_more(url: str, tmp_path: Path) -> None:
    """SIGSTOP past the lease, another one takes over; after SIGCONT the first one hears of it."""
    with writer(url, tmp_path) as first:
        first.wait_for(lambda p: acknowledged(p) > 5)
        _stop_outside_a_transaction(first, tmp_path / "study.db")
        acked = acknowledged(first)
        with open_storage(url) as storage:
            second = storage.open_journal("s", create=False, standby=True, lease_seconds=60)
            taken = sum(1 for _ in second.read())
            assert taken >= acked
            os.kill(first.process.pid, signal.SIGCONT)
            assert 0 == first.finish()
            assert "error StorageError" in first.out
            assert f"pid {os.getpid()}" in first.out  # who has taken it over
            assert acknowledged(first) <= taken
            second.wait(second.append([Noted(0.0, str(taken))]))
        assert list(range(taken + 1)) == numbers(url)


def test_a_stopped_writer_that_nobody_replaced_writes_no_more_either(
    url: str, tmp_path: Path
) -> None:
    """Past its lease a writer that was stopped writes nothing, replaced or not, and says why."""
    for _ in range(2):  # wherever it is when it is stopped, in a transaction or not
        with writer(url, tmp_path, lease=0.8) as program:
            program.wait_for(lambda p: acknowledged(p) > 5)
            os.kill(program.process.pid, signal.SIGSTOP)
            time.sleep(1.1)
            before = acknowledged(program)
            os.kill(program.process.pid, signal.SIGCONT)
            assert 0 == program.finish()
            assert "did not run for" in program.out
            # What was being committed when it was stopped may have been.
            assert before <= acknowledged(program) <= before + 2
            found = numbers(url)
            assert list(range(len(found))) == found
            assert acknowledged(program) <= len(found)


def _stop_outside_a_transaction(program: Program, path: Path) -> None:
    """Stop it at a moment when it holds no lock: a stopped process never lets go of one."""
    while True:
        os.kill(program.process.pid, signal.SIGSTOP)
        connection = sqlite3.connect(path, timeout=0.05, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            os.kill(program.process.pid, signal.SIGCONT)
            time.sleep(0.01)
        else:
            return
        finally:
            connection.close()
