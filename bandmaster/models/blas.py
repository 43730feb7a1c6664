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

_Before = list[tuple[Any, int]]  # controllers of libraries, and how many threads they had


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Return a context in which BLAS uses no threads of its own.

    A proposal multiplies small matrices. While the machine's cores are busy with evaluations, BLAS
    waits there for its other threads, each time for a turn of the scheduler: 50 ms instead of 0.1.
    Proposals are also the same then on machines with other numbers of cores. It costs 40 µs, 7
    where there is one thread anyway. A pool of threads that the process shares is limited until the
    last thread that is inside has left. Where another thread has set a limit meanwhile, that stays.
    """
    mine = _limit.enter()
    try:
        yield
    finally:
        _limit.leave(mine)


class _Limit:
    """What all threads inside share."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._n_inside = 0
        self._shared: _Before = []

    def enter(self) -> _Before:
        """Limit all libraries; return those of which each thread has its own limit."""
        mine: _Before = []
        with self.lock:
            for library in _controller("scipy.linalg" in sys.modules).lib_controllers:
                n = library.num_threads
                # Also when others are inside: a library may have come since, or its limit gone.
                if n != 1:
                    library.set_num_threads(1)
                    if library.num_threads == 1:
                        (self._shared if _is_shared(library) else mine).append((library, n))
            self._n_inside += 1
        return mine

    def leave(self, mine: _Before) -> None:
        """Restore what `enter` returned, and if nobody is left inside what is shared."""
        with self.lock:
            for library, n in mine:
                library.set_num_threads(n)
            self._n_inside -= 1
            if self._n_inside:
                return
            for library, n in reversed(self._shared):
                if library.num_threads == 1:
                    # The thread that set the limit may be another: who sets it first owns it.
                    library.clear_controlling_thread(force=True)
                    library.set_num_threads(n)
                library.clear_controlling_thread()
            self._shared.clear()


def _is_shared(library: Any) -> bool:
    """Return whether a library has one pool for all threads: OpenBLAS on its own threads."""
    return bool(library.internal_api == "openblas" and library.threading_layer != "openmp")


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
