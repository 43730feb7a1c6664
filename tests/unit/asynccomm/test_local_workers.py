"""The processes of a local run: what is slow about one holds nobody up."""

from __future__ import annotations

import socket
import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest

from bandmaster.asynccomm import local
from bandmaster.asynccomm.child import Child
from bandmaster.asynccomm.dispatcher import Dispatcher
from bandmaster.asynccomm.local import LocalWorkers
from bandmaster.asynccomm.sessions import Session


def test_who_sends_a_task_that_nobody_reads_is_woken_by_hanging_up() -> None:
    """The socket's buffer is full; the thread that sends ends all the same."""
    ours, theirs = socket.socketpair()
    with theirs:
        child = Child(bytes(10_000_000))
        child._line = ours
        sending = threading.Thread(target=child.tell)
        sending.start()
        assert theirs.recv(1)  # it has begun
        child.hang_up()
        sending.join(10)
        assert not sending.is_alive()


class SlowReader:
    """A process that does not read its task."""

    def __init__(self, task: bytes) -> None:
        self.pid = 7
        self.telling = threading.Event()
        self.ended = threading.Event()
        children.append(self)
        made.set()

    def spawn(self) -> None:
        """It is there."""

    def tell(self) -> None:
        self.telling.set()
        assert self.ended.wait(10)

    def wait(self) -> int:
        assert self.ended.wait(10)
        return 0

    def kill(self) -> None:
        self.ended.set()

    hang_up = kill


children: list[SlowReader] = []
made = threading.Event()


@pytest.mark.parametrize("how", ["kill", "close"])
def test_a_process_that_does_not_read_its_task_can_be_ended(
    how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it is told, others may be killed, and all of them closed."""
    monkeypatch.setattr(local, "Child", SlowReader)
    children.clear()
    made.clear()
    dispatcher: Any = SimpleNamespace(sessions=SimpleNamespace(pids={7}), fail=pytest.fail)
    workers = LocalWorkers(lambda number: b"", 1, cast(Dispatcher, dispatcher))
    workers.start()
    assert made.wait(5)
    assert children[0].telling.wait(5)
    workers.retire()
    if how == "kill":
        workers.kill(cast(Session, SimpleNamespace(hello=SimpleNamespace(pid=7))))
        assert children[0].ended.is_set()
    workers.close()
    assert 1 == len(children)


class Failing:
    """A process that ends as soon as it is there, with an error."""

    started = 0

    def __init__(self, task: bytes) -> None:
        type(self).started += 1
        self.pid = type(self).started
        self.killed = False

    def spawn(self) -> None:
        """It is there."""

    tell = hang_up = kill = spawn

    def wait(self) -> int:
        return 1


def test_processes_that_never_ask_for_a_job_are_not_replaced_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After three in a row the run fails, also if they said hello; who has asked counts anew."""
    monkeypatch.setattr(local, "Child", Failing)
    Failing.started = 0
    failed: list[BaseException] = []
    ended = threading.Event()

    def fail(error: BaseException) -> None:
        failed.append(error)
        ended.set()

    dispatcher: Any = SimpleNamespace(sessions=SimpleNamespace(pids={3}), fail=fail)
    workers = LocalWorkers(lambda number: b"", 1, cast(Dispatcher, dispatcher))
    workers.start()
    assert ended.wait(5)
    workers.close()
    assert 6 == Failing.started
    assert "3 worker processes in a row ended before they were ready" in str(failed[0])
