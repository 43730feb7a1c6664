"""Who runs a worker's evaluations: in its own thread, or elsewhere."""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod

from bandmaster.core.clock import Clock, SystemClock
from bandmaster.core.context import Context
from bandmaster.core.evaluate import Objective, evaluate
from bandmaster.core.job import Job
from bandmaster.core.outcome import Outcome

__all__ = ["Evaluator", "InProcess"]


class Evaluator(ABC):
    """Runs the evaluations of one worker, one at a time.

    `start`, `run` and `close` are called from one thread, in this order. `cancel` may be called
    from any thread, at any time, and from a signal handler.
    """

    @abstractmethod
    def start(self) -> None:
        """Get ready; what takes long may go on while this thread does something else.

        Raises
        ------
        CommError
            When the system refuses what is needed.
        """

    @abstractmethod
    def run(self, job: Job, context: Context) -> Outcome:
        """Evaluate a job; whatever happens to the evaluation is in the outcome.

        Who can end an evaluation does not begin one whose context is `cancelled` already.

        Raises
        ------
        BaseException
            What the evaluation raised and the worker is not to catch.
        ConfigurationError
            When no evaluation can be run at all.
        """

    @abstractmethod
    def cancel(self, reason: str) -> bool:
        """End the evaluation that is running, if that can be done from outside.

        Returns
        -------
        bool
            Whether it is being ended; its outcome has status STOPPED then, unless it was over.
        """

    @abstractmethod
    def close(self) -> None:
        """Free what it holds."""


class InProcess(Evaluator):
    """Evaluates in the calling thread.

    Parameters
    ----------
    objective : Objective
    catch : tuple of exception types
        As in `evaluate`.
    clock : Clock, optional
        Stamps the outcomes.
    """

    def __init__(
        self,
        objective: Objective,
        *,
        catch: tuple[type[BaseException], ...] = (Exception, SystemExit),
        clock: Clock | None = None,
    ) -> None:
        self._objective = objective
        self._catch = catch
        self._clock = clock or SystemClock()

    def start(self) -> None:
        """Nothing is needed."""

    def run(self, job: Job, context: Context) -> Outcome:
        """Evaluate a job."""
        process = os.getpid()
        try:
            return evaluate(self._objective, job, context, self._clock, catch=self._catch)
        finally:
            if os.getpid() != process:
                _leave_fork()

    def cancel(self, reason: str) -> bool:
        """Return False: a thread cannot be ended. Evaluations may look at ``should_stop``."""
        return False

    def close(self) -> None:
        """Nothing is held."""


def _leave_fork() -> None:
    """End a copy of this process that an evaluation has forked and let return.

    It would go on as a second worker of the same name, or a second search, with the same job.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            continue
    os._exit(0)
