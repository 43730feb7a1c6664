"""Ctrl-C and SIGTERM while something runs: the first one drains it, the second one ends it."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Collection
from types import CodeType, FrameType
from typing import Any

from bandmaster.core.seconds import check_seconds

__all__ = ["SIGTERM_GRACE", "Interrupted", "Interrupts", "signal_main_thread", "terminate"]

logger = logging.getLogger(__name__)

SIGTERM_GRACE = 10.0
"""Seconds that SIGTERM leaves to what runs, by default."""

_TO_RETURN = 1.0  # seconds for what drains and ends, once the block is over
_NAMES = {signal.SIGINT: "Ctrl-C", signal.SIGTERM: "SIGTERM"}


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


def terminate(signum: int, _frame: FrameType | None) -> None:
    """Raise `Interrupted`: what a program may set as its handler, to be replaced during a run."""
    raise Interrupted(signum)


def signal_main_thread(signum: int) -> None:
    """Send a signal to the main thread, which it also wakes from what it waits for."""
    ident = threading.main_thread().ident
    assert ident is not None
    signal.pthread_kill(ident, signum)


class Interrupts:
    """Replaces the usual handlers of SIGINT and SIGTERM for the time of a ``with`` block.

    The first signal asks to drain: `draining` is true from then on, and `drain` is called. A
    second one raises in the main thread; so does the end of SIGTERM's grace.

    Parameters
    ----------
    what : str
        What is interrupted, for the log.
    drain : callable, optional
        Gets the signal's name, in a thread of its own. It shall see to it that the block ends soon.
    end : callable, optional
        Gets the exception, in a thread of its own, when it cannot be raised in `unsafe` code.
    hurry : callable, optional
        Whether the first signal shall be treated as a second one.
    sigterm_grace : float, optional
        Seconds from SIGTERM to the end of it all; None is no limit. Default: 10.
    keyboard_interrupt : bool, default True
        Whether a second Ctrl-C raises KeyboardInterrupt, or Interrupted.
    unsafe : collection of code objects
        Functions in which nothing may be raised, nor in what they call.
    enabled : bool, default True
        False leaves all handlers as they are.

    Attributes
    ----------
    signum : int or None
        The first signal.

    Raises
    ------
    SystemExit
        At the end of the block, instead of `Interrupted`, with the code that shells expect.

    Notes
    -----
    In another thread than the main one nothing changes, and a handler that the user has set is
    left alone. The handlers of before are restored, and work in processes that are forked.
    """

    def __init__(
        self,
        what: str,
        *,
        drain: Callable[[str], object] | None = None,
        end: Callable[[BaseException], object] | None = None,
        hurry: Callable[[], bool] | None = None,
        sigterm_grace: float | None = SIGTERM_GRACE,
        keyboard_interrupt: bool = True,
        unsafe: Collection[CodeType] = (),
        enabled: bool = True,
    ) -> None:
        check_seconds("sigterm_grace", sigterm_grace)
        self.signum: int | None = None
        self.draining = False
        self._what = what
        self._on_drain, self._on_end, self._hurry = drain, end, hurry
        self._grace = sigterm_grace
        self._keyboard_interrupt = keyboard_interrupt
        self._unsafe = frozenset(unsafe)
        self._enabled = enabled
        self._before: dict[int, Any] = {}
        self._threads: list[threading.Thread] = []
        self._over = threading.Event()
        self._closed = False
        self._handling = False
        self._late: int | None = None
        self._kept: BaseException | None = None

    def connect(
        self, drain: Callable[[str], object], end: Callable[[BaseException], object]
    ) -> None:
        """Say what to call when that is known only inside the block; at once if it is due."""
        self._on_drain, self._on_end = drain, end
        if self.draining:
            drain(self.name)

    @property
    def name(self) -> str:
        """What the first signal is called; only when there was one."""
        return _NAMES.get(signal.Signals(self.signum or 0), str(self.signum))

    def check(self) -> None:
        """Raise what could not be raised where it came."""
        if self._kept is not None:
            raise self._kept

    def __enter__(self) -> Interrupts:
        if self._enabled and threading.current_thread() is threading.main_thread():
            usual: dict[int, tuple[Any, ...]] = {
                signal.SIGINT: (signal.default_int_handler,),
                signal.SIGTERM: (signal.SIG_DFL, terminate),
            }
            for signum, handlers in usual.items():
                before = signal.getsignal(signum)
                if before in handlers:
                    self._before[signum] = before
                    signal.signal(signum, self._handle)
            _active.append(self)
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        self._closed = True  # from here on a signal changes nothing
        self._over.set()
        # Soon: who waits for what the main thread has would keep it from ever hearing Ctrl-C again.
        deadline = time.monotonic() + _TO_RETURN
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        for signum, handler in self._before.items():
            signal.signal(signum, handler)
        if self in _active:
            _active.remove(self)
        if isinstance(error, Interrupted):
            raise SystemExit(error.exit_code) from None

    # -- in the main thread, between any two instructions ------------------------------------------

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        if self._closed:
            return
        if self._handling:  # one that came while the last one is dealt with has to wait for that
            self._late = signum
            return
        self._handling = True
        try:
            self._react(signum, frame)
        finally:
            self._handling = False
        if self._late is not None:
            signum, self._late = self._late, None
            self._handle(signum, frame)

    def _react(self, signum: int, frame: FrameType | None) -> None:
        if self.signum is None:
            self.signum = signum
        if not self.draining and not (self._hurry is not None and self._hurry()):
            self.draining = True
            self._in_thread(self._drain)
            return
        self.draining = True
        error = (
            KeyboardInterrupt()
            if signum == signal.SIGINT and self._keyboard_interrupt
            else Interrupted(signum)
        )
        if self._kept is None and self._is_unsafe(frame):
            self._kept = error
            if self._on_end is not None:
                self._in_thread(self._end)
            return
        raise error  # a third one also where it is unsafe: better than to hang

    def _is_unsafe(self, frame: FrameType | None) -> bool:
        while frame is not None:
            if frame.f_code in self._unsafe:
                return True
            frame = frame.f_back
        return False

    def _in_thread(self, work: Callable[[], None]) -> None:
        # Whatever takes a lock would wait for ever if the main thread, which is here, has it.
        thread = threading.Thread(target=work, name=f"signal-{self.name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    # -- in threads ----------------------------------------------------------------------------

    def _drain(self) -> None:
        limit = self._grace if self.signum == signal.SIGTERM else None
        logger.warning(
            "%s is interrupted (%s): it starts nothing new and waits%s for what is running; "
            "a second time ends it at once",
            self._what, self.name, "" if limit is None else f" {limit:g} s",
        )  # fmt: skip
        if self._on_drain is not None:
            self._on_drain(self.name)
        if limit is not None and not self._over.wait(limit):
            logger.warning("%s is ended: %s came %g s ago", self._what, self.name, limit)
            signal_main_thread(signal.SIGTERM)

    def _end(self) -> None:
        assert self._on_end is not None
        assert self._kept is not None
        self._on_end(self._kept)


# -- forks ---------------------------------------------------------------------------------------

_active: list[Interrupts] = []
_masks = threading.local()


def _before_fork() -> None:
    # A signal that comes for the child before its handlers are restored has to wait: Python drops
    # what came until it runs there, and `terminate` of a multiprocessing.Process would be lost.
    if _active:
        _masks.before = signal.pthread_sigmask(signal.SIG_BLOCK, _NAMES)


def _after_fork_in_parent() -> None:
    before = _masks.__dict__.pop("before", None)
    if before is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _after_fork_in_child() -> None:
    """Let signals mean in a fork, e.g. of multiprocessing, what they meant before."""
    if threading.current_thread() is threading.main_thread():  # as the forking thread is there
        for interrupts in reversed(_active):
            for number, handler in interrupts._before.items():
                signal.signal(number, signal.SIG_DFL if handler is terminate else handler)
    _active.clear()
    _after_fork_in_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_after_fork_in_parent,
        after_in_child=_after_fork_in_child,
    )
