"""Ctrl-C and SIGTERM in the main thread of a worker process."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

__all__ = ["Interrupted", "interruptible"]


class Interrupted(BaseException):
    """A signal asked this process to end. Not an Exception: no evaluation shall swallow it.

    Parameters
    ----------
    signum : int
        Which signal.
    """

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signum

    @property
    def exit_code(self) -> int:
        """As shells report it: 130 for SIGINT, 143 for SIGTERM."""
        return 128 + self.signum


@contextlib.contextmanager
def interruptible(asked: Callable[[str], None]) -> Iterator[None]:
    """Raise `Interrupted` in the main thread on SIGINT and SIGTERM, the first time.

    Handlers that the user set himself are left alone. In other threads nothing changes.

    Parameters
    ----------
    asked : callable
        Called first, from the signal handler, in case an evaluation swallows the exception.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    raised = False

    def handler(signum: int, _frame: FrameType | None) -> None:
        nonlocal raised
        if raised:
            return
        raised = True
        asked(signal.Signals(signum).name)
        raise Interrupted(signum)

    usual: dict[signal.Signals, Any] = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGTERM: signal.SIG_DFL,
    }
    ours = [number for number, default in usual.items() if signal.getsignal(number) is default]
    for number in ours:
        signal.signal(number, handler)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, usual[number])
