"""Fresh interpreters that run what is sent to them over a socket."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import cloudpickle

from bandmaster.asynccomm.forks import own
from bandmaster.errors import ConfigurationError

__all__ = ["Child", "dump", "load", "main", "read_task"]

_LENGTH = struct.Struct("!Q")
_BOOTSTRAP = (
    "import importlib, json, socket, sys; line = socket.socket(fileno=int(sys.argv[1])); "
    "size = int.from_bytes(line.recv(4, socket.MSG_WAITALL), 'big'); "
    "sys.path[:], sys.argv[:], entry = json.loads(line.recv(size, socket.MSG_WAITALL)); "
    "importlib.import_module(entry).main(line)"
)

Task = Callable[[threading.Event], int]
"""What a child runs; it gets an event that is set when the parent is gone."""


def dump(task: Any, what: str) -> bytes:
    """Pickle a task by value where it cannot be imported: closures, lambdas, `__main__`.

    Raises
    ------
    ConfigurationError
        When something in it cannot be pickled.
    """
    try:
        return bytes(cloudpickle.dumps(task))
    except Exception as error:
        raise ConfigurationError(
            f"{what} cannot be sent to another process: {error}; open files, locks and "
            "connections have to be made inside the evaluation"
        ) from error


def load(data: bytes) -> Any:
    """Unpickle what a process and a child that it started itself send each other.

    Never what came over the network.
    """
    return cloudpickle.loads(data)


class Child:
    """One interpreter that was started afresh, so nothing of a threaded parent is forked.

    Parameters
    ----------
    task : bytes
        As `dump` makes it.
    entry : str, optional
        The module whose ``main(line)`` the interpreter calls; default: this one.
    own_session : bool, default False
        Whether it is out of reach of what a terminal sends to its foreground processes.

    Notes
    -----
    The line stays open as long as the parent lives: its end is what tells the child to leave.
    """

    def __init__(self, task: bytes, *, entry: str = __name__, own_session: bool = False) -> None:
        self._task = task
        self._entry = entry
        self._own_session = own_session
        self._process: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None
        self._lock = threading.Lock()
        self.killed = False  # by us

    @property
    def pid(self) -> int:
        """Its process id, 0 before `start`."""
        return 0 if self._process is None else self._process.pid

    @property
    def line(self) -> socket.socket:
        """The parent's end of the line, which is open."""
        assert self._line is not None
        return self._line

    def start(self) -> None:
        """Start the interpreter and send it its task."""
        self.spawn()
        self.tell()

    def spawn(self) -> None:
        """Start the interpreter; OSError when the system refuses."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                self._process = subprocess.Popen(
                    [sys.executable, "-c", _BOOTSTRAP, str(theirs.fileno())],
                    pass_fds=(theirs.fileno(),),
                    stdin=subprocess.DEVNULL,
                    start_new_session=self._own_session,
                )
            except BaseException:
                ours.close()
                raise
        self._line = own(ours)

    def tell(self) -> None:
        """Send it its task, which takes as long as it takes to read it; `hang_up` ends that."""
        line = self._line
        if line is None:
            return
        path = [os.path.abspath(entry) if entry == "" else entry for entry in sys.path]
        header = json.dumps([path, sys.argv, self._entry]).encode()
        # Should it have died already, whoever waits for it will see.
        with contextlib.suppress(OSError):
            line.sendall(len(header).to_bytes(4, "big") + header + _LENGTH.pack(len(self._task)))
            line.sendall(self._task)

    def wait(self, timeout: float | None = None) -> int | None:
        """Return the exit code, None when it still runs after `timeout` seconds."""
        assert self._process is not None
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def hang_up(self) -> None:
        """Close the line, which tells the child to leave."""
        with self._lock:
            line, self._line = self._line, None
        if line is not None:
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)  # wakes who still sends the task
            line.close()

    def kill(self) -> None:
        """Kill it."""
        if self._process is not None:
            self.killed = True
            self._process.kill()

    def close(self, timeout: float) -> int | None:
        """Tell it to leave, kill it when it has not after `timeout` seconds, and reap it."""
        self.hang_up()
        if self._process is None:
            return None
        code = self.wait(timeout)
        if code is None:
            self.kill()
            code = self.wait()
        return code


def main(line: socket.socket) -> None:
    """Run the task that comes over the line, in the main thread."""
    data = read_task(own(line))
    orphaned = threading.Event()

    def watch() -> None:
        with contextlib.suppress(OSError):
            line.recv(1)  # nothing is ever sent: this returns when the parent is gone
        orphaned.set()

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
    task: Task = load(data)
    sys.exit(task(orphaned))


def read_task(line: socket.socket) -> bytes:
    """Receive the task; ends this process when the parent dies before it is complete."""
    (length,) = _LENGTH.unpack(_read(line, _LENGTH.size))
    return _read(line, length)


def _read(line: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        chunk = line.recv(min(size - len(data), 1 << 20))
        if not chunk:
            sys.exit(1)  # the parent died while it was telling us what to do
        data += chunk
    return bytes(data)
