"""Linear algebra in the calling thread alone."""

from __future__ import annotations

import contextlib
import functools
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any

__all__ = ["one_thread"]


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Return a context in which BLAS uses no threads of its own.

    A proposal multiplies small matrices. While the machine's cores are busy with evaluations, BLAS
    waits there for its other threads, each time for a turn of the scheduler: 50 ms instead of 0.1.
    Proposals are also the same then on machines with other numbers of cores. It costs 40 µs, 7
    where there is one thread anyway. The limit is the process': it holds until the last thread that
    is inside has left.
    """
    _limit.enter()
    try:
        yield
    finally:
        _limit.leave()


class _Limit:
    """What all threads inside share."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._n_inside = 0
        self._limits = contextlib.ExitStack()

    def enter(self) -> None:
        with self.lock:
            controller = _controller("scipy.linalg" in sys.modules)
            # Also when others are inside: a library may have come since, or its limit gone.
            if any(library.num_threads != 1 for library in controller.lib_controllers):
                self._limits.enter_context(controller.limit(limits=1))
            self._n_inside += 1

    def leave(self) -> None:
        with self.lock:
            self._n_inside -= 1
            if not self._n_inside:
                self._limits.close()  # the last limit first, so that what was before the first is


_limit = _Limit()


def _renew_lock() -> None:
    """Let a fork go in while a thread of the parent was at the lock."""
    _limit.lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_lock)


@functools.cache
def _controller(scipy: bool) -> Any:
    """Return who limits the libraries; SciPy brings one of its own, once it is loaded."""
    from threadpoolctl import ThreadpoolController  # 20 ms, which not all need

    return ThreadpoolController().select(user_api="blas")
