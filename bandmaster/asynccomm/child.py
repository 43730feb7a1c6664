"""Fresh interpreters that run what is sent to them over a pipe."""

from __future__ import annotations

import contextlib
import json
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import BinaryIO

import cloudpickle

from bandmaster.errors import ConfigurationError

__all__ = ["Child", "dump", "main"]

_LENGTH = struct.Struct("!Q")
_BOOTSTRAP = (
    "import json, os, sys; pipe = os.fdopen(int(sys.argv[1]), 'rb', buffering=0); "
    "sys.path[:], sys.argv[:] = json.loads(pipe.readline()); "
    "from bandmaster.asynccomm.child import main; main(pipe)"
)

Task = Callable[[threading.Event], int]
"""What a child runs; it gets an event that is set when the parent is gone."""


def dump(task: Task, what: str) -> bytes:
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


class Child:
    """One interpreter that was started afresh, so nothing of a threaded parent is forked.

    Parameters
    ----------
    task : bytes
        As `dump` makes it.

    Notes
    -----
    The pipe stays open as long as the parent lives: its end is what tells the child to leave.
    """

    def __init__(self, task: bytes) -> None:
        self._task = task
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe = -1
        self._lock = threading.Lock()

    @property
    def pid(self) -> int:
        """Its process id, 0 before `start`."""
        return 0 if self._process is None else self._process.pid

    def start(self) -> None:
        """Start the interpreter and send it its task."""
        read, write = os.pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _BOOTSTRAP, str(read)],
                pass_fds=(read,),
                stdin=subprocess.DEVNULL,
            )
        except BaseException:
            os.close(write)
            raise
        finally:
            os.close(read)
        self._pipe = write
        path = [os.path.abspath(entry) if entry == "" else entry for entry in sys.path]
        header = json.dumps([path, sys.argv]).encode() + b"\n"
        data = header + _LENGTH.pack(len(self._task)) + self._task
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(write, view) :]
        except BrokenPipeError:
            pass  # it died already; whoever waits for it will see

    def wait(self, timeout: float | None = None) -> int | None:
        """Return the exit code, None when it still runs after `timeout` seconds."""
        assert self._process is not None
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def hang_up(self) -> None:
        """Close the pipe, which tells the child to leave."""
        with self._lock:
            pipe, self._pipe = self._pipe, -1
        if pipe >= 0:
            os.close(pipe)

    def kill(self) -> None:
        """Kill it."""
        if self._process is not None:
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


def main(pipe: BinaryIO) -> None:
    """Run the task that comes over the pipe, in the main thread."""
    (length,) = _LENGTH.unpack(_read(pipe, _LENGTH.size))
    data = _read(pipe, length)
    orphaned = threading.Event()

    def watch() -> None:
        with contextlib.suppress(OSError):
            pipe.read(1)  # nothing is ever sent: this returns when the parent is gone
        orphaned.set()

    threading.Thread(target=watch, name="parent-watch", daemon=True).start()
    task: Task = cloudpickle.loads(data)
    sys.exit(task(orphaned))


def _read(pipe: BinaryIO, size: int) -> bytes:
    data = b""
    while len(data) < size:
        chunk = pipe.read(min(size - len(data), 1 << 20))
        if not chunk:
            sys.exit(1)  # the parent died while it was telling us what to do
        data += chunk
    return data
