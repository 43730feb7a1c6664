"""The evaluator that runs evaluations in a child process."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any, NoReturn

from bandmaster.asynccomm.child import dump, load
from bandmaster.asynccomm.isolation import endings
from bandmaster.asynccomm.isolation.answers import answer
from bandmaster.asynccomm.isolation.channel import (
    DONE,
    FATAL,
    FETCH,
    KEEP,
    LOG,
    READY,
    REPORT,
    WHERE,
)
from bandmaster.asynccomm.isolation.checkpoints import Desk
from bandmaster.asynccomm.isolation.keeper import Inmate, Keeper
from bandmaster.asynccomm.isolation.logs import level_to_forward, replay
from bandmaster.asynccomm.isolation.memory import MemoryWatch, can_measure
from bandmaster.core.clock import SystemClock
from bandmaster.core.context import Context
from bandmaster.core.evaluate import Objective
from bandmaster.core.evaluator import Evaluator
from bandmaster.core.isolation import Isolation
from bandmaster.core.job import Job
from bandmaster.core.outcome import Outcome
from bandmaster.errors import BandmasterError, CommError, ConfigurationError

__all__ = ["Isolated"]

logger = logging.getLogger(__name__)

_MOST_FALSE_STARTS = 3
_TO_LOAD = 60.0  # seconds, when there is a time limit at all
_TO_DIE = 10.0
_TO_END = 2.0  # from hanging up to being gone
_TO_LEAVE = 2.0


class Isolated(Evaluator):
    """Evaluates in a child process, which may die; another one is made then.

    Parameters
    ----------
    objective : Objective
        Goes to the child by cloudpickle, now: what it changes in itself later stays in the child.
    isolation : Isolation
        The limits.
    catch : tuple of exception types
        What makes an evaluation fail; anything else is raised by `run`.
    what : str
        What the objective is, for messages.

    Raises
    ------
    ConfigurationError
        When the objective cannot be sent to another process, or there is a memory limit and this
        system does not tell how much memory a process uses.
    """

    def __init__(
        self,
        objective: Objective,
        *,
        isolation: Isolation,
        catch: tuple[type[BaseException], ...] = (Exception, SystemExit),
        what: str = "the objective",
    ) -> None:
        if isolation.memory_limit is not None and not can_measure():
            raise ConfigurationError(
                "memory_limit needs Linux, where /proc tells which processes somebody has started "
                "(CONFIG_PROC_CHILDREN) and how much memory they use"
            )
        self._task = dump((objective, catch, level_to_forward()), what)
        self._limits = isolation
        self._clock = SystemClock()
        self._lock = threading.RLock()  # reentrant: signal handlers cancel, too
        self._keeper: Keeper | None = None
        self._inmate: Inmate | None = None
        self._busy = False
        self._verdict: Callable[[Inmate], Outcome] | None = None
        self._ended_at = 0.0
        self._watch: MemoryWatch | None = None
        self._oom_kills = 0

    def start(self) -> None:
        """Start the child, which loads the objective while others do something else."""
        self._make()

    def run(self, job: Job, context: Context) -> Outcome:
        """Evaluate a job."""
        with self._lock:
            self._busy, self._verdict = True, None
            cancelled = context.cancelled  # before we were busy; from now on `cancel` ends it
        began = self._clock()
        try:
            if cancelled:
                raise _Over(endings.cancelled(cancelled))
            inmate = self._ready()
            began = self._clock()
            with contextlib.closing(Desk(context.checkpoints)) as desk:
                outcome = self._evaluate(inmate, job, context, desk)
        except _Over as over:
            outcome = over.outcome.timed(began, self._clock(), context.worker)
        except BaseException:
            self._discard()
            raise
        finally:
            with self._lock:
                self._busy = False
                if self._verdict is not None:
                    self._discard()  # it is being ended, although it had just said how it went
        if self._inmate is None:
            with contextlib.suppress(CommError):  # the next job hears of it
                self.start()  # it loads the objective while the outcome is handed over
        return outcome

    def cancel(self, reason: str) -> bool:
        """End the evaluation that is running; True when there is one."""
        with self._lock:
            if self._busy:
                self._end(lambda _: endings.cancelled(reason))
            return self._busy

    def close(self) -> None:
        """End the child: in good order when it is idle and does so within 2 s."""
        with self._lock:
            keeper, self._keeper = self._keeper, None
            inmate, self._inmate = self._inmate, None
        if keeper is not None:
            keeper.close(inmate, _TO_LEAVE if inmate is not None and inmate.ready else 0.0)

    # -- from job to outcome --------------------------------------------------------------------

    def _evaluate(self, inmate: Inmate, job: Job, context: Context, desk: Desk) -> Outcome:
        limit, watch = self._limits.time_limit, self._watch
        deadline = None if limit is None else time.monotonic() + limit
        asking: threading.Thread | None = None
        with contextlib.suppress(OSError):  # it has died: the keeper says so next
            inmate.channel.send(job.to_wire(), context.worker, context.working_directory)
        while True:
            match self._next(inmate, deadline, watch):
                case (str() as kind, list(fields), bool(fit)) if kind == DONE:
                    try:
                        outcome = Outcome.from_wire(fields)
                    except (TypeError, ValueError, IndexError):
                        self._end(lambda _: endings.garbled())
                        continue
                    if asking is not None:
                        asking.join()  # the child gets that answer before the next job
                    if not fit or (watch is not None and watch.is_crowded()):
                        logger.debug("job %d has left things behind: a new process", job.number)
                        self._discard()
                    return outcome
                case (str() as kind, *_) as message if kind in (REPORT, WHERE, KEEP, FETCH):
                    if deadline is None and watch is None:
                        answer(inmate.channel, context, desk, *message)
                        continue
                    # A master that is gone may take minutes, and the limits hold meanwhile.
                    asking = threading.Thread(
                        target=answer, args=(inmate.channel, context, desk, *message),
                        name="answer", daemon=True,
                    )  # fmt: skip
                    asking.start()
                case (str() as kind, str(text), bytes() | None as pickled) if kind == FATAL:
                    _raise(text, pickled)
                case _:
                    self._end(lambda _: endings.garbled())

    def _next(
        self, inmate: Inmate, deadline: float | None, watch: MemoryWatch | None
    ) -> tuple[Any, ...]:
        """Return what the child says next; raise _Over when it has ended, whatever of."""
        while True:
            try:
                message = inmate.channel.take()
                if message is not None and message[0] == LOG:
                    replay(*message[1:])
                    continue
            except (BandmasterError, TypeError, ValueError):
                self._end(lambda _: endings.garbled())
                message = None
            if message is not None and self._verdict is None:
                return message  # what it says in its last moments may come of a signal
            if inmate.code is not None:
                outcome = self._judge(inmate, inmate.code)
                self._forget()
                raise _Over(outcome)
            if self._verdict is None:
                wait = self._supervise(inmate, deadline, watch)
            else:
                wait = self._ended_at + _TO_DIE - time.monotonic()
            keeper = self._keeper
            if keeper is None or (wait is not None and wait < 0):
                outcome = self._judge(inmate, -signal.SIGKILL)
                self._abandon(inmate)
                raise _Over(outcome)
            if not keeper.wait(inmate, wait):
                self._abandon(inmate)
                if self._verdict is None:
                    raise _Over(endings.unwatched())

    def _supervise(
        self, inmate: Inmate, deadline: float | None, watch: MemoryWatch | None
    ) -> float | None:
        """End a child that breaks a limit; return how long nobody needs to look again."""
        now = time.monotonic()
        due = [] if deadline is None else [deadline]
        if deadline is not None and now >= deadline:
            limit = self._limits.time_limit if inmate.ready else None
            self._end(lambda ended: endings.too_long(limit, ended.crash_report()), dump=True)
            return _TO_DIE
        if watch is not None:
            if now >= watch.due and watch.look():
                outcome = endings.too_large(watch.limit, watch.used, watch.n_processes)
                self._end(lambda _: outcome)
                return _TO_DIE
            due.append(watch.due)
        if inmate.hung_up_at is not None:
            if now >= inmate.hung_up_at + _TO_END:
                self._end(lambda _: endings.garbled())
                return _TO_DIE
            due.append(inmate.hung_up_at + _TO_END)
        return max(0.0, min(due) - now) if due else None

    def _end(self, verdict: Callable[[Inmate], Outcome], *, dump: bool = False) -> None:
        """Have the child ended, for this reason unless there is one already."""
        with self._lock:
            if self._verdict is None:
                self._verdict, self._ended_at = verdict, time.monotonic()
                if self._keeper is not None and self._inmate is not None:
                    self._keeper.kill(self._inmate, dump=dump)

    def _judge(self, inmate: Inmate, code: int) -> Outcome:
        if self._verdict is not None:
            return self._verdict(inmate)
        kills = endings.out_of_memory_kills() - self._oom_kills
        return endings.crashed(code, inmate.crash_report(), kills)

    # -- making children and forgetting them ----------------------------------------------------

    def _ready(self) -> Inmate:
        """Return a child that has loaded the objective."""
        limit = self._limits.time_limit
        deadline = None if limit is None else time.monotonic() + max(limit, _TO_LOAD)
        n_starts = 0
        while True:
            inmate = self._make()
            if inmate.ready:
                if self._lives(inmate):
                    return inmate
                continue
            try:
                message = self._next(inmate, deadline, None)
            except _Over as over:
                if self._verdict is not None:
                    raise
                n_starts += 1
                logger.warning("While the objective was loaded, %s", over.outcome.error)
                if n_starts == _MOST_FALSE_STARTS:
                    raise ConfigurationError(
                        f"the objective cannot be loaded in a process of its own: {n_starts} in a "
                        f"row have ended; {over.outcome.error}"
                    ) from None
                continue
            if message[0] == READY:
                inmate.ready = True
                memory, keeper = self._limits.memory_limit, self._keeper
                if memory is not None and keeper is not None:
                    self._watch = MemoryWatch(keeper.pid, memory)
                return inmate
            raise ConfigurationError(
                f"the objective cannot be loaded in a process of its own:\n{message[-1]}"
            )

    def _lives(self, inmate: Inmate) -> bool:
        """Whether a child that had nothing to do is still there; its end costs no job then."""
        keeper = self._keeper
        if keeper is None or not keeper.wait(inmate, 0.0):
            self._abandon(inmate)
            return False
        if inmate.code is not None or inmate.hung_up_at is not None:
            self._discard()
            return False
        return True

    def _make(self) -> Inmate:
        """Return the child, made anew if there is none."""
        if self._inmate is None:
            self._oom_kills = endings.out_of_memory_kills()
            try:
                inmate = self._kept().make()
            except OSError:
                self._abandon(None)  # it was gone; with another one it works or it never does
                try:
                    inmate = self._kept().make()
                except OSError as error:
                    raise CommError(f"no process for evaluations can be made: {error}") from error
            with self._lock:
                self._inmate = inmate
                if self._verdict is not None and self._busy:
                    self._kept().kill(inmate)  # `cancel` came while there was nobody to be ended
        return self._inmate

    def _kept(self) -> Keeper:
        """Return the keeper, started anew if there is none."""
        if self._keeper is None:
            keeper = Keeper(self._task)
            keeper.start()
            self._keeper = keeper
        return self._keeper

    def _discard(self) -> None:
        """End the child, and wait for nothing."""
        if self._inmate is not None and self._keeper is not None:
            self._keeper.kill(self._inmate)
        self._forget()

    def _forget(self) -> None:
        with self._lock:
            inmate, self._inmate, self._watch = self._inmate, None, None
        if inmate is not None:
            inmate.close()

    def _abandon(self, inmate: Inmate | None) -> None:
        """Go on without a keeper that is gone, or that cannot end its child."""
        with self._lock:
            keeper, self._keeper = self._keeper, None
        if inmate is not None and inmate.pid:
            with contextlib.suppress(OSError):
                os.killpg(inmate.pid, signal.SIGKILL)
        self._forget()
        if keeper is not None:
            keeper.abandon()


class _Over(Exception):
    """The child has ended without an outcome; this one stands for it."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.error)
        self.outcome = outcome


def _raise(text: str, pickled: bytes | None) -> NoReturn:
    """Raise here what an evaluation raised there. It is our own process: unpickling is safe."""
    error: Any = None
    if pickled is not None:
        try:
            error = load(pickled)
        except Exception as problem:  # noqa: BLE001 - unpickling runs the user's code
            logger.debug("the exception cannot be unpickled: %s", problem)
    if not isinstance(error, BaseException):
        raise CommError(f"an evaluation ended its worker:\n{text}")
    raise error from RuntimeError(f"in the process of the evaluation:\n{text}")
