"""The watch for leaks sees what it is there for."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading

from leaks import Snapshot


def test_a_socket_is_seen() -> None:
    """An open socket is a leak until it is closed."""
    before = Snapshot.take()
    with socket.socket():
        assert ["socket:" in line for line in before.leaks(within=0)] == [True]
    assert [] == before.leaks(within=0)


def test_a_thread_is_seen() -> None:
    """A running thread is a leak, also a daemon."""
    before, end = Snapshot.take(), threading.Event()
    thread = threading.Thread(target=end.wait, name="forgotten", daemon=True)
    thread.start()
    assert ["thread forgotten (daemon)"] == before.leaks(within=0)
    end.set()
    thread.join()
    assert [] == before.leaks(within=0)


def test_a_child_process_is_seen() -> None:
    """A child that runs is a leak, and is named by its command."""
    before = Snapshot.take()
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    found = before.leaks(within=0)
    child.communicate(b"\n")
    assert any(line.startswith(f"process {child.pid}: ") for line in found)
    assert [] == before.leaks(within=0)
