"""What watches a study from the driving thread: progress, incumbents, callbacks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from bandmaster.core.evaluation import Evaluation
from bandmaster.core.outcome import Status
from bandmaster.core.progress import NoProgress, Progress, Resizable
from bandmaster.errors import AllFailedError, ConfigurationError
from bandmaster.study.incumbent import IncumbentLog
from bandmaster.study.study import Study

__all__ = [
    "GRACE",
    "MAX_INITIAL_FAILURES",
    "Callback",
    "Follower",
    "check_callbacks",
    "check_failures",
]

Callback = Callable[[Study, Evaluation], None]

logger = logging.getLogger(__name__)

MAX_INITIAL_FAILURES = 10
"""After how many failures and no success a run is ended, unless it is told otherwise."""

GRACE = 1.0
"""Seconds that a run's timeout leaves to evaluations in worker processes of this machine."""


class Follower:
    """Shows each new evaluation of a study once, in order, to whoever wants to see it.

    Parameters
    ----------
    study : Study
    progress : Progress, optional
        Started by `start`, closed by `close`.
    callbacks : iterable of callable
        Called with (study, evaluation). To end the run, call ``study.stop("why")``. What a
        callback raises ends the run and passes to its caller.
    max_initial_failures : int, optional
        End the run when so many evaluations have failed and none has ever succeeded; those that
        were stopped count neither way. Default: never.

    Notes
    -----
    Not thread-safe: it belongs to the thread that drives the run.
    """

    def __init__(
        self,
        study: Study,
        *,
        progress: Progress | None = None,
        callbacks: Iterable[Callback] = (),
        max_initial_failures: int | None = None,
    ) -> None:
        check_failures(max_initial_failures)
        self._study = study
        self._most_failures = max_initial_failures
        self._failures = 0
        self._succeeded = any(e.ok and e.job >= 0 for e in study.history)
        self._progress: Progress = progress or NoProgress()
        self._callbacks = tuple(callbacks)
        self._next = len(study.history)
        self._shown = 0
        self._errors: set[str] = set()
        self._incumbents = IncumbentLog(study.history, study.objectives)

    def start(self, total: int | None) -> None:
        """Show that `total` evaluations are planned (None: unknown)."""
        self._progress.start(total)

    def catch_up(self) -> int:
        """Show what is new; return how many evaluations that were.

        Raises
        ------
        AllFailedError
            When the run begins with `max_initial_failures` failures.
        """
        history, first = self._study.history, self._next
        while self._next < len(history):
            evaluation = history[self._next]
            self._next += 1
            self._progress.update(evaluation)
            self._shown += 1
            self._incumbents(evaluation)
            if evaluation.ok:
                self._succeeded = True
            else:
                self._warn(evaluation)
            for callback in self._callbacks:
                callback(self._study, evaluation)
            if not self._succeeded and self._most_failures is not None:
                self._count(evaluation, self._most_failures)
        return self._next - first

    def _count(self, evaluation: Evaluation, most: int) -> None:
        self._failures += evaluation.status is not Status.STOPPED
        if self._failures >= most:
            raise AllFailedError(self._failures, evaluation.error or evaluation.status.value)

    def _warn(self, evaluation: Evaluation) -> None:
        """Log a failure: in full the first time, its last line when it comes again."""
        if evaluation.status is Status.STOPPED and not evaluation.error:
            return  # early stopping is no failure
        error = evaluation.error or ""
        seen = error in self._errors
        self._errors.add(error)
        logger.warning(
            "Evaluation %d (trial %d, budget %s) %s: %s",
            evaluation.job, evaluation.trial, evaluation.budget, evaluation.status.value,
            f"{error.strip().rpartition(chr(10))[2]} (as before)" if seen else error,
        )  # fmt: skip

    def close(self) -> None:
        """End the progress display; a search that has done all it could is shown as complete.

        How much that is, is a ceiling beforehand where trials may end early.
        """
        try:
            if isinstance(self._progress, Resizable):
                ending = self._study.ending
                if ending is not None and ending.complete:
                    self._progress.set_total(self._shown)
        finally:
            self._progress.close()


def check_callbacks(callbacks: object) -> tuple[Callback, ...]:
    """Return callbacks as a tuple.

    Raises
    ------
    ConfigurationError
        When it is no list of functions.
    """
    if isinstance(callbacks, Iterable) and not callable(callbacks):
        given = tuple(callbacks)
        if all(map(callable, given)):
            return given
    raise ConfigurationError(f"callbacks is a list of functions, got {callbacks!r}")


def check_failures(max_initial_failures: int | None) -> None:
    """Refuse what is no number of failures after which to end a run.

    Raises
    ------
    ConfigurationError
    """
    if max_initial_failures is not None and (
        type(max_initial_failures) is not int or max_initial_failures < 1
    ):
        raise ConfigurationError(
            f"max_initial_failures is a whole number ≥ 1 or None, got {max_initial_failures!r}"
        )
