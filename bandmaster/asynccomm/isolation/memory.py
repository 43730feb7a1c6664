"""How much memory the descendants of a process use. Linux only."""

from __future__ import annotations

import contextlib
import os
import time

__all__ = ["MemoryWatch", "can_find", "can_measure", "descendants"]

_PAGE = os.sysconf("SC_PAGE_SIZE")
# How fast memory can be filled at most: one core writes 1 to 2 GB/s of fresh pages, some of them
# together hardly more than this.
_FASTEST = 8 << 30
_SOONEST, _LATEST = 0.005, 0.5


def can_measure() -> bool:
    """Whether this system tells how much memory a process and its descendants use."""
    return can_find() and os.path.exists("/proc/self/statm")


def can_find() -> bool:
    """Whether `descendants` finds any: Linux can be built without what it reads."""
    return os.path.exists(f"/proc/self/task/{os.getpid()}/children")


def descendants(pid: int) -> list[int]:
    """Return the children of a process, and theirs, and so on; nothing where there is no /proc."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        folder = f"/proc/{waiting.pop()}/task"
        with contextlib.suppress(OSError):
            for thread in os.listdir(folder):
                with contextlib.suppress(OSError):
                    with open(f"{folder}/{thread}/children", "rb") as file:
                        children = list(map(int, file.read().split()))
                    waiting += children
                    found += children
    return found


class MemoryWatch:
    """Looks at the memory of a process's descendants, often enough and no more.

    Parameters
    ----------
    pid : int
        The process itself does not count.
    limit : int
        Bytes.

    Notes
    -----
    What counts is memory in use (resident pages), not addresses that are reserved, as RLIMIT_AS
    has it: a GPU's driver reserves hundreds of gigabytes. Pages that processes share are counted
    once when it matters. The next look is due when the limit could be reached at the earliest.
    """

    def __init__(self, pid: int, limit: int) -> None:
        self._pid = pid
        self.limit = limit
        self.used = 0
        self.n_processes = 0
        self.due = 0.0
        self.look()
        self._at_first = self.used

    def look(self) -> bool:
        """Measure; True when it is too much. `due` is the monotonic time of the next look."""
        pids = descendants(self._pid)
        self.n_processes = len(pids)
        self.used = sum(map(_resident, pids))
        if self.used > self.limit and len(pids) > 1:
            # Forked processes share most of their pages.
            self.used = sum(map(_proportional, pids))
        headroom = max(0, self.limit - self.used)
        self.due = time.monotonic() + min(max(headroom / _FASTEST, _SOONEST), _LATEST)
        return self.used > self.limit

    def is_crowded(self) -> bool:
        """Whether half of what was free at first is in use now, with nothing to do.

        What evaluations leave behind shall not make a later one break the limit.
        """
        if time.monotonic() >= self.due:
            self.look()
        return 2 * (self.used - self._at_first) > self.limit - self._at_first


def _resident(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0  # it has ended


def _proportional(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            for line in file:
                if line.startswith(b"Pss:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass  # it has ended, or the kernel is older than 4.14
    return _resident(pid)
