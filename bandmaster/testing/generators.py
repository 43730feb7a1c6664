"""The rules that every iteration generator keeps, as a suite to subclass.

::

    class TestMine(IterGeneratorSuite):    # BracketSuite, if yours has synchronous rungs
        def make(self):
            return MyIterGenerator(1, 9)   # small: every rule plays some fifty runs

A run is a `Play`: a script says which running job ends when and how, with what losses (few, so that
ties are common), how many workers there are, and when the intake is closed. `Simulation` plays it
as a study would, and keeps what happened for the rules to check.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bandmaster.core.decisions import Action, Decision, Done, New, Promote, Wait
from bandmaster.core.job import Job
from bandmaster.core.outcome import Outcome, Status
from bandmaster.errors import StudyError
from bandmaster.multifidelity.base import IterGenerator

__all__ = ["SUITE_SETTINGS", "IterGeneratorSuite", "Play", "Seen", "Simulation", "Step", "plays"]

SUITE_SETTINGS = settings(
    max_examples=50,
    deadline=None,
    # Subclasses share the inherited test functions: that is the point of a suite.
    suppress_health_check=[HealthCheck.differing_executors, HealthCheck.too_slow],
)
_FATES = (*[Status.OK] * 4, Status.FAILED, Status.CRASHED, Status.TIMEOUT, Status.STOPPED)


@dataclass(frozen=True, slots=True)
class Step:
    """One turn: running job number `pick` (modulo) ends with `fate`.

    Unless `lazy`, everything that may start first does, as far as there are workers.
    """

    pick: int
    fate: Status
    loss: int
    lazy: bool


@dataclass(frozen=True, slots=True)
class Play:
    """A run: the steps (repeated as needed), how many workers, iterations, when to close."""

    script: tuple[Step, ...]
    workers: int
    n_iterations: int
    close_after: int | None


def plays(
    *, fates: Sequence[Status] = _FATES, may_close: bool = True, most: int = 5
) -> st.SearchStrategy[Play]:
    """Return a strategy of runs of up to `most` iterations whose jobs end with one of `fates`."""
    steps = st.builds(
        Step,
        pick=st.integers(0, 7),
        fate=st.sampled_from(fates),
        loss=st.integers(0, 5),
        lazy=st.booleans(),
    )
    return st.builds(
        Play,
        script=st.lists(steps, min_size=1, max_size=30).map(tuple),
        workers=st.integers(1, 9),
        n_iterations=st.integers(0, most),
        close_after=st.none() | st.integers(0, 30) if may_close else st.none(),
    )


@dataclass(frozen=True, slots=True)
class Seen:
    """An answer of `next`, and what was known at that moment."""

    action: Action
    n_jobs: int
    ended: frozenset[int]
    closed: bool


class Simulation:
    """Drives a generator as a study does.

    Attributes
    ----------
    jobs : list of Job
        In the order in which they were issued; `Job.number` is the index.
    outcomes : dict of job number to Outcome
    running : list of Job
    seen : list of Seen
        After `plan` and after every event.
    events : list of callable
        Each applies one event to a generator, for a replay.
    """

    def __init__(self, generator: IterGenerator, n_iterations: int | None) -> None:
        self.generator = generator
        self.jobs: list[Job] = []
        self.outcomes: dict[int, Outcome] = {}
        self.running: list[Job] = []
        self.seen: list[Seen] = []
        self.events: list[Callable[[IterGenerator], None]] = []
        self.closed = False
        self._n_trials = 0
        self.plan(n_iterations)

    def plan(self, n_iterations: int | None) -> None:
        """Say how many iterations to run in all; the intake is open again."""
        self.closed = False
        self._apply(lambda generator: generator.plan(n_iterations))

    def issue(self) -> Job:
        """Make a job of the present answer."""
        action = self.seen[-1].action
        assert not isinstance(action, (Wait, Done)), f"nothing may start: {action!r}"
        trial = self._n_trials if isinstance(action, New) else action.trial
        self._n_trials += isinstance(action, New)
        checkpoint = None if isinstance(action, New) else action.checkpoint
        job = Job(
            len(self.jobs), 0, trial, {"x": trial}, action.budget, {}, action.bracket,
            action.rung, checkpoint,
        )  # fmt: skip
        self.jobs.append(job)
        self.running.append(job)
        self._apply(lambda generator: generator.issued(job))
        return job

    def finish(self, position: int, status: Status = Status.OK, loss: float = 0.0) -> Job:
        """End a running job; one that ends well or is stopped leaves a loss and a checkpoint."""
        job = self.running.pop(position)
        scored = status in (Status.OK, Status.STOPPED)
        outcome = Outcome(
            status,
            loss if scored else None,
            error=None if scored else "made to fail",
            checkpoint=f"checkpoint of job {job.number}" if job.number % 3 else None,
        )
        self.outcomes[job.number] = outcome
        self._apply(lambda generator: generator.observe(job, outcome))
        return job

    def close(self) -> None:
        """Close the intake."""
        self.closed = True
        self._apply(lambda generator: generator.close_intake())

    def play(self, play: Play) -> Simulation:
        """Play a run until nothing is running and nothing may start."""
        turn = 0
        while turn < 10_000:
            if turn == play.close_after:
                self.close()
            step = play.script[turn % len(play.script)]
            turn += 1
            may_start = not isinstance(self.seen[-1].action, (Wait, Done))
            free = play.workers - len(self.running)
            if may_start and free > 0 and not (step.lazy and self.running):
                self.issue()
            elif self.running:
                self.finish(step.pick % len(self.running), step.fate, float(step.loss))
            else:
                break
        if play.close_after is not None and not self.closed:
            self.close()
        return self

    def _apply(self, event: Callable[[IterGenerator], None]) -> None:
        event(self.generator)
        self.events.append(event)
        self.seen.append(
            Seen(self.generator.next(), len(self.jobs), frozenset(self.outcomes), self.closed)
        )


class IterGeneratorSuite:
    """What every iteration generator keeps. Subclass it and give `make`."""

    def make(self) -> IterGenerator:
        """Return a new generator, always the same; small (a cycle of at most 50 jobs)."""
        raise NotImplementedError

    def simulate(self, play: Play) -> Simulation:
        """Return a run of a new generator."""
        return Simulation(self.make(), play.n_iterations).play(play)

    @SUITE_SETTINGS
    @given(play=plays())
    def test_next_is_pure(self, play: Play) -> None:
        """Asked again with nothing in between, `next` answers the same."""
        generator = self.make()
        for event in self.simulate(play).events:
            event(generator)
            assert generator.next() == generator.next()

    @SUITE_SETTINGS
    @given(play=plays())
    def test_wait_means_that_jobs_are_out(self, play: Play) -> None:
        """`Wait` is answered only while something is running that may change the answer."""
        for seen in self.simulate(play).seen:
            if isinstance(seen.action, Wait):
                assert seen.n_jobs > len(seen.ended), "Wait with nothing running: a dead lock"

    @SUITE_SETTINGS
    @given(play=plays())
    def test_every_run_ends_with_done(self, play: Play) -> None:
        """When every job has ended and nothing may start, the answer is `Done`."""
        run = self.simulate(play)
        assert not run.running
        assert Done() == run.seen[-1].action

    @SUITE_SETTINGS
    @given(play=plays())
    def test_done_is_final(self, play: Play) -> None:
        """After `Done` come only `Done`s, whatever still ends."""
        answers = [seen.action for seen in self.simulate(play).seen]
        first = answers.index(Done())
        assert [Done()] * len(answers[first:]) == answers[first:]

    @SUITE_SETTINGS
    @given(play=plays())
    def test_budgets_are_those_announced(self, play: Play) -> None:
        """Jobs get budgets of `get_budgets`, the same values."""
        run = self.simulate(play)
        announced = {(type(budget), budget) for budget in run.generator.get_budgets()}
        assert {(type(job.budget), job.budget) for job in run.jobs} <= announced

    @SUITE_SETTINGS
    @given(play=plays())
    def test_evaluations_never_exceed_the_plan(self, play: Play) -> None:
        """No run makes more jobs than `num_all_configs` says, whatever fails."""
        run = self.simulate(play)
        assert len(run.jobs) <= run.generator.num_all_configs(play.n_iterations)

    @SUITE_SETTINGS
    @given(play=plays())
    def test_a_trial_goes_on_from_its_last_job(self, play: Play) -> None:
        """A promoted trial is not running, ended well, gets more budget and its checkpoint."""
        last: dict[int, Job] = {}
        run = self.simulate(play)
        for seen in run.seen:
            for job in run.jobs[: seen.n_jobs]:
                last[job.trial] = job
            if isinstance(seen.action, Promote):
                before = last[seen.action.trial]
                assert before.number in seen.ended
                assert Status.OK is run.outcomes[before.number].status
                assert seen.action.budget > before.budget
                assert run.outcomes[before.number].checkpoint == seen.action.checkpoint

    @SUITE_SETTINGS
    @given(play=plays())
    def test_a_replay_gives_the_same_answers(self, play: Play) -> None:
        """The same events make a fresh generator give the same answer after each of them."""
        run, generator = self.simulate(play), self.make()
        for event, seen in zip(run.events, run.seen, strict=True):
            event(generator)
            assert seen.action == generator.next()

    @SUITE_SETTINGS
    @given(play=plays(), cut=st.integers(1, 100))
    def test_asking_changes_nothing(self, play: Play, cut: int) -> None:
        """A generator that was never asked until now answers as one that was asked all along."""
        run, generator = self.simulate(play), self.make()
        events = run.events[:cut]
        for event in events:
            event(generator)
        assert run.seen[len(events) - 1].action == generator.next()

    @SUITE_SETTINGS
    @given(play=plays())
    def test_a_closed_intake_starts_no_new_trial(self, play: Play) -> None:
        """After `close_intake` the answer is never `New`."""
        run = self.simulate(play)
        assert not any(isinstance(s.action, New) for s in run.seen if s.closed)

    @SUITE_SETTINGS
    @given(play=plays(), more=st.integers(0, 3))
    def test_a_new_plan_opens_the_intake_again(self, play: Play, more: int) -> None:
        """After another `plan` the run goes on, within that plan, and ends again."""
        run = self.simulate(play)
        n_iterations = play.n_iterations + more
        run.plan(n_iterations)
        run.play(dataclasses.replace(play, close_after=None))
        assert Done() == run.seen[-1].action
        assert len(run.jobs) <= run.generator.num_all_configs(n_iterations)

    @SUITE_SETTINGS
    @given(play=plays(most=3))
    def test_a_job_that_is_not_out_is_refused(self, play: Play) -> None:
        """A job that was never issued, or has ended, raises with its story and changes nothing."""
        run = self.simulate(play)
        stranger = Job(len(run.jobs), 0, 0, {}, run.generator.get_budgets()[0])
        for job in [stranger, *run.jobs[:1], *run.jobs[-1:]]:
            with pytest.raises(StudyError, match=f"job {job.number} .*trial {job.trial}"):
                run.generator.observe(job, Outcome(Status.OK, 0.0))
        assert run.seen[-1].action == run.generator.next()

    def test_a_job_that_was_not_answered_is_refused(self) -> None:
        """`issued` takes only the job that `next` asked for, and a refusal changes nothing."""
        generator = self.make()
        generator.plan(1)
        action = generator.next()
        assert isinstance(action, New)
        wrong = Job(0, 0, 0, {}, action.budget * 7, {}, action.bracket, action.rung)
        with pytest.raises(StudyError, match="job 0"):
            generator.issued(wrong)
        assert action == generator.next()

    @SUITE_SETTINGS
    @given(play=plays(most=2))
    def test_decide_is_pure(self, play: Play) -> None:
        """`decide` answers the same again and leaves `next` as it was."""
        generator = self.make()
        run = self.simulate(play)
        for event in run.events:
            event(generator)
            action = generator.next()
            for job in run.jobs[-1:]:
                decision = generator.decide(job, {"epoch": 1}, 0.5, 1)
                assert decision in Decision
                assert decision is generator.decide(job, {"epoch": 1}, 0.5, 1)
            assert action == generator.next()

    def test_the_table_gives_the_totals(self) -> None:
        """`num_all_configs` counts the table's trials, cycle after cycle; budgets are its own."""
        generator = self.make()
        table = generator.get_table()
        expected = 0
        for n in range(3 * len(table) + 1):
            assert expected == generator.num_all_configs(n)
            expected += sum(trials for trials, _ in table[n % len(table)])
        budgets = sorted({budget for rungs in table for _, budget in rungs})
        assert tuple(budgets) == generator.get_budgets()

    def test_the_repr_is_the_same_for_the_same_generator(self) -> None:
        """Two generators made alike print alike, before and after a run: a study compares them."""
        used = Simulation(self.make(), 1).play(Play((Step(0, Status.OK, 0, False),), 1, 1, None))
        assert repr(self.make()) == repr(used.generator)
        assert type(used.generator).__name__ in repr(used.generator)
