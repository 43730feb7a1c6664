"""What a process has open: threads, child processes, file descriptors."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

# Libraries keep these for the life of the process; none is ours.
_KEPT_CHILDREN = ("resource_tracker", "forkserver", "loky")
_KEPT_THREADS = ("QueueManagerThread", "ExecutorManagerThread", "QueueFeederThread", "tqdm_monitor")
_KEPT_FILES = ("anon_inode:[eventpoll]",)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What was open at one moment.

    Parameters
    ----------
    threads : frozenset of int
        Thread idents.
    children : frozenset of int
        Process ids.
    files : dict of int to str
        What each descriptor points to, e.g. ``socket:[4711]``.
    """

    threads: frozenset[int | None]
    children: frozenset[int]
    files: dict[int, str]

    @classmethod
    def take(cls) -> Snapshot:
        """Look around."""
        gc.collect()
        gc.freeze()  # what is there by now: to look through it after each test would take seconds
        return cls(
            frozenset(t.ident for t in threading.enumerate()),
            frozenset(_children()),
            _files(),
        )

    def leaks(self, *, within: float) -> list[str]:
        """Return a line for each thing opened since that is still open after `within` seconds."""
        deadline = time.monotonic() + within
        while True:
            found = self._compare()
            if not found or time.monotonic() > deadline:
                return found
            time.sleep(0.05)

    def _compare(self) -> list[str]:
        gc.collect()
        new_threads = [
            f"thread {t.name}{' (daemon)' if t.daemon else ''}"
            for t in threading.enumerate()
            if t.ident not in self.threads and not t.name.startswith(_KEPT_THREADS)
        ]
        children = {pid: _command(pid) for pid in _children() if pid not in self.children}
        new_children = [
            f"process {pid}: {command}"
            for pid, command in children.items()
            if not any(word in command for word in _KEPT_CHILDREN)
        ]
        kept_children = len(children) > len(new_children) or _has_pool()
        new_files = [
            f"descriptor {fd} → {target}"
            for fd, target in _files().items()
            if self.files.get(fd) != target
            and target not in _KEPT_FILES
            and ("socket:" in target or "eventfd" in target or "pipe:" in target)
            # A tracker or a pool that stays keeps the pipes to it.
            and not (kept_children and "pipe:" in target)
        ]
        return new_threads + new_children + new_files


def _has_pool() -> bool:
    """Whether joblib keeps a pool, as it does for the life of a process."""
    loky = sys.modules.get("joblib.externals.loky.reusable_executor")
    return loky is not None and loky._executor is not None


def _children() -> list[int]:
    """Return the child processes that have not ended, of all threads."""
    found = []
    for children in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):  # the thread is gone
            found += [int(pid) for pid in children.read_text().split()]
    return [pid for pid in found if not _is_zombie(pid)]


def _is_zombie(pid: int) -> bool:
    with contextlib.suppress(OSError):
        # comm may hold spaces and brackets, so look behind the last bracket.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    except OSError:
        return "(gone)"


def _files() -> dict[int, str]:
    found = {}
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
    return found
