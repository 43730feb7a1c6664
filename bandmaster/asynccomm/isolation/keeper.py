"""The worker's side of its keeper and of the child that this one has made."""

from __future__ import annotations

import contextlib
import math
import os
import select
import socket
import tempfile
import threading
import time

import bandmaster
from bandmaster.asynccomm.child import Child
from bandmaster.asynccomm.isolation.channel import Channel
from bandmaster.asynccomm.isolation.records import (
    DUMP,
    ENDED,
    KILL,
    MADE,
    MAKE,
    Record,
    receive,
    send,
)

__all__ = ["Inmate", "Keeper"]

_ENTRY = "bandmaster.asynccomm.isolation.keeper_main"
_MOST_DUMP = 20_000
_TO_LEAVE = 15.0  # the keeper itself gives those that do not die 10 s


class Inmate:
    """A child that a keeper has made.

    Parameters
    ----------
    number : int
    channel : Channel
        To talk with it.
    dump : int
        Descriptor of the file into which it writes where it crashed.

    Attributes
    ----------
    pid : int
        0 until the keeper has said it.
    ready : bool
        Whether it has loaded the objective.
    code : int or None
        Its exit code, once it has ended with all that it had started; negative for a signal.
    hung_up_at : float or None
        When (monotonic) it closed its end of the channel.
    """

    def __init__(self, number: int, channel: Channel, dump: int) -> None:
        self.number = number
        self.channel = channel
        self.pid = 0
        self.ready = False
        self.hung_up_at: float | None = None
        self.code: int | None = None
        self._dump = dump

    def crash_report(self) -> str:
        """Return what it wrote when it crashed, or was asked where it is; often nothing."""
        with contextlib.suppress(OSError):
            text = os.pread(self._dump, _MOST_DUMP, 0).decode("utf-8", "replace")
            # What begins here is ours, and says nothing of what the evaluation did.
            return "\n".join(line for line in text.splitlines() if _telling(line))
        return ""

    def close(self) -> None:
        """Hang up."""
        self.channel.close()
        if self._dump >= 0:
            os.close(self._dump)
            self._dump = -1


class Keeper:
    """A worker's process for making, watching and ending children.

    Parameters
    ----------
    task : bytes
        What each child loads: its pickle.

    Notes
    -----
    `kill` may be called from any thread and from a signal handler.
    """

    def __init__(self, task: bytes) -> None:
        self._process = Child(task, entry=_ENTRY, own_session=True)
        self._count = 0

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def start(self) -> None:
        """Start the process; OSError when the system refuses."""
        self._process.start()

    def make(self) -> Inmate:
        """Have a child made; it loads its task at once, and says when it is ready.

        Raises
        ------
        OSError
            When the keeper is gone.
        """
        self._count += 1
        ours, theirs = socket.socketpair()
        inmate = Inmate(self._count, Channel(ours), -1)
        try:
            with theirs, tempfile.TemporaryFile(prefix="bandmaster-crash-") as dump:
                inmate = Inmate(self._count, inmate.channel, os.dup(dump.fileno()))
                descriptors = (theirs.fileno(), dump.fileno())
                send(self._process.line, Record(MAKE, self._count, 0, descriptors))
        except BaseException:
            inmate.close()
            raise
        return inmate

    def kill(self, inmate: Inmate, *, dump: bool = False) -> None:
        """End a child and all that it has started; `dump` has it write down where it is first."""
        with contextlib.suppress(OSError):  # a keeper that is gone has taken it along
            send(self._process.line, Record(DUMP if dump else KILL, inmate.number))

    def wait(self, inmate: Inmate, seconds: float | None) -> bool:
        """Wait for something from the child or about it, or until `seconds` have passed.

        Returns
        -------
        bool
            False when the keeper itself is gone.
        """
        line, channel = self._process.line, inmate.channel
        poller = select.poll()
        poller.register(line, select.POLLIN)
        if inmate.hung_up_at is None:
            poller.register(channel, select.POLLIN)
        timeout = None if seconds is None else math.ceil(max(0.0, min(seconds, 1e6)) * 1000)
        for descriptor, _ in poller.poll(timeout):
            if descriptor != line.fileno():
                if not channel.drain():
                    inmate.hung_up_at = time.monotonic()
                continue
            record = receive(line)
            if record is None:
                return False
            if record.number != inmate.number:
                continue  # of one that was ended before
            if record.kind == MADE:
                inmate.pid = record.value
            elif record.kind == ENDED:
                if channel.fileno() >= 0:
                    channel.drain()  # what it said before it ended
                inmate.code = record.value
        return True

    def close(self, inmate: Inmate | None, seconds: float) -> int | None:
        """End the keeper and what it keeps; returns its exit code.

        A child that has nothing to do may leave in good order first, within `seconds`.
        """
        if inmate is not None:
            inmate.close()
            inmate.hung_up_at = time.monotonic()
            deadline = inmate.hung_up_at + seconds
            while inmate.code is None and (left := deadline - time.monotonic()) > 0:
                if not self.wait(inmate, left):
                    break
        return self._process.close(_TO_LEAVE)

    def abandon(self) -> None:
        """Hang up, and leave it to the keeper to end what it keeps, if it lives."""
        self._process.hang_up()
        threading.Thread(target=self._process.wait, name="keeper-reaper", daemon=True).start()


def _telling(line: str) -> bool:
    return not (f'File "{_PACKAGE}' in line or 'File "<' in line or line.startswith("Extension"))


_PACKAGE = os.path.join(os.path.dirname(bandmaster.__file__), "")
