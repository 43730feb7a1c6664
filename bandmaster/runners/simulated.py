"""Driving a study with workers that do not exist, on a clock that need not tick."""

from __future__ import annotations

import functools
import hashlib
import heapq
import itertools
from array import array
from collections import deque
from collections.abc import Callable

import numpy as np
from msgspec.structs import replace

from bandmaster.core.clock import ManualClock
from bandmaster.core.decisions import Decision
from bandmaster.core.job import Job
from bandmaster.core.outcome import Outcome
from bandmaster.core.verdict import ended_with, outcome_of
from bandmaster.errors import ConfigurationError, StudyError
from bandmaster.runners.fleet import Fleet
from bandmaster.runners.workload import Run, Workload
from bandmaster.study.study import Study

__all__ = ["Timeline", "run_simulated"]


class Timeline:
    """How many workers there were, and how many of them were busy, as time went by.

    Attributes
    ----------
    last_start : float
        When the last evaluation started, in seconds of the study's clock.
    """

    def __init__(self) -> None:
        self.last_start = 0.0
        self._times, self._busy, self._present = array("d"), array("l"), array("l")

    def note(self, time: float, busy: int, present: int) -> None:
        """From `time` on so many are busy and present."""
        self._times.append(time)
        self._busy.append(busy)
        self._present.append(present)

    @property
    def times(self) -> np.ndarray:
        """When something changed, shape (n,), ascending; seconds of the study's clock."""
        return np.array(self._times)

    @property
    def busy(self) -> np.ndarray:
        """How many workers were busy from then on, shape (n,)."""
        return np.array(self._busy)

    @property
    def present(self) -> np.ndarray:
        """How many workers there were from then on, shape (n,)."""
        return np.array(self._present)

    def utilization(self, until: float | None = None) -> float:
        """Return the share of the workers' time in which they were busy.

        Parameters
        ----------
        until : float, optional
            What comes later does not count: at the end of a search workers run out of work,
            whatever the algorithm. Default: the end.

        Returns
        -------
        float
            In [0, 1]; NaN when no time passed.
        """
        times = self.times
        if len(times) and until is not None:
            times = np.minimum(times, until)
        passed = np.diff(times)
        there = float(passed @ self.present[:-1]) if len(passed) else 0.0
        return float(passed @ self.busy[:-1]) / there if there > 0 else float("nan")


def run_simulated(
    study: Study,
    workload: Workload,
    fleet: Fleet | int,
    *,
    clock: ManualClock,
    seed: int = 0,
    timeout: float | None = None,
) -> Timeline:
    """Drive a study to its end with simulated workers.

    Parameters
    ----------
    study : Study
        Made with `clock`, and with a plan that ends.
    workload : Workload
        What an evaluation would take and return.
    fleet : Fleet or int
        The workers, or how many.
    clock : ManualClock
        The study's own; it is moved from one event to the next.
    seed : int, default 0
        Names all randomness of the simulation, together with the numbers of the jobs: what
        befalls an evaluation does not depend on what befell others.
    timeout : float, optional
        Stop the study after so many seconds of its clock; what runs then may finish.

    Returns
    -------
    Timeline
        Who was busy when. All else is in the study's history, with the simulated times.

    Raises
    ------
    ConfigurationError
        When neither the study's plan nor `timeout` gives it an end.
    StudyError
        When no worker is left and none will come, with evaluations still to make.

    Notes
    -----
    Jobs go to the worker that has been idle for longest. Of events at the same moment reports come
    first, and the others in the order in which they were foreseen. So the same arguments give the
    same journal.
    """
    if isinstance(fleet, int):
        fleet = Fleet(fleet)
    if timeout is not None and not timeout > 0:
        raise ConfigurationError(f"timeout must be above 0 seconds, got {timeout!r}")
    if timeout is None and not study.plan.bounded:
        raise ConfigurationError(
            "this simulation would never end: give the study a plan (Study.set_plan), or a timeout"
        )
    return _Simulation(study, workload, fleet, clock, seed).run(timeout)


class _Randomness:
    """A generator for each attempt of each job: one object, set anew, which is ten times faster.

    Parameters
    ----------
    seed : int
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._bits = np.random.PCG64(0)
        self._rng = np.random.Generator(self._bits)

    def of(self, job: Job) -> np.random.Generator:
        """Return the generator of an attempt, good until the next call."""
        name = b"%d %d %d" % (self._seed, job.number, job.attempt)
        digest = hashlib.blake2b(name, digest_size=32).digest()
        state = int.from_bytes(digest[:16], "little")
        increment = int.from_bytes(digest[16:], "little") | 1  # odd, as PCG wants it
        self._bits.state = {
            "bit_generator": "PCG64", "state": {"state": state, "inc": increment},
            "has_uint32": 0, "uinteger": 0,
        }  # fmt: skip
        return self._rng


class _Worker:
    __slots__ = ("gone", "job", "name", "reported", "run", "started")

    def __init__(self, number: int) -> None:
        self.name = f"worker-{number}"
        self.gone = False
        self.job: Job | None = None  # what it runs
        self.run: Run | None = None
        self.started = 0.0
        self.reported = 0


class _Simulation:
    def __init__(
        self, study: Study, workload: Workload, fleet: Fleet, clock: ManualClock, seed: int
    ) -> None:
        self.study, self.workload, self.fleet = study, workload, fleet
        self.clock, self.randomness = clock, _Randomness(seed)
        self.timeline = Timeline()
        self._numbers = itertools.count()
        self._order = itertools.count()
        self._events: list[tuple[float, bool, int, Callable[[], None]]] = []
        self._workers: list[_Worker] = []
        self._idle: deque[_Worker] = deque()
        self._to_come = 0  # workers that will join

    def run(self, timeout: float | None) -> Timeline:
        begin = self.clock()
        self._join(self.fleet.n_workers)
        for when, change in self.fleet.changes:
            self._to_come += max(change, 0)
            self._at(begin + when, functools.partial(self._change, change))
        if timeout is not None:
            self._at(
                begin + timeout,
                lambda: self.study.stop(f"timeout of {timeout:g} s", cause="timeout"),
            )
        while True:
            self._hand_out()
            if not self._busy and (self.study.finished or not self._to_come):
                break
            time, _, _, happen = heapq.heappop(self._events)
            self.clock.now = time
            happen()
        if not self.study.finished:
            raise StudyError(
                f"no worker is left after {self.clock() - begin:g} s, and the study has not ended: "
                "let workers join (Fleet.changes), or give it a plan that ends"
            )
        return self.timeline

    @property
    def _busy(self) -> int:
        return len(self._workers) - len(self._idle)

    def _at(self, time: float, happen: Callable[[], None], *, report: bool = False) -> None:
        heapq.heappush(self._events, (time, not report, next(self._order), happen))

    def _note(self) -> None:
        self.timeline.note(self.clock.now, self._busy, len(self._workers))

    # -- workers ---------------------------------------------------------------------------------

    def _change(self, n: int) -> None:
        if n >= 0:
            self._to_come -= n
            self._join(n)
            return
        for worker in self._workers[n:]:
            self._leave(worker, "its worker left")

    def _join(self, n: int) -> None:
        for _ in range(n):
            worker = _Worker(next(self._numbers))
            self._workers.append(worker)
            self._idle.append(worker)
        self._note()

    def _leave(self, worker: _Worker, reason: str) -> None:
        worker.gone = True
        if worker.job is None:
            self._idle.remove(worker)
        else:
            self.study.requeue(worker.job, reason)
        self._workers.remove(worker)
        self._note()

    def _crash(self, worker: _Worker) -> None:
        self._leave(worker, "its worker died")
        self._to_come += 1
        self._at(self.clock.now + self.fleet.downtime, lambda: self._change(1))

    # -- jobs ------------------------------------------------------------------------------------

    def _hand_out(self) -> None:
        before = len(self._idle)
        while self._idle:
            job = self.study.ask(worker=self._idle[0].name)
            if job is None:
                break
            self._start(self._idle.popleft(), job)
        if len(self._idle) != before:
            self.timeline.last_start = self.clock.now
            self._note()

    def _start(self, worker: _Worker, job: Job) -> None:
        rng = self.randomness.of(job)
        run, now = self.workload(job, rng), self.clock.now
        seconds, speed, ends = run.seconds, 1.0, self._finish
        if not self.fleet.reliable:
            slow, fails, dies, share = rng.random(4)
            if slow < self.fleet.stragglers:
                speed = self.fleet.slowdown
            if dies < self.fleet.crashes:
                ends = self._crash
            elif fails < self.fleet.failures:
                ends = self._fail
            if ends != self._finish:
                seconds *= share
        worker.job, worker.run, worker.started, worker.reported = job, run, now, 0
        if run.reports:
            self._await_report(worker, job, speed, now + seconds * speed)
        self._at(now + seconds * speed, lambda: self._if_still(worker, job, ends))

    def _if_still(self, worker: _Worker, job: Job, happen: Callable[[_Worker], None]) -> None:
        """Let happen what was foreseen, if the worker still runs the job."""
        if not worker.gone and worker.job is job:
            happen(worker)

    def _await_report(self, worker: _Worker, job: Job, speed: float, end: float) -> None:
        assert worker.run is not None
        if worker.reported == len(worker.run.reports):
            return
        after, _ = worker.run.reports[worker.reported]
        time = worker.started + after * speed
        if time <= end:

            def report(worker: _Worker) -> None:
                self._report(worker, speed, end)

            self._at(time, lambda: self._if_still(worker, job, report), report=True)

    def _report(self, worker: _Worker, speed: float, end: float) -> None:
        job, run = worker.job, worker.run
        assert job is not None
        assert run is not None
        metrics = run.reports[worker.reported][1]
        saved = run.saved[worker.reported] if run.saved else None
        worker.reported += 1
        decision = self.study.report(job, metrics, checkpoint=saved)
        if decision is Decision.CONTINUE:
            self._await_report(worker, job, speed, end)
            return
        self._end(worker, ended_with(metrics, decision))

    def _finish(self, worker: _Worker) -> None:
        assert worker.run is not None
        outcome = outcome_of(worker.run.returned)
        if worker.run.checkpoint is not None:
            outcome = replace(outcome, checkpoint=worker.run.checkpoint)
        self._end(worker, outcome)

    def _fail(self, worker: _Worker) -> None:
        self._end(worker, Outcome.failed("it was to fail in this simulation"))

    def _end(self, worker: _Worker, outcome: Outcome) -> None:
        job, worker.job, worker.run = worker.job, None, None
        assert job is not None
        self._idle.append(worker)
        self.study.tell(job, outcome.timed(worker.started, self.clock.now, worker.name))
        self._note()
