"""The study: one search, driven by ask, tell and report."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from bandmaster.core import events as ev
from bandmaster.core.checkpoints import step_of
from bandmaster.core.clock import Clock, SystemClock
from bandmaster.core.codec import native
from bandmaster.core.decisions import Decision
from bandmaster.core.job import Job, named
from bandmaster.core.objectives import Metric, Objectives
from bandmaster.core.outcome import Outcome, Status
from bandmaster.core.plan import Plan
from bandmaster.core.randomness import DEFAULT_SEED, DefaultSeed
from bandmaster.core.trial import OpenJob
from bandmaster.core.verdict import outcome_of
from bandmaster.errors import ConfigurationError, StudyError, UnknownJobError
from bandmaster.multifidelity.base import IterGenerator
from bandmaster.optimizers.base import Optimizer
from bandmaster.storage import Journal, MemoryJournal
from bandmaster.study.answering import answered
from bandmaster.study.binding import bind, own_objectives
from bandmaster.study.borrowing import borrowed
from bandmaster.study.consequences import consequences
from bandmaster.study.ending import Cause
from bandmaster.study.previous import Previous, past_of
from bandmaster.study.proposers import signature_of, warn_changed
from bandmaster.study.proposing import Proposal, issued_again
from bandmaster.study.replay import replay
from bandmaster.study.retries import after_failure, after_loss, left_at
from bandmaster.study.state import StudyState
from bandmaster.study.verdict import failed_at, judged
from bandmaster.study.view import StudyView

__all__ = ["Study"]

logger = logging.getLogger(__name__)


class Study(StudyView):
    """One search: a space, an optimizer, an iteration generator and the journal of events.

    Sans-IO: it runs nothing. A runner, a Master or you call `ask` for a job, evaluate it, and
    call `tell`. Every call makes events, applies them to the state, and hands them to the
    journal; a journal that has events already is replayed first, so resuming equals never having
    stopped.

    Parameters
    ----------
    space : Space, ConfigurationSpace or HDL mapping, optional
        Default: that of the generator (a population's), or of an optimizer that has one.
    optimizer : Optimizer
        Initialised here if it is not yet. It belongs to this study alone.
    generator : IterGenerator
        Likewise.
    objectives : Objectives or sequence of Metric, optional
        Default: those of the journal, else the generator's own, else minimise ``loss``.
    journal : Journal, optional
        Default: memory.
    name : str, default ""
    seed : int
        All randomness is keyed by it and the trial number. Default: that of the journal, else 0.
    max_retries : int, default 3
        How often a job whose worker died is issued again before it counts as crashed.
    retry_failed : int, default 0
        How often a job that failed is issued again before it counts as failed.
    clock : Clock, optional
        Seconds since the epoch; stamps the events.

    Raises
    ------
    ConfigurationError
        When optimizer, generator and space do not fit together.
    StudyError
        When the journal belongs to another study: one with another space, generator, seed or
        other metrics. Another optimizer may go on; a warning and the journal say from where.

    Notes
    -----
    Thread-safe: one lock, held for the time of one call.
    """

    def __init__(
        self,
        space: Any,
        *,
        optimizer: Optimizer,
        generator: IterGenerator,
        objectives: Objectives | Sequence[Metric | Mapping[str, Any] | str] | None = None,
        journal: Journal | None = None,
        name: str = "",
        seed: int = DEFAULT_SEED,
        max_retries: int = 3,
        retry_failed: int = 0,
        clock: Clock | None = None,
    ) -> None:
        counts = {"seed": seed, "max_retries": max_retries, "retry_failed": retry_failed}
        for option, value in counts.items():
            if type(value) not in (int, DefaultSeed) or value < 0:
                raise ConfigurationError(f"{option} must be a whole number ≥ 0, got {value!r}")
        self.max_retries = max_retries
        self.retry_failed = retry_failed
        self._clock: Clock = clock or SystemClock()
        compiled = bind(optimizer, generator, space)
        super().__init__(
            StudyState(compiled, optimizer, generator, optimizer.history),
            MemoryJournal() if journal is None else journal,
        )
        if objectives is not None and not isinstance(objectives, Objectives):
            objectives = Objectives(objectives)
        self._optimizer = signature_of(optimizer)
        self._position = replay(self._state, self._journal, objectives, seed)
        if self._state.n_events and generator.under_way_as != generator.signature:
            with self._lock:
                self._commit(ev.GeneratorExtended(self._clock(), generator.signature))
        self._orphans = [(e.job.number, e.job.attempt) for e in self._state.open.values()]
        if not self._state.n_events:
            objectives = objectives or own_objectives(generator)
            with self._lock:
                self._commit(
                    ev.StudyCreated(
                        self._clock(), ev.SCHEMA_VERSION, name, compiled.to_dict(),
                        objectives.to_data(), int(seed), self._optimizer, repr(generator),
                    )
                )  # fmt: skip

    def close(self) -> None:
        """Give up the journal, which keeps all that happened; closing twice does nothing."""
        self._journal.close()

    # -- driving --------------------------------------------------------------------------------

    def set_plan(self, plan: Plan) -> None:
        """Set or raise the limits; a study that was stopped goes on.

        Parameters
        ----------
        plan : Plan
        """
        with self._lock:
            self._commit(ev.PlanSet(self._clock(), plan.to_data()))

    def enqueue(self, *configs: Mapping[str, Any]) -> None:
        """Have configurations evaluated before the optimizer is asked again: all or none of them.

        Raises
        ------
        IllegalConfigurationError
            When one does not fit the space.
        """
        for config in configs:
            self.space.validate(config)
        with self._lock:
            self._commit(*(ev.Enqueued(self._clock(), dict(config)) for config in configs))

    def learn_from(self, previous: Previous) -> int:
        """Let the optimizer learn from evaluations of another study.

        They stand in the history with negative numbers and count for no limit. Their space may
        have been another one: a parameter that they lack gets its default, if the space gives it
        one; one that the space lacks is dropped. What does not fit the space, the budgets or the
        first metric, and what was stopped early, is left out, and the log says why.

        Parameters
        ----------
        previous : Result, Study, path, (name, storage) or iterable of Evaluation
            A result; the path of a saved one (`Result.load`); a database with one study in it;
            a study's name with its storage, or the URL or file of that.

        Returns
        -------
        int
            How many were taken over.

        Raises
        ------
        ConfigurationError
            When it is nothing of that kind.
        StorageError, CodecError
            When a file or a study is not there, or cannot be read.
        """
        events = list(borrowed(self._state, past_of(previous), self._clock))
        with self._lock:
            self._commit(*events)  # all of them are kept or none, whatever happens meanwhile
        return len(events)

    def ask(self, *, worker: str = "", durable: bool = True) -> Job | None:
        """Return a job to run, or None when nothing may start now.

        What the plan allows is reserved here, so it is never overshot. None means: wait until
        something finishes, or, when `finished` is true, that the study is over.

        Parameters
        ----------
        worker : str, default ""
            Who will run it.
        durable : bool, default True
            Whether to return when the journal keeps it, instead of at once (`wait_durable`).

        Raises
        ------
        StudyPoisonedError
            When an earlier event could not be stored.
        """
        job = self._ask(worker)
        if durable:
            self.wait_durable(self._position)
        return job

    def _ask(self, worker: str) -> Job | None:
        with self._lock:
            self._check()
            state = self._state
            if state.stopped is not None:
                return None
            if state.waiting:
                return self._reissue(state.open[state.waiting[0]], worker)
            while not state.reserved:
                proposal = self.timings.propose(state)
                if proposal is None:
                    return None
                if isinstance(proposal, str):  # the space has run out
                    logger.warning("No new trial will start: %s", proposal)
                    self._commit(ev.IntakeClosed(self._clock(), proposal))
                    continue
                return self._issue(proposal, worker)
            return None

    def tell(
        self,
        job: Job | int,
        outcome: Outcome | Mapping[str, Any] | float | BaseException,
        *,
        attempt: int | None = None,
        durable: bool = True,
    ) -> bool:
        """Say how a job ended.

        Telling twice does no harm: the first result of a job counts. A good result of an attempt
        that was thought lost counts too if the job has not ended otherwise; a bad one does not.
        A failure is tried again up to `retry_failed` times before it counts.

        Parameters
        ----------
        job : Job or int
            The job, or its number.
        outcome : Outcome, number, mapping or exception
            What `compute` may return or raise will do; a NaN becomes a failure.
        attempt : int, optional
            Which attempt; default: the job's (the current one for a number).
        durable : bool, default True
            Whether to return when the journal keeps it, instead of at once (`wait_durable`).

        Returns
        -------
        bool
            Whether this result counted: as the job's end, or as a failure that is tried again.

        Raises
        ------
        UnknownJobError
            When no such job was issued.
        """
        number, attempt = named(job, attempt)
        if not isinstance(outcome, Outcome):
            outcome = outcome_of(outcome)
        counted = self._tell(number, attempt, outcome)
        if durable:
            self.wait_durable(self._position)
        return counted

    def _tell(self, number: int, attempt: int | None, outcome: Outcome) -> bool:
        with self._lock:
            self._check()
            entry = self._entry(number)
            if entry is None:
                return False
            attempt = entry.job.attempt if attempt is None else attempt
            current = attempt == entry.job.attempt and not entry.waiting
            if attempt > entry.job.attempt:
                raise StudyError(f"job {number} has no attempt {attempt}: {entry.story}")
            outcome = judged(self._state, outcome)
            counts = outcome.ok or current
            if counts:
                self._end(entry, attempt, outcome)
            return counts

    def report(
        self,
        job: Job | int,
        metrics: Mapping[str, Any] | float,
        *,
        step: int | None = None,
        attempt: int | None = None,
        checkpoint: str | None = None,
    ) -> Decision:
        """Say how a running job is doing; the answer is what it shall do.

        Parameters
        ----------
        metrics : Mapping of str to float, or float
            A number is the loss. A loss that is no finite number is none.
        step : int, optional
            Default: counts this job's reports, on from the checkpoint that it started from.
        checkpoint : str, optional
            Where its state is kept by now: an attempt that follows a lost one starts there.

        Returns
        -------
        Decision
            STOP for an attempt that is no longer current, or after the study was stopped; and for
            one that has failed, because what it reports lacks what the generator goes by.

        Raises
        ------
        CodecError
            When the metrics are no plain data.
        """
        told = native(metrics if isinstance(metrics, Mapping) else {"loss": metrics})
        number, attempt = named(job, attempt)
        with self._lock:
            self._check()
            state, entry = self._state, self._entry(number)
            if entry is None or entry.waiting or attempt not in (None, entry.job.attempt):
                return Decision.STOP
            wrong = None if state.stopped is not None else state.generator.wrong_report(told)
            if wrong is not None:
                self._end(entry, entry.job.attempt, failed_at(entry, wrong, self._clock()))
                return Decision.STOP
            if step is None:
                step = step_of(entry.job.checkpoint) + entry.reports + 1
            reported = answered(state, entry, told, step, checkpoint=checkpoint, time=self._clock())
            self._commit(reported)
            return Decision(reported.decision)

    def cancel(self, job: Job | int, reason: str = "cancelled") -> bool:
        """End a job with status STOPPED, wherever it is; its worker's outcome will be ignored.

        Returns
        -------
        bool
            False when it had ended before.

        Raises
        ------
        UnknownJobError
            When no such job was issued.
        """
        with self._lock:
            self._check()
            entry = self._entry(named(job, None)[0])
            if entry is None:
                return False
            outcome = Outcome.failed(reason, status=Status.STOPPED, worker=entry.worker)
            self._finish(entry.job.number, entry.job.attempt, outcome)
            return True

    def requeue(
        self, job: Job | int, reason: str, *, attempt: int | None = None, counted: bool = True
    ) -> bool:
        """Say that an attempt was lost, so that the job is issued again.

        After `max_retries` lost attempts the job ends as crashed instead.

        Parameters
        ----------
        reason : str
            What happened, for the log and the outcome.
        attempt : int, optional
            Nothing happens when this is not the current one. Default: the job's.
        counted : bool, default True
            Whether it uses up a retry (not if the job never reached a worker).

        Returns
        -------
        bool
            Whether the job was out, and now waits or has ended.
        """
        number, attempt = named(job, attempt)
        with self._lock:
            self._check()
            entry = self._entry(number)
            if entry is None or entry.waiting or attempt not in (None, entry.job.attempt):
                return False
            event = after_loss(
                entry, reason, counted=counted, max_retries=self.max_retries,
                time=self._clock(), judge=partial(judged, self._state),
            )  # fmt: skip
            self._commit(event)
            return True

    def requeue_orphans(self, reason: str, *, counted: bool = False) -> int:
        """Requeue what was out when the study was loaded; returns how many jobs that were.

        For one who knows that nobody will bring these jobs' outcomes any more.

        Parameters
        ----------
        reason : str
            What happened to them.
        counted : bool, default False
            Whether it uses up a retry of each.
        """
        orphans, self._orphans = self._orphans, []
        return sum(
            self.requeue(number, reason, attempt=attempt, counted=counted)
            for number, attempt in orphans
        )

    def stop(self, reason: str, *, cause: Cause = "stopped") -> None:
        """Issue nothing any more. Jobs that are out may still finish. Stopping twice is once.

        `reason` is in words, `cause` the word that the result has for it (`Result.ended`).
        """
        with self._lock:
            if self._state.stopped is None:
                self._commit(ev.Stopped(self._clock(), reason, cause))

    def interrupt(self, reason: str) -> None:
        """Say that a run ends before its limits, unless all is done; the study can go on."""
        with self._lock:
            if self._state.interrupted is None and not self._finished():
                self._commit(ev.Interrupted(self._clock(), reason or "no reason given"))

    def note(self, text: str) -> None:
        """Write a remark into the journal."""
        with self._lock:
            self._commit(ev.Noted(self._clock(), text))

    def place_checkpoints(self, place: str) -> None:
        """Write into the journal where checkpoints are, unless it says so already."""
        with self._lock:
            if place not in self._state.places:
                self._commit(ev.CheckpointsPlaced(self._clock(), place))

    # -- inside: the lock is held ---------------------------------------------------------------

    def _entry(self, number: int) -> OpenJob | None:
        entry = self._state.open.get(number)
        if entry is None and not 0 <= number < self._state.n_jobs:
            raise UnknownJobError(
                f"job {number} was never issued; the study {self.name!r} has issued "
                f"{self._state.n_jobs} jobs"
            )
        return entry

    def _reissue(self, entry: OpenJob, worker: str) -> Job:
        self._commit(issued_again(entry, self._clock(), worker))
        return entry.job

    def _issue(self, proposal: Proposal, worker: str) -> Job:
        state, now = self._state, self._clock()
        number, before = state.n_jobs, state.proposers[-1][1]
        issued = proposal.issued(now, number, worker)
        if before == self._optimizer or proposal.trial < state.n_trials:
            self._commit(issued)
        else:
            warn_changed(self.name, before, self._optimizer, proposal.trial)
            self._commit(ev.OptimizerChanged(now, self._optimizer), issued)
        return state.open[number].job

    def _end(self, entry: OpenJob, attempt: int, outcome: Outcome) -> None:
        again = None
        if self.retry_failed and not outcome.ok and self._state.stopped is None:
            again = after_failure(
                entry, outcome, retry_failed=self.retry_failed, time=self._clock()
            )
        if again is None:
            self._finish(entry.job.number, attempt, outcome)
        else:
            self._commit(again)

    def _finish(self, number: int, attempt: int, outcome: Outcome) -> None:
        if not outcome.ok:
            logger.debug("Job %d ended %s: %s", number, outcome.status.value, outcome.error)
        outcome = left_at(self._state.open[number], outcome)
        self._commit(ev.JobFinished(self._clock(), number, attempt, outcome))

    def _commit(self, *events: ev.Event) -> None:
        """Apply events and what follows from them, and hand all of it to the journal at once."""
        self._check()
        batch = list(events)
        try:
            for applied in batch:  # grows: consequences are events like others
                self._state.apply(applied)
                batch.extend(consequences(self._state, applied, self._clock))
            self._position = self._journal.append(batch)
        except BaseException as error:
            self._poison = error
            raise
        finally:
            self._note_ending()
            if self._watching:
                self._changed.notify_all()
