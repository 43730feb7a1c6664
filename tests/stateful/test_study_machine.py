"""A study under random interleavings of everything that can happen to it."""

import math
from collections import Counter

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bandmaster.core import codec
from bandmaster.core import events as ev
from bandmaster.core.clock import ManualClock
from bandmaster.core.decisions import Decision
from bandmaster.core.plan import Plan
from bandmaster.multifidelity import (
    BOHBIterGenerator,
    CustomIterGenerator,
    FlatIterGenerator,
    HyperBandIterGenerator,
    SuccessiveHalvingIterGenerator,
)
from bandmaster.optimizers import (
    ETPEOptimizer,
    GridOptimizer,
    RandomOptimizer,
    SobolOptimizer,
)
from bandmaster.storage import MemoryJournal
from bandmaster.study import Study

SPACE = {
    "algo(choice)": {
        "svm": {"C": {"_type": "loguniform", "_value": [0.01, 100.0]}},
        "knn": {"k": {"_type": "int_uniform", "_value": [1, 9]}},
    },
    "x": {"_type": "uniform", "_value": [0.0, 1.0]},
}
MAX_RETRIES = 2
RETRY_FAILED = 1


def reload(journal, optimizer, generator):
    """Load a study from what a journal stored, byte for byte, with fresh parts."""
    stored = [codec.pack(ev.to_data(event)) for event in journal.read()]
    events = [ev.from_data(codec.unpack(data)) for data in stored]
    return Study(
        SPACE,
        optimizer=optimizer(),
        generator=generator(),
        journal=MemoryJournal(events),
        max_retries=MAX_RETRIES,
        retry_failed=RETRY_FAILED,
        clock=ManualClock(),
    )


class StudyMachine(RuleBasedStateMachine):
    """Workers ask, finish, fail, die, come back late; the rules below always hold."""

    optimizer = RandomOptimizer
    plan = Plan(n_evaluations=25)

    @staticmethod
    def generator():
        return HyperBandIterGenerator(1, 9, 3)

    def __init__(self):
        super().__init__()
        self.clock = ManualClock()
        self.journal = MemoryJournal()
        self.study = Study(
            SPACE,
            optimizer=self.optimizer(),
            generator=self.generator(),
            journal=self.journal,
            max_retries=MAX_RETRIES,
            retry_failed=RETRY_FAILED,
            clock=self.clock,
            seed=7,
        )
        self.study.set_plan(self.plan)
        self.running = {}  # job number → the attempt that a worker has
        self.stale = []  # attempts that were declared lost, or failed
        self.ended = Counter()
        self.failures = Counter()

    @rule()
    def ask(self):
        """A worker asks; a job is with at most one worker."""
        self.clock.advance(1)
        job = self.study.ask(worker="w")
        if job is not None:
            assert job.number not in self.running
            assert 0 == self.ended[job.number]
            self.running[job.number] = job

    def take(self, data):
        number = data.draw(st.sampled_from(sorted(self.running)))
        return self.running.pop(number)

    @precondition(lambda self: self.running)
    @rule(data=st.data(), loss=st.floats(0, 1))
    def finish(self, data, loss):
        """The current attempt ends well, and counts."""
        job = self.take(data)
        assert self.study.tell(job, loss)
        self.ended[job.number] += 1
        assert not self.study.tell(job, loss + 1)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def fail(self, data):
        """The current attempt ends badly: it is tried again as often as allowed, then counts."""
        job = self.take(data)
        assert self.study.tell(job, math.nan)
        self.failures[job.number] += 1
        again = self.failures[job.number] <= RETRY_FAILED and self.study.stopped is None
        self.ended[job.number] += not again
        self.stale.append(job)
        assert again == any(e.waiting and e.job.number == job.number for e in self.study.open_jobs)

    @precondition(lambda self: self.study.n_jobs)
    @rule(data=st.data())
    def cancel(self, data):
        """Somebody cancels any job: it ends if it had not, and its worker is told to stop."""
        number = data.draw(st.integers(0, self.study.n_jobs - 1))
        assert self.study.cancel(number) == (self.ended[number] == 0)
        self.ended[number] = 1
        job = self.running.pop(number, None)
        if job is not None:
            assert Decision.STOP is self.study.report(job, 0.5)
            self.stale.append(job)

    @precondition(lambda self: self.running)
    @rule(data=st.data(), counted=st.booleans())
    def lose(self, data, counted):
        """The worker of an attempt dies."""
        job = self.take(data)
        before = len(self.study.history)
        assert self.study.requeue(job, "died", counted=counted)
        self.stale.append(job)
        self.ended[job.number] += len(self.study.history) - before

    @precondition(lambda self: self.stale)
    @rule(data=st.data(), loss=st.floats(0, 1))
    def come_back_late(self, data, loss):
        """An old attempt turns out to have finished: it counts if it is the first."""
        job = data.draw(st.sampled_from(self.stale))
        accepted = self.study.tell(job, loss)
        assert accepted == (self.ended[job.number] == 0)
        if accepted:
            self.ended[job.number] += 1
            self.running.pop(job.number, None)

    @precondition(lambda self: self.stale)
    @rule(data=st.data())
    def fail_late(self, data):
        """An old attempt that comes back with a failure never counts."""
        job = data.draw(st.sampled_from(self.stale))
        assert not self.study.tell(job, math.nan)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def report(self, data):
        """A running job says how it is doing."""
        job = self.running[data.draw(st.sampled_from(sorted(self.running)))]
        self.study.report(job, {"loss": 0.5})

    @precondition(lambda self: self.study.n_jobs > 8)
    @rule()
    def stop(self):
        """Somebody stops the study: what waited for a worker ends."""
        self.study.stop("enough")
        for number in range(self.study.n_jobs):
            if number not in self.running and not self.ended[number]:
                self.ended[number] += 1

    @rule()
    def restart(self):
        """The master restarts: nothing of the study's future changes."""
        again = reload(self.journal, self.optimizer, self.generator)
        assert self.fingerprint(self.study) == self.fingerprint(again)

    def fingerprint(self, study):
        """What a study has done, and what it would do next."""
        history = [(e.job, e.attempt, e.trial, dict(e.config), e.loss) for e in study.history]
        out = [(e.job.number, e.job.attempt, e.waiting, e.lost, e.failed) for e in study.open_jobs]
        peek = reload(MemoryJournal(list(study._journal.read())), self.optimizer, self.generator)
        job = peek.ask()
        proposal = None if job is None else (job.number, job.attempt, job.budget, dict(job.config))
        return history, out, study.stopped, study.finished, proposal

    @invariant()
    def every_job_ends_at_most_once(self):
        """The history has each issued job at most once, and only issued ones."""
        jobs = self.study.history.column("job").tolist()
        assert len(jobs) == len(set(jobs))
        assert {n for n, times in self.ended.items() if times} == set(jobs)
        assert set(self.ended.values()) <= {0, 1}

    @invariant()
    def the_plan_is_never_exceeded(self):
        """No interleaving issues more than was planned."""
        for limit, issued in (
            (self.plan.n_evaluations, self.study.n_jobs),
            (self.plan.n_trials, self.study.n_trials),
        ):
            assert limit is None or issued <= limit

    @invariant()
    def out_is_what_has_not_ended(self):
        """A job is out, or has ended; never neither."""
        out = {entry.job.number for entry in self.study.open_jobs}
        ended = {n for n, times in self.ended.items() if times}
        assert set(range(self.study.n_jobs)) == out | ended
        assert not out & ended

    def teardown(self):
        """Left to itself with working workers, every study comes to its end."""
        for job in self.running.values():
            self.study.tell(job, 0.5)
        for _ in range(200):
            job = self.study.ask()
            if job is None:
                break
            self.study.tell(job, 0.5)
        assert self.study.finished
        assert [] == self.study.open_jobs
        jobs = sorted(self.study.history.column("job").tolist())
        assert list(range(self.study.n_jobs)) == jobs


class FlatEtpe(StudyMachine):
    """The default optimizer, without multi-fidelity."""

    optimizer = ETPEOptimizer
    plan = Plan(n_trials=25)
    generator = staticmethod(FlatIterGenerator)


class BohbEtpe(StudyMachine):
    """A model and a random share over brackets, limited by configurations."""

    optimizer = ETPEOptimizer
    plan = Plan(n_trials=20, n_iterations=4)

    @staticmethod
    def generator():
        return BOHBIterGenerator(1, 4, 2)


class HalvingSobol(StudyMachine):
    """Successive halving over a sequence."""

    optimizer = SobolOptimizer
    plan = Plan(n_iterations=2)

    @staticmethod
    def generator():
        return SuccessiveHalvingIterGenerator(1, 9, 3)


class CustomGrid(StudyMachine):
    """A grid that runs out, over brackets of the user's own."""

    optimizer = GridOptimizer
    plan = Plan(n_iterations=5)

    @staticmethod
    def generator():
        return CustomIterGenerator([[4, 2, 1]], [[1, 2, 4]])


@pytest.mark.parametrize("machine", [StudyMachine, FlatEtpe, BohbEtpe, HalvingSobol, CustomGrid])
def test_no_interleaving_breaks_a_study(machine):
    """Each job ends once, the plan holds, and a restart changes nothing, whatever happens."""
    case = machine.TestCase
    case.settings = settings(max_examples=25, stateful_step_count=40, deadline=None)
    case().runTest()


def test_a_whole_search_is_the_same_when_restarted_at_every_event():
    """Resume equals never having stopped, for each prefix of the journal."""
    journal = MemoryJournal()
    parts = (ETPEOptimizer, lambda: HyperBandIterGenerator(1, 9, 3))
    study = Study(
        SPACE, optimizer=parts[0](), generator=parts[1](), journal=journal, clock=ManualClock()
    )
    study.set_plan(Plan(n_evaluations=40))
    while (job := study.ask()) is not None:
        study.tell(job, job.config["x"] + 1 / job.budget)
    events = list(journal.read())
    issued = [i for i, event in enumerate(events) if isinstance(event, ev.JobIssued)]
    for i in issued:
        again = reload(MemoryJournal(events[:i]), *parts)
        job = again.ask()
        expected = events[i]
        assert (expected.job, expected.trial, expected.budget) == (
            job.number,
            job.trial,
            job.budget,
        )
        if expected.config is not None:
            assert dict(expected.config) == dict(job.config)
