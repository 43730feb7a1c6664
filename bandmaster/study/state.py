"""The state of a study: a fold over its events."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from bandmaster.checkpoints import Ledger
from bandmaster.core import events as ev
from bandmaster.core.decisions import Decision
from bandmaster.core.evaluation import Evaluation
from bandmaster.core.history import History
from bandmaster.core.job import Job
from bandmaster.core.objectives import Objectives
from bandmaster.core.plan import Plan
from bandmaster.core.retried import Retried
from bandmaster.core.trial import OpenJob, Trial
from bandmaster.errors import SpaceError, StudyError
from bandmaster.multifidelity.base import IterGenerator
from bandmaster.optimizers.base import Optimizer
from bandmaster.space import Space

if TYPE_CHECKING:
    import numpy as np

__all__ = ["StudyState"]


class StudyState:
    """What a sequence of events adds up to.

    `apply` is the only thing that changes it, in a live study and in one that is loaded, so that
    resuming equals never having stopped. It decides nothing, reads no clock and draws no numbers.

    Invariants: a job is in `open` from its first issue until it finished, exactly once; a job that
    waits is in `waiting`, in order, and at no worker; `n_jobs` jobs and `n_trials` trials were
    issued in all.
    """

    def __init__(
        self, space: Space, optimizer: Optimizer, generator: IterGenerator, history: History
    ) -> None:
        self.space = space
        self.optimizer = optimizer
        self.generator = generator
        self.history = history
        self.name = ""
        self.seed = 0
        self.created = 0.0
        self.proposers: list[tuple[int, str]] = []  # from which trial on, which optimizer
        self.objectives = Objectives()
        self.ledger = Ledger()
        self.places: set[str] = set()
        self.plan = Plan()
        self.trials: list[Trial] = []
        self.open: dict[int, OpenJob] = {}
        self.waiting: deque[int] = deque()
        self.enqueued: deque[Mapping[str, Any]] = deque()
        self.n_jobs = 0
        self.n_imported = 0
        self.n_events = 0
        self.intake_closed: str | None = None
        self.stopped: str | None = None
        self.stop_cause = ""
        self.interrupted: str | None = None
        self._encoded: dict[int, np.ndarray] = {}  # by the identity of the configuration
        self._handlers: dict[type[Any], Callable[[Any], None]] = {
            ev.StudyCreated: self._created,
            ev.PlanSet: self._plan_set,
            ev.Enqueued: self._enqueued,
            ev.JobIssued: self._issued,
            ev.JobReported: self._reported,
            ev.JobFinished: self._finished,
            ev.JobRequeued: self._requeued,
            ev.Imported: self._imported,
            ev.IntakeClosed: self._intake_closed,
            ev.Stopped: self._stopped,
            ev.Interrupted: self._interrupted,
            ev.Noted: self._noted,
            ev.GeneratorExtended: self._extended,
            ev.OptimizerChanged: self._optimizer_changed,
            ev.CheckpointsPlaced: self._placed,
        }

    @property
    def n_trials(self) -> int:
        """How many configurations were issued."""
        return len(self.trials)

    @property
    def pending(self) -> Collection[Job]:
        """The jobs that have not ended, by number; a view that costs nothing."""
        return _Pending(self.open)

    @property
    def reserved(self) -> bool:
        """Whether the planned evaluations are all issued."""
        limit = self.plan.n_evaluations
        return limit is not None and self.n_jobs >= limit

    def prepare(self, events: Iterable[ev.Event]) -> None:
        """Encode at once the configurations of events that `apply` is about to be given.

        Nothing else changes, but that `apply` is faster then.
        """
        configs = [e.config for e in events if type(e) is ev.JobIssued and e.config is not None]
        try:
            vectors = self.space.encode(configs)
        except SpaceError:
            return  # `apply` says it, when it comes to the event
        self._encoded = dict(zip(map(id, configs), vectors, strict=True))

    def _encode(self, config: Mapping[str, Any]) -> np.ndarray:
        vector = self._encoded.pop(id(config), None) if self._encoded else None
        return self.space.encode_one(config) if vector is None else vector

    def apply(self, event: ev.Event) -> None:
        """Take one event into account."""
        if self.n_events == 0 and type(event) is not ev.StudyCreated:
            raise StudyError(f"a journal begins with its creation, this one with {event!r}")
        self._handlers[type(event)](event)
        self.ledger.apply(event)
        self.n_events += 1

    def _created(self, event: ev.StudyCreated) -> None:
        if self.n_events:
            raise StudyError(f"the study was created twice, at event {self.n_events}")
        if event.schema > ev.SCHEMA_VERSION:
            raise StudyError(
                f"the study {event.name!r} was written with schema {event.schema}; this version "
                f"reads up to {ev.SCHEMA_VERSION}: upgrade bandmaster"
            )
        self.name, self.seed, self.created = event.name, event.seed, event.time
        self.proposers.append((0, event.optimizer))
        self.objectives = Objectives.from_data(event.objectives)
        self.history.objectives = self.generator.objectives = self.objectives
        self.ledger.objectives = self.objectives
        self.generator.study_seed = self.seed

    def _plan_set(self, event: ev.PlanSet) -> None:
        self.plan = Plan(*event.plan)
        self.stopped = self.intake_closed = self.interrupted = None
        self.generator.study_stopped = False
        self.generator.plan(self.plan.n_iterations)

    def _enqueued(self, event: ev.Enqueued) -> None:
        self.enqueued.append(event.config)

    def _issued(self, event: ev.JobIssued) -> None:
        self.interrupted = None
        if event.attempt:
            entry = self.open[event.job]
            # Journals of older versions name no checkpoint here: it was the first attempt's.
            start = event.checkpoint or entry.job.checkpoint
            entry.job = replace(entry.job, attempt=event.attempt, checkpoint=start)
            entry.worker, entry.waiting, entry.reports = event.worker, False, 0
            entry.paused, entry.again = None, event.time
            self.waiting.remove(event.job)
            return
        if event.job != self.n_jobs:
            raise StudyError(f"job {event.job} was issued as number {self.n_jobs}")
        new = event.trial == len(self.trials)
        trial = self._trial(event)
        job = Job(
            event.job, 0, event.trial, trial.config, event.budget, event.config_info,
            event.bracket, event.rung, event.checkpoint, event.time, trial.vector,
        )  # fmt: skip
        if event.enqueued:
            self.enqueued.popleft()
        self.n_jobs += 1
        self.open[event.job] = OpenJob(job, event.worker)
        self.generator.issued(job)
        if new:
            self.optimizer.issued(job)

    def _trial(self, event: ev.JobIssued) -> Trial:
        if event.config is None:
            return self.trials[event.trial]
        trial = Trial(
            event.trial,
            event.config,
            event.config_info,
            event.bracket,
            self._encode(event.config),
        )
        if event.trial == len(self.trials):
            self.trials.append(trial)
        else:  # an exploit changes the configuration of a trial that goes on
            self.trials[event.trial] = trial
        return trial

    def _reported(self, event: ev.JobReported) -> None:
        entry = self.open[event.job]
        entry.reports += 1
        entry.checkpoint = event.checkpoint or entry.checkpoint
        decision = Decision(event.decision)
        entry.paused = event.metrics if decision is Decision.PAUSE else None
        self.generator.reported(
            entry.job, event.metrics, event.loss, event.step,
            decision=decision, checkpoint=event.checkpoint,
        )  # fmt: skip

    def _finished(self, event: ev.JobFinished) -> None:
        entry = self.open.pop(event.job)
        if entry.waiting:
            self.waiting.remove(event.job)
        job = entry.job
        if job.attempt != event.attempt:  # an earlier attempt, thought lost, came in first
            job = replace(job, attempt=event.attempt)
        evaluation = Evaluation.of(job, event.outcome)
        self.history.append(evaluation)
        self.generator.observe(job, event.outcome)
        self.optimizer.tell(evaluation)

    def _requeued(self, event: ev.JobRequeued) -> None:
        entry = self.open[event.job]
        since = entry.job.issued if entry.again is None else entry.again
        self.history.retried.append(
            Retried(entry.job, entry.worker, since, event.time, event.reason, event.failed)
        )
        entry.worker, entry.waiting, entry.reason = "", True, event.reason
        entry.lost += event.counted
        entry.failed += event.failed
        self.waiting.append(event.job)

    def _imported(self, event: ev.Imported) -> None:
        # Numbered -1, -2, ...: it is none of this study's trials and counts for no limit.
        self.n_imported += 1
        vector = self.space.encode_one(event.config)
        job = Job(
            -self.n_imported, 0, -self.n_imported, event.config, event.budget, event.config_info,
            -1, 0, None, event.time, vector,
        )  # fmt: skip
        evaluation = Evaluation.of(job, event.outcome)
        self.optimizer.issued(job)
        self.history.append(evaluation)
        self.optimizer.tell(evaluation)

    def _intake_closed(self, event: ev.IntakeClosed) -> None:
        self.intake_closed = event.reason
        self.generator.close_intake()

    def _stopped(self, event: ev.Stopped) -> None:
        self.stopped, self.stop_cause = event.reason, event.cause
        self.generator.study_stopped = True

    def _extended(self, event: ev.GeneratorExtended) -> None:
        self.generator.extend(event.generator)

    def _optimizer_changed(self, event: ev.OptimizerChanged) -> None:
        self.proposers.append((self.n_trials, event.optimizer))

    def _placed(self, event: ev.CheckpointsPlaced) -> None:
        self.places.add(event.place)

    def _interrupted(self, event: ev.Interrupted) -> None:
        self.interrupted = event.reason or None

    def _noted(self, event: ev.Noted) -> None:
        pass


class _Pending(Collection[Job]):
    """The jobs of open entries, without copying them: there may be thousands, at each ask."""

    __slots__ = ("_open",)

    def __init__(self, entries: Mapping[int, OpenJob]) -> None:
        self._open = entries

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Job]:
        return (entry.job for entry in self._open.values())

    def __contains__(self, job: object) -> bool:
        return any(entry.job == job for entry in self._open.values())
