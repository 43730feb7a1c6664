"""What trials reported, step by step: a fold over a study's journal."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bandmaster.core.checkpoints import step_of
from bandmaster.core.events import Event, JobFinished, JobIssued, JobReported
from bandmaster.errors import UnknownJobError
from bandmaster.study.segments import ExploitRecord, ReportedStep, Segment

if TYPE_CHECKING:
    import pandas as pd

    from bandmaster.core.objectives import Objectives

__all__ = ["Reported"]

Steps = dict[int, ReportedStep]
"""The steps of one job, in the order of their reports."""


class Reported:
    """Each step that each trial of a study reported, once, also after crashes and retries.

    It is read from the journal when it is first looked at, and what is new whenever it is looked
    at again. Thread-safe. A call sequence::

        reported = Reported(journal.read)
        for step in reported.steps(0):
            print(step.step, step.metrics, dict(step.config), step.exploited_from)
        reported.exploits()

    Parameters
    ----------
    read : callable, optional
        Yields the events of a journal from a position on; without it there is nothing but what
        the other arguments say.
    segments : iterable of Segment
        In the order of their jobs.
    steps : iterable of ReportedStep
        Of these segments.

    Notes
    -----
    A training that starts again from a checkpoint repeats what came after it, so those steps
    stand until the first report of the new attempt (or of the trial's next job) and are dropped
    then. An exploit drops nothing: the steps before it were trained, if not for what came then. A
    job that has no checkpoint to start from is a training of its own, unless the one before failed
    or was stopped.
    At a step that is reported twice, the last report counts, and of several attempts of a job the
    one that ended it.
    """

    def __init__(
        self,
        read: Callable[[int], Iterator[Event]] | None = None,
        segments: Iterable[Segment] = (),
        steps: Iterable[ReportedStep] = (),
    ) -> None:
        self._read = read
        self._position = 0
        self._lock = threading.Lock()
        self._segments = {segment.job: segment for segment in segments}
        self._jobs: dict[int, list[int]] = {}  # of a trial
        for segment in self._segments.values():
            self._jobs.setdefault(segment.trial, []).append(segment.job)
        self._steps: dict[int, Steps] = {}  # of a job
        for step in steps:
            self._steps.setdefault(step.job, {})[step.step] = step
        self._ends: dict[int, int] = {}  # of a job that a later one repeats: its last step
        self._open: dict[int, _Attempts] = {}
        self._unfinished: set[int] = set()  # jobs that failed or were stopped

    @property
    def trials(self) -> list[int]:
        """The trials that were issued, ascending."""
        self.refresh()
        return sorted(self._jobs)

    @property
    def segments(self) -> list[Segment]:
        """All jobs as segments, in the order in which they were first issued."""
        self.refresh()
        return list(self._segments.values())

    def steps(self, trial: int) -> list[ReportedStep]:
        """Return what a trial reported, in the order of its training.

        Raises
        ------
        UnknownJobError
            When there is no such trial.
        """
        self.refresh()
        if trial not in self._jobs:
            raise UnknownJobError(
                f"trial {trial} was never issued; there are {len(self._jobs)} trials, from 0"
            )
        return [step for job in list(self._jobs[trial]) for step in self._standing(job)]

    def all_steps(self) -> list[ReportedStep]:
        """Return what all trials reported, trial by trial."""
        return [step for trial in self.trials for step in self.steps(trial)]

    def of_job(self, number: int) -> list[ReportedStep]:
        """Return what a job reported, also what a later job repeated."""
        self.refresh()
        return list(self._steps.get(number, {}).values())

    def exploits(self) -> list[ExploitRecord]:
        """Return the exploits in their order."""
        self.refresh()
        found: list[ExploitRecord] = []
        last: dict[int, Segment] = {}
        for segment in list(self._segments.values()):
            before = last.get(segment.trial)
            if segment.donor is not None and before is not None and not segment.repeats(before):
                found.append(ExploitRecord.of(before, segment))
            last[segment.trial] = segment
        return found

    def frame(self, trial: int | None, objectives: Objectives) -> pd.DataFrame:
        """Return the steps of a trial, or of all for None; see `History.__call__`."""
        from bandmaster.study.frame import steps_frame

        return steps_frame(self.all_steps() if trial is None else self.steps(trial), objectives)

    def refresh(self) -> None:
        """Read what the journal has by now.

        Raises
        ------
        StorageError
            When it cannot be read.
        """
        if self._read is None:
            return
        with self._lock:
            for event in self._read(self._position):
                self._apply(event)
                self._position += 1

    def detached(self) -> Reported:
        """Return what was read by now, without the journal."""
        segments = list(self._segments.values())
        steps = [step for segment in segments for step in self._standing(segment.job)]
        return Reported(segments=segments, steps=steps)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle what there is by now, without the journal."""
        self.refresh()
        alone = self.detached()
        return Reported, (None, alone.segments, alone.all_steps())

    def _standing(self, job: int) -> list[ReportedStep]:
        steps = list(self._steps.get(job, {}).values())
        end = self._ends.get(job)
        return steps if end is None else [step for step in steps if step.step <= end]

    # ---- the fold

    def _apply(self, event: Event) -> None:
        if type(event) is JobReported:
            self._reported(event)
        elif type(event) is JobIssued:
            self._issued(event)
        elif type(event) is JobFinished:
            self._finished(event)

    def _issued(self, event: JobIssued) -> None:
        if event.attempt:  # older journals name no checkpoint here: it was the first attempt's
            start = event.checkpoint or self._segments[event.job].checkpoint
            self._open[event.job].starts.append(start)
            return
        jobs = self._jobs.setdefault(event.trial, [])
        config = event.config if event.config is not None else self._segments[jobs[-1]].config
        donor = event.config_info.get("exploits") if jobs else None
        if donor is None and jobs and jobs[-1] in self._unfinished:
            before = self._segments[jobs[-1]]
            if before.checkpoint == event.checkpoint:
                donor = before.donor  # an exploit that came to nothing, tried again
        self._segments[event.job] = Segment(
            event.job, event.trial, config, event.checkpoint, donor, event.time
        )
        jobs.append(event.job)
        self._open[event.job] = _Attempts([event.checkpoint])

    def _reported(self, event: JobReported) -> None:
        attempts = self._open[event.job]
        path = attempts.paths.get(event.attempt)
        if path is None:
            path = self._begin(event.job, attempts.starts[event.attempt], event.step)
            attempts.paths[event.attempt] = self._steps[event.job] = path
        path.pop(event.step, None)
        path[event.step] = ReportedStep(
            self._segments[event.job], event.attempt, event.step, event.time, event.metrics,
            event.loss, event.checkpoint,
        )  # fmt: skip

    def _finished(self, event: JobFinished) -> None:
        paths = self._open.pop(event.job).paths
        if event.attempt in paths:  # maybe not the last one: it was thought lost
            self._steps[event.job] = paths[event.attempt]
        if not event.outcome.ok:
            self._unfinished.add(event.job)

    def _begin(self, job: int, start: str | None, first: int) -> Steps:
        """Return the steps of a job that stand when an attempt reports for the first time."""
        so_far = self._steps.get(job)
        if so_far is None:
            for earlier in self._repeated(job, start):
                end = _last_before(self._steps.get(earlier, {}), start, first)
                self._ends[earlier] = min(end, self._ends.get(earlier, end))
            return {}
        end = _last_before(so_far, start, first)
        return {number: step for number, step in so_far.items() if number <= end}

    def _repeated(self, job: int, start: str | None) -> Iterator[int]:
        """Yield the trial's earlier jobs, latest first, of which this one may repeat a part."""
        segment = self._segments[job]
        for number in reversed(self._jobs[segment.trial][:-1]):
            earlier = self._segments[number]
            again = number in self._unfinished and earlier.checkpoint == start
            if not again and (segment.donor is not None or start is None):
                return
            yield number
            if earlier.donor is not None and segment.donor is None:
                return  # what came before an exploit is another training


@dataclass(slots=True)
class _Attempts:
    """The attempts of an open job: what each started from, and the steps that it leads up to."""

    starts: list[str | None]
    paths: dict[int, Steps] = field(default_factory=dict)


def _last_before(steps: Steps, start: str | None, first: int) -> int:
    """Return the last step that is not repeated by a training whose first report is `first`."""
    last = step_of(start)
    if start is not None and not last:  # a name of somebody else says no step
        last = max((s for s, step in steps.items() if step.checkpoint == start), default=first)
    return min(last, first - 1)
