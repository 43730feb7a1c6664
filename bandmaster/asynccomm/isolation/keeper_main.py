"""The keeper: a process with one thread that makes, watches and ends the children of a worker.

It is an entry of `bandmaster.asynccomm.child`. It never loads what the user wrote.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import socket
import sys
import time
from pathlib import Path

from bandmaster.asynccomm.child import read_task
from bandmaster.asynccomm.forks import own
from bandmaster.asynccomm.isolation import child_main
from bandmaster.asynccomm.isolation.memory import can_find, descendants
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

__all__ = ["main"]

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_TO_WRITE_DOWN = 0.05  # seconds that a child gets to say where it is
_TO_SWEEP = 1.0
_TO_LEAVE = 10.0
_EASY_PREY = 300  # of 1000: with no memory left the kernel shall take a child, and not its worker


def main(line: socket.socket) -> None:
    """Be the keeper; in a child that it forks, be the child."""
    task = read_task(line)
    keeper = _Keeper(own(line))
    seat = keeper.serve()
    if seat is not None:
        del keeper
        sys.exit(child_main.run(task, *seat))


_Seat = tuple[socket.socket, int]


class _Keeper:
    def __init__(self, line: socket.socket) -> None:
        self._line = line
        self._pid = os.getpid()
        self._number, self._child = 0, 0  # of the child that lives, 0 when there is none
        # What ends a worker in good order is said over its line; until then its children work.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        self._wake, self._waker = os.pipe()
        for descriptor in (self._wake, self._waker):
            os.set_blocking(descriptor, False)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        # Orphans of a child's children become ours, so that they can be found.
        self._finds_all = _prctl(_PR_SET_CHILD_SUBREAPER, 1) and can_find()
        self._ended = select.poll()  # tells that something has ended
        self._ended.register(self._wake, select.POLLIN)
        self._poller = select.poll()
        self._poller.register(self._wake, select.POLLIN)
        self._poller.register(line, select.POLLIN)

    def serve(self) -> _Seat | None:
        """Do what the worker says until it is gone; in a child that was forked, its seat."""
        while True:
            for descriptor, _ in self._poller.poll():
                if descriptor == self._wake:
                    self._collect()
                    continue
                record = receive(self._line)
                if record is None:
                    self._leave()
                    return None
                if record.kind == MAKE:
                    seat = self._make(record)
                    if seat is not None:
                        return seat
                elif record.number == self._number and self._child:
                    self._kill(dump=record.kind == DUMP)
                else:
                    assert record.kind in (KILL, DUMP)  # of one that is gone already

    def _make(self, record: Record) -> _Seat | None:
        data, dump = record.descriptors
        self._clear()
        pid = os.fork()
        if pid == 0:
            self._become_child()
            return socket.socket(fileno=data), dump
        os.close(data)
        os.close(dump)
        self._number, self._child = record.number, pid
        self._tell(Record(MADE, record.number, pid))
        return None

    def _clear(self) -> None:
        """See to it that a child which is being replaced, and what it has left, is gone."""
        deadline = time.monotonic() + _TO_LEAVE
        while self._child:
            os.kill(self._child, signal.SIGKILL)
            self._ended.poll(100)
            self._collect()
            if time.monotonic() > deadline:
                sys.exit("a child cannot be ended: its keeper gives up")  # another one is started

    def _become_child(self) -> None:
        os.setsid()
        if _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) and os.getppid() != self._pid:
            os._exit(1)  # the keeper died before it could be said
        signal.set_wakeup_fd(-1)
        os.close(self._wake)
        os.close(self._waker)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with contextlib.suppress(OSError, ValueError):
            file = Path("/proc/self/oom_score_adj")
            file.write_text(str(max(int(file.read_text()), _EASY_PREY)), encoding="ascii")

    def _kill(self, *, dump: bool) -> None:
        if dump:
            os.kill(self._child, signal.SIGQUIT)
            self._ended.poll(_TO_WRITE_DOWN * 1000)
        os.kill(self._child, signal.SIGKILL)  # a zombie at worst: only `_collect` reaps

    def _collect(self) -> None:
        """Reap what has ended; when it is the child, end what it has left as well."""
        code = self._reap()
        if code is not None:
            number, child = self._number, self._child
            self._number, self._child = 0, 0
            self._end_group(child)
            self._sweep(_TO_SWEEP)
            self._tell(Record(ENDED, number, code))

    def _reap(self) -> int | None:
        """Reap all that has ended; return the child's exit code when it is among them."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self._wake, 512):
                pass  # what ends from here on says so again
        code = None
        with contextlib.suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    break
                if pid == self._child:
                    code = os.waitstatus_to_exitcode(status)
        return code

    def _sweep(self, seconds: float) -> None:
        """End what is left of a child's descendants."""
        deadline = time.monotonic() + seconds
        while True:
            self._reap()
            left = descendants(self._pid)
            if not left or time.monotonic() > deadline:
                return
            for pid in left:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            self._ended.poll(5)

    def _end_group(self, child: int) -> None:
        """End a child's descendants where they cannot be found, as far as they stayed with it."""
        if not self._finds_all:
            with contextlib.suppress(OSError):
                os.killpg(child, signal.SIGKILL)

    def _leave(self) -> None:
        """Leave nothing behind."""
        if self._child:
            os.kill(self._child, signal.SIGKILL)
            self._end_group(self._child)
        self._sweep(_TO_LEAVE)

    def _tell(self, record: Record) -> None:
        with contextlib.suppress(OSError):  # the worker is gone: the line says so next
            send(self._line, record)


def _prctl(option: int, value: int) -> bool:
    """Ask the Linux kernel for something; False elsewhere."""
    if not sys.platform.startswith("linux"):
        return False
    return bool(_LIBC.prctl(option, value, 0, 0, 0) == 0)


_LIBC = ctypes.CDLL(None, use_errno=True)
