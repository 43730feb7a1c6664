"""The rules that every iteration generator keeps, as a suite to subclass.

::

    class TestMine(IterGeneratorSuite):    # BracketSuite, if yours has synchronous rungs
        def make(self):
            return MyIterGenerator(1, 9)   # small: every rule plays some fifty runs

A run is a `Play`: a script says which running job reports, is lost, or ends when and how, with what
losses (few, so that ties are common), how many workers there are, and when the intake is closed.
`Simulation` plays it as a study would, and keeps what happened for the rules to check.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bandmaster.core.checkpoints import checkpoint_name, step_of
from bandmaster.core.decisions import Action, Decision, Done, Exploit, New, Promote, Wait
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
    """One turn: running job number `pick` (modulo) makes `reports` and ends with `fate`.

    What a report is answered is obeyed. A job that is `lost` begins again, once, from the last
    checkpoint that it reported. Unless `lazy`, everything that may start first does, as far as
    there are workers; a lazy job reports only, the first two times.
    """

    pick: int
    fate: Status
    loss: int
    lazy: bool
    reports: int = 0
    lost: bool = False


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
        reports=st.integers(0, 3),
        lost=st.booleans(),
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
    steps : dict of job number to int
        The last step that each reported.
    checkpoints : dict of trial to set of str
        What each has left.
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
        self.steps: dict[int, int] = {}
        self.checkpoints: dict[int, set[str]] = {}
        self._newest: dict[int, str | None] = {}  # of a job: what it reported last
        self._turns: dict[int, int] = {}
        self._configs: list[Mapping[str, Any]] = []  # of the trials
        self.plan(n_iterations)

    def plan(self, n_iterations: int | None) -> None:
        """Say how many iterations to run in all; the intake is open again."""
        self.closed = False
        self._apply(lambda generator: generator.plan(n_iterations))

    def issue(self) -> Job:
        """Make a job of the present answer."""
        action = self.seen[-1].action
        assert not isinstance(action, (Wait, Done)), f"nothing may start: {action!r}"
        info = {}
        if isinstance(action, New):
            trial = len(self._configs)
            given = action.source
            self._configs.append({"x": trial / 7} if isinstance(given, str) else given)
        else:
            trial = action.trial
        if isinstance(action, Exploit):
            self._configs[trial], info = action.config, {"exploits": action.donor}
        checkpoint = None if isinstance(action, New) else action.checkpoint
        job = Job(
            len(self.jobs), 0, trial, self._configs[trial], action.budget, info, action.bracket,
            action.rung, checkpoint,
        )  # fmt: skip
        self.jobs.append(job)
        self.running.append(job)
        self.steps[job.number] = step_of(checkpoint)
        self._apply(lambda generator: generator.issued(job))
        return job

    def finish(self, position: int, status: Status = Status.OK, loss: float = 0.0) -> Job:
        """End a running job; one that ends well or is stopped leaves a loss and a checkpoint."""
        job = self.running.pop(position)
        scored = status in (Status.OK, Status.STOPPED)
        step = max(self.steps[job.number], math.ceil(job.budget))
        names = (None, _checkpoint(job, step), f"checkpoint of job {job.number}")
        name = self._newest.get(job.number)
        if name is None:
            name = names[job.number % 3]
        outcome = Outcome(
            status,
            loss if scored else None,
            error=None if scored else "made to fail",
            checkpoint=name,
        )
        self._left(job, name)
        self.outcomes[job.number] = outcome
        self._apply(lambda generator: generator.observe(job, outcome))
        return job

    def report(self, position: int, loss: float = 0.0) -> Decision:
        """Let a running job report its next step, every other with a checkpoint; it obeys."""
        job = self.running[position]
        step = self.steps[job.number] = self.steps[job.number] + 1
        metrics = {"epoch": step, "loss": loss}
        decision = self.generator.decide(job, metrics, loss, step)
        name = _checkpoint(job, step) if (step + job.number) % 2 else None
        if name is not None:
            self._newest[job.number] = name
            self._left(job, name)
        self._apply(
            lambda generator: generator.reported(
                job, metrics, loss, step, decision=decision, checkpoint=name
            )
        )
        if decision is not Decision.CONTINUE:
            stopped = decision is Decision.STOP
            self.finish(position, Status.STOPPED if stopped else Status.OK, loss)
        return decision

    def lose(self, position: int) -> None:
        """Let a running job begin again, at another worker: of which a generator learns nothing."""
        job = self.running[position]
        self.steps[job.number] = step_of(self._newest.get(job.number) or job.checkpoint)

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
                self._take(step)
            else:
                break
        if play.close_after is not None and not self.closed:
            self.close()
        return self

    def _take(self, step: Step) -> None:
        position = step.pick % len(self.running)
        number, loss = self.running[position].number, float(step.loss)
        turn = self._turns[number] = self._turns.get(number, 0) + 1
        for _ in range(step.reports):
            if self.report(position, loss) is not Decision.CONTINUE:
                return
        if turn == 1 and step.lost:
            self.lose(position)
        elif turn > 2 or not (step.lazy and step.reports):
            self.finish(position, step.fate, loss)

    def _left(self, job: Job, checkpoint: str | None) -> None:
        if checkpoint is not None:
            self.checkpoints.setdefault(job.trial, set()).add(checkpoint)

    def _apply(self, event: Callable[[IterGenerator], None]) -> None:
        event(self.generator)
        self.events.append(event)
        self.seen.append(
            Seen(self.generator.next(), len(self.jobs), frozenset(self.outcomes), self.closed)
        )


def _checkpoint(job: Job, step: int) -> str:
    return checkpoint_name(step, f"{job.number:016x}")


class IterGeneratorSuite:
    """What every iteration generator keeps. Subclass it and give `make`.

    Attributes
    ----------
    retries : bool
        Whether a job that did not end well may be run again by the generator.
    """

    retries = False

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
        """No run makes more jobs than `num_all_configs` says, but for retries."""
        run = self.simulate(play)
        most = run.generator.num_all_configs(play.n_iterations)
        assert len(run.jobs) - self._n_retries(run) <= most

    def _n_retries(self, run: Simulation) -> int:
        retried = {(job.trial, job.budget) for job in run.jobs}
        return len(run.jobs) - len(retried) if self.retries else 0

    @SUITE_SETTINGS
    @given(play=plays())
    def test_a_trial_goes_on_from_its_last_job(self, play: Play) -> None:
        """A promoted trial is not running, ended well, gets more budget and its checkpoint; one
        that is tried again gets no less."""
        last: dict[int, Job] = {}
        run = self.simulate(play)
        for seen in run.seen:
            for job in run.jobs[: seen.n_jobs]:
                last[job.trial] = job
            if isinstance(seen.action, Promote):
                before = last[seen.action.trial]
                assert before.number in seen.ended
                outcome = run.outcomes[before.number]
                if self.retries and outcome.status is not Status.OK:
                    assert seen.action.budget >= before.budget
                else:
                    assert Status.OK is outcome.status
                    assert seen.action.budget > before.budget
                if outcome.checkpoint is not None:
                    assert outcome.checkpoint == seen.action.checkpoint
                else:
                    assert seen.action.checkpoint in (None, before.checkpoint)

    @SUITE_SETTINGS
    @given(play=plays())
    def test_an_exploit_goes_on_from_another(self, play: Play) -> None:
        """Who exploits is not running and trains further than before, from a checkpoint that is
        there, of another trial."""
        run = self.simulate(play)
        kept = {None, *(name for names in run.checkpoints.values() for name in names)}
        last: dict[int, Job] = {}
        for seen in run.seen:
            for job in run.jobs[: seen.n_jobs]:
                last[job.trial] = job
            if isinstance(seen.action, Exploit):
                before = last[seen.action.trial]
                assert before.number in seen.ended
                assert Status.OK is run.outcomes[before.number].status
                assert seen.action.budget > before.budget
                assert seen.action.donor in last
                assert seen.action.donor != seen.action.trial
                assert seen.action.checkpoint in kept - {None}

    @SUITE_SETTINGS
    @given(play=plays())
    def test_who_may_go_on_needs_its_checkpoint(self, play: Play) -> None:
        """A checkpoint from which somebody goes on was said to be needed all the time."""
        run, generator = self.simulate(play), self.make()
        unneeded: set[str] = set()
        for event, seen in zip(run.events, run.seen, strict=True):
            event(generator)
            action = seen.action
            if isinstance(action, (Promote, Exploit)) and action.checkpoint is not None:
                assert action.checkpoint not in unneeded
            last = {job.trial: job for job in run.jobs[: seen.n_jobs]}
            needed = {
                trial
                for trial, job in last.items()
                if job.number not in seen.ended or generator.needs_checkpoint(trial)
            }
            # Who has left nothing of its own goes on from what it began with.
            begun_with = {last[trial].checkpoint for trial in needed}
            for trial in last.keys() - needed:
                unneeded |= run.checkpoints.get(trial, set()) - begun_with

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
        most = run.generator.num_all_configs(n_iterations)
        assert len(run.jobs) - self._n_retries(run) <= most

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
