"""Linear algebra in the calling thread alone."""

from __future__ import annotations

import contextlib
import functools
import sys
from typing import Any

__all__ = ["one_thread"]


def one_thread() -> contextlib.AbstractContextManager[object]:
    """Return a context in which BLAS uses no threads of its own.

    A proposal multiplies small matrices. While the machine's cores are busy with evaluations, BLAS
    waits there for its other threads, each time for a turn of the scheduler: 50 ms instead of 0.1.
    Proposals are also the same then on machines with other numbers of cores. It costs 30 µs, 2
    where there is one thread anyway. Where another thread has set a limit meanwhile, that stays.
    """
    controller = _controller("scipy.linalg" in sys.modules)
    if all(library.num_threads == 1 for library in controller.lib_controllers):
        return contextlib.nullcontext()
    limit: contextlib.AbstractContextManager[object] = controller.limit(limits=1)
    return limit


@functools.cache
def _controller(scipy: bool) -> Any:
    """Return who limits the libraries; SciPy brings one of its own, once it is loaded."""
    from threadpoolctl import ThreadpoolController  # 20 ms, which not all need

    return ThreadpoolController().select(user_api="blas")
