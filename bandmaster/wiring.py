"""Putting a search together from names and options. The only place that does."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from bandmaster.checkpoints import Keep
from bandmaster.core.evaluate import Objective
from bandmaster.core.isolation import Isolation
from bandmaster.core.plan import Plan
from bandmaster.core.progress import NoProgress, Progress
from bandmaster.core.seconds import check_seconds
from bandmaster.errors import ConfigurationError, StudyError, StudyPoisonedError
from bandmaster.interrupts import SIGTERM_GRACE, Interrupts
from bandmaster.multifidelity import FlatIterGenerator, IterGenerator
from bandmaster.optimizers import Optimizer, get_optimizer
from bandmaster.progress import make_progress
from bandmaster.study.binding import check_generator
from bandmaster.study.critical import CRITICAL
from bandmaster.study.follower import (
    GRACE,
    MAX_INITIAL_FAILURES,
    Callback,
    Follower,
    check_callbacks,
    check_failures,
)
from bandmaster.study.forecast import forecast_study
from bandmaster.study.keeper import CheckpointKeeper, check_keeping
from bandmaster.study.study import Study

__all__ = [
    "STRATEGIES",
    "RunOptions",
    "choose_strategy",
    "count_jobs",
    "make_generator",
    "make_optimizer",
    "run",
]

logger = logging.getLogger(__name__)

STRATEGIES = ("AsyncComm", "MapReduce", "Serial")
"""The values of `parallel_strategy`."""


def make_optimizer(optimizer: str | Optimizer | type[Optimizer]) -> Optimizer:
    """Return an optimizer, given its name, its class or itself."""
    return get_optimizer(optimizer)


def make_generator(generator: IterGenerator | None) -> IterGenerator:
    """Return the iteration generator; None is a flat search at budget 1."""
    if generator is None:
        return FlatIterGenerator()
    check_generator(generator)
    return generator


def count_jobs(n_jobs: int) -> int:
    """Return a number of workers; negative counts back from the processors, -1 is all of them."""
    if not isinstance(n_jobs, int) or isinstance(n_jobs, bool) or n_jobs == 0:
        raise ConfigurationError(f"n_jobs must be a whole number ≥ 1, or -1, got {n_jobs!r}")
    if n_jobs > 0:
        return n_jobs
    available = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    return max(1, available + 1 + n_jobs)


def choose_strategy(
    strategy: str,
    n_jobs: int,
    *,
    flat: bool,
    auto_identify_serial: bool = True,
    isolated: bool = False,
    job_timeout: float | None = None,
    reports: bool = False,
) -> str:
    """Return the parallel strategy to use.

    Parameters
    ----------
    strategy : {"AsyncComm", "MapReduce", "Serial"}
    n_jobs : int
        At least 1.
    flat : bool
        Whether no iteration generator was given.
    auto_identify_serial : bool, default True
        Whether one job without an iteration generator means Serial.
    isolated : bool, default False
        Whether evaluations are to run in processes of their own, which AsyncComm alone does.
    job_timeout : float, optional
        Likewise: who runs an evaluation itself cannot give it up.
    reports : bool, default False
        Whether the generator decides by what evaluations report, which batches do not.

    Raises
    ------
    ConfigurationError
        When there is no such strategy, or it cannot do what is wanted; it names the one that can.
    """
    by_lower = {name.lower(): name for name in STRATEGIES}
    if not isinstance(strategy, str) or strategy.lower() not in by_lower:
        raise ConfigurationError(
            f"no parallel strategy {strategy!r}; there are {', '.join(STRATEGIES)}"
        )
    chosen = by_lower[strategy.lower()]
    if chosen == "Serial" and n_jobs > 1:
        raise ConfigurationError(
            f"parallel_strategy='Serial' runs one evaluation at a time, but n_jobs={n_jobs}: "
            "use parallel_strategy='AsyncComm' (or 'MapReduce')"
        )
    wanted = "isolate=True" if isolated else "job_timeout" if job_timeout is not None else None
    if wanted is not None:
        if chosen != "AsyncComm":
            raise ConfigurationError(
                f"{wanted} needs parallel_strategy='AsyncComm', not {chosen!r}"
            )
        return chosen
    if auto_identify_serial and n_jobs == 1 and flat:
        return "Serial"
    if reports and chosen == "MapReduce":
        raise ConfigurationError(
            "this iteration generator decides by what evaluations report while they run, and "
            "batches report nothing: use parallel_strategy='AsyncComm', not 'MapReduce'"
        )
    return chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """How a study is to be run; `fmin` and `Study.optimize` describe what each of these means.

    Looked at when it is made, which is before there is a study or anything starts.

    Parameters
    ----------
    strategy : str
        The one that was chosen (`choose_strategy`).
    n_jobs : int

    Raises
    ------
    ConfigurationError
        When one of them is wrong.
    """

    strategy: str
    n_jobs: int = 1
    timeout: float | None = None
    grace: float | None = GRACE
    job_timeout: float | None = None
    catch: tuple[type[BaseException], ...] = (Exception, SystemExit)
    callbacks: Iterable[Callback] = ()
    progress: Progress | Callable[[], Progress] | bool | None = None
    isolation: Isolation | None = None
    max_initial_failures: int | None = MAX_INITIAL_FAILURES
    handle_signals: bool = True
    sigterm_grace: float | None = SIGTERM_GRACE
    checkpoint_store: str | os.PathLike[str] | None = None
    keep_checkpoints: Keep | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "callbacks", check_callbacks(self.callbacks))
        object.__setattr__(self, "catch", _check_catch(self.catch))
        check_seconds("timeout", self.timeout)
        check_seconds("grace", self.grace)
        check_seconds("job_timeout", self.job_timeout, zero=False)
        check_seconds("sigterm_grace", self.sigterm_grace)
        check_failures(self.max_initial_failures)
        check_keeping(self.checkpoint_store, self.keep_checkpoints)

    def check(
        self, function: Callable[..., Any], plan: Plan, generator: IterGenerator
    ) -> Objective:
        """Look at what is to be evaluated, and whether that ends; return the objective.

        Raises
        ------
        ConfigurationError
            When nothing would end it, or the objective does not fit.
        """
        ends = plan.bounded or self.timeout is not None or plan.target_loss is not None
        if not ends and not self.callbacks:
            raise ConfigurationError(
                "nothing would ever end this search: give n_trials, n_evaluations, n_iterations "
                "or timeout"
            )
        objective = Objective(function)
        unknown = objective.budget_by_place
        if unknown is not None and generator.get_budgets() == (1.0,):  # nobody asked for budgets
            raise ConfigurationError(objective.refusal(unknown))
        wanted = self.checkpoint_store is not None or self.keep_checkpoints is not None
        if wanted and not self.keeps_checkpoints(objective):
            raise ConfigurationError(
                "checkpoint_store and keep_checkpoints are for an objective that has a parameter "
                f"'context' and runs Serial or AsyncComm, not for {function!r} with {self.strategy}"
            )
        return objective

    def keeps_checkpoints(self, objective: Objective) -> bool:
        """Whether evaluations can save states."""
        return objective.takes_context and self.strategy != "MapReduce"


def run(
    study: Study, function: Callable[..., Any], options: RunOptions, *, beside: str | None = None
) -> None:
    """Run a study that has its plan to its end.

    Parameters
    ----------
    beside : str, optional
        The URL of its storage.

    Raises
    ------
    ConfigurationError
        When nothing would end it, or the objective does not fit; before anything starts.
    AllFailedError
        When the first `max_initial_failures` evaluations have all failed.
    StorageError
        When the storage will not keep what happens, or another one has taken the study.
    KeyboardInterrupt, SystemExit
        When a second signal, or the end of SIGTERM's grace, ended it.
    """
    o, strategy = options, options.strategy
    objective = o.check(function, study.plan, study.generator)
    budgets = study.generator.get_budgets()
    expected = forecast_study(study)
    ends = objective.takes_budget or study.generator.needs_reports  # at its budget
    if not ends and len(budgets) > 1:
        logger.warning(
            "%r takes no budget, so it costs the same at each of the budgets %s",
            function, budgets,
        )  # fmt: skip
    logger.info("%s: %s", strategy, expected or "an open number of evaluations")
    shown = make_progress(o.progress, study.objectives)
    if not isinstance(shown, NoProgress) and expected is not None:
        sys.stderr.write(f"{expected}\n")
    total = None if expected is None else expected.n_evaluations
    follower = Follower(
        study,
        progress=shown,
        callbacks=o.callbacks,
        max_initial_failures=o.max_initial_failures,
    )
    interrupts = Interrupts(
        "The search", drain=partial(_note_interruption, study), sigterm_grace=o.sigterm_grace,
        unsafe=CRITICAL, enabled=o.handle_signals,
    )  # fmt: skip
    keeper = None
    if o.keeps_checkpoints(objective):
        keeper = CheckpointKeeper(study, o.checkpoint_store, keep=o.keep_checkpoints, beside=beside)
    with (
        interrupts, keeper or contextlib.nullcontext(), contextlib.closing(follower), _reasons(),
        _noted(study, interrupts),
    ):  # fmt: skip
        follower.start(total)
        study.requeue_orphans(
            "the process that ran the study is gone", counted=strategy == "Serial"
        )
        if strategy == "Serial":
            from bandmaster.runners.serial import run_serial

            run_serial(
                study, function,
                follower=follower, timeout=o.timeout, catch=o.catch, interrupts=interrupts,
                checkpoints=None if keeper is None else keeper.checkpoints,
            )  # fmt: skip
        elif strategy == "MapReduce":
            from bandmaster.runners.batch import run_batches

            run_batches(
                study, function, o.n_jobs,
                follower=follower, timeout=o.timeout, catch=o.catch, interrupts=interrupts,
            )  # fmt: skip
        else:
            from bandmaster.asynccomm.local import run_local

            run_local(
                study, function, o.n_jobs,
                follower=follower, timeout=o.timeout, grace=o.grace, job_timeout=o.job_timeout,
                catch=o.catch, isolation=o.isolation, interrupts=interrupts, keeper=keeper,
            )  # fmt: skip
    if interrupts.draining and not study.finished:
        again = "; another call goes on with this study" if study.waits_for_storage else ""
        logger.warning(
            "The search was interrupted after %d evaluations%s", len(study.history), again
        )


def _note_interruption(study: Study, reason: str) -> None:
    with contextlib.suppress(StudyError, OSError):  # the run says what is wrong with it
        study.interrupt(reason)


@contextlib.contextmanager
def _noted(study: Study, interrupts: Interrupts) -> Iterator[None]:
    """Have an interruption in the journal at the end, also when a job was issued since it came."""
    try:
        yield
    finally:
        if interrupts.draining:
            _note_interruption(study, interrupts.name)


@contextlib.contextmanager
def _reasons() -> Iterator[None]:
    """Raise why a study can store nothing more, instead of that it cannot."""
    try:
        yield
    except StudyPoisonedError as error:
        raise (error.__cause__ or error) from None


def _check_catch(catch: Any) -> tuple[type[BaseException], ...]:
    kinds = (catch,) if isinstance(catch, type) else catch
    if isinstance(kinds, Sequence) and all(
        isinstance(kind, type) and issubclass(kind, BaseException) for kind in kinds
    ):
        return tuple(kinds)
    raise ConfigurationError(f"catch is a tuple of exception classes, got {catch!r}")
