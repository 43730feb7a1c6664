"""Signals whose exception Python has dropped are sent again."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator

from bandmaster.interrupts import Interrupted, signal_main_thread

__all__ = ["sent_again"]

_SOON = 0.05  # seconds after which the main thread has left the function that drops exceptions


@contextlib.contextmanager
def sent_again() -> Iterator[None]:
    """Make Ctrl-C and SIGTERM heard that came where an exception has no effect.

    That is in ``__del__`` and in what weak references call. The garbage collector runs these
    between any two instructions, and Python writes "Exception ignored" and goes on.
    """
    threads: list[threading.Thread] = []
    before = sys.unraisablehook

    def hook(unraisable: sys.UnraisableHookArgs) -> None:
        signum = _signum(unraisable.exc_value)
        if signum is None:
            before(unraisable)
            return
        threads.append(threading.Timer(_SOON, signal_main_thread, (signum,)))
        threads[-1].start()

    sys.unraisablehook = hook
    try:
        yield
    finally:
        sys.unraisablehook = before
        for thread in threads:
            thread.join()  # its signal comes now at the latest


def _signum(error: BaseException | None) -> int | None:
    if isinstance(error, KeyboardInterrupt):
        return signal.SIGINT
    return error.signum if isinstance(error, Interrupted) else None
