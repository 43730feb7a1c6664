"""The rules of generators whose brackets have synchronous rungs, as a suite to subclass."""

from __future__ import annotations

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bandmaster.core.decisions import Action, Done, New, Promote, Wait
from bandmaster.core.job import Job
from bandmaster.core.outcome import Outcome, Status
from bandmaster.testing.generators import (
    SUITE_SETTINGS,
    IterGeneratorSuite,
    Play,
    Seen,
    Simulation,
    Step,
    plays,
)

__all__ = ["BracketSuite"]


class BracketSuite(IterGeneratorSuite):
    """What generators of brackets with synchronous rungs keep besides."""

    @SUITE_SETTINGS
    @given(play=plays(fates=[Status.OK], may_close=False))
    def test_rungs_fill_as_the_table_says(self, play: Play) -> None:
        """If nothing fails, every rung runs exactly the table's trials at the table's budget."""
        run = self.simulate(play)
        table = run.generator.get_table()
        expected = {
            (bracket, rung, budget): n
            for bracket in range(play.n_iterations)
            for rung, (n, budget) in enumerate(table[bracket % len(table)])
        }
        assert expected == Counter((job.bracket, job.rung, job.budget) for job in run.jobs)
        assert run.generator.num_all_configs(play.n_iterations) == len(run.jobs)

    @SUITE_SETTINGS
    @given(play=plays())
    def test_the_best_that_ended_well_go_on(self, play: Play) -> None:
        """The next rung takes, in rank order, the best finished and not failed trials (ties: the
        earlier trial), as many as it holds: a failed trial's slot goes to the next best, never
        to a fresh one. With the intake closed it holds its share of those that started."""
        run = self.simulate(play)
        table = run.generator.get_table()
        for bracket in {job.bracket for job in run.jobs}:
            rungs = _rungs_of(run.jobs, bracket)
            sizes = _sizes(table, bracket, len(rungs[0]))
            for rung, size in enumerate(sizes[1:]):
                expected = _ranked(rungs[rung], run.outcomes)[:size]
                assert expected == [job.trial for job in rungs[rung + 1]]

    @SUITE_SETTINGS
    @given(play=plays())
    def test_the_order_of_work(self, play: Play) -> None:
        """Promotions go before new trials, those of older brackets first, the best first; the next
        bracket starts while a rung waits; `Wait` and `Done` come only when nothing may start."""
        run = self.simulate(play)
        table = run.generator.get_table()
        for seen in run.seen:
            expected = _naive_next(table, play.n_iterations, run, seen)
            action = seen.action
            if isinstance(action, New):
                action = replace(action, source="model")
            assert expected == action

    def test_a_bracket_in_which_all_fails_ends(self) -> None:
        """With no trial that ended well nothing is promoted, and the next bracket starts."""
        run = self.simulate(Play((Step(0, Status.FAILED, 0, False),), 1, 2, None))
        table = self.make().get_table()
        starts = [table[bracket % len(table)][0][0] for bracket in range(2)]
        assert {(0, 0): starts[0], (1, 0): starts[1]} == Counter(
            (job.bracket, job.rung) for job in run.jobs
        )

    @SUITE_SETTINGS
    @given(play=plays(), more=st.integers(0, 3))
    def test_a_bracket_that_was_closed_stays_so(self, play: Play, more: int) -> None:
        """After another `plan` the run goes on with brackets that had not begun."""
        run = self.simulate(play)
        begun = {job.bracket for job in run.jobs}
        before = len(run.jobs)
        run.plan(play.n_iterations + more)
        run.play(dataclasses.replace(play, close_after=None))
        assert not begun & {job.bracket for job in run.jobs[before:]}

    def test_raising_the_plan_reopens(self) -> None:
        """After `Done` a larger plan starts the next bracket; a smaller one is `Done` again."""
        run = self.simulate(Play((Step(0, Status.OK, 0, False),), 1, 1, None))
        run.generator.plan(2)
        action = run.generator.next()
        assert isinstance(action, New)
        assert run.jobs[-1].bracket + 1 == action.bracket
        run.generator.plan(0)
        assert Done() == run.generator.next()

    def test_no_limit_means_no_end(self) -> None:
        """With `plan(None)`, one worker runs bracket after bracket without ever waiting."""
        run = Simulation(self.make(), None)
        brackets = 2 * len(run.generator.get_table()) + 1
        while run.jobs[-1:] == [] or run.jobs[-1].bracket < brackets:
            run.issue()
            run.finish(0)
        assert run.generator.num_all_configs(brackets) == len(run.jobs) - 1

    @SUITE_SETTINGS
    @given(started=st.integers(1, 200))
    def test_a_closed_bracket_reaches_the_top(self, started: int) -> None:
        """However few trials a bracket got before the intake closed, one reaches its last rung."""
        run = Simulation(self.make(), 1)
        last = len(run.generator.get_table()[0]) - 1
        for _ in range(started):
            if isinstance(run.seen[-1].action, New):
                run.issue()
        run.close()
        while run.running or not isinstance(run.seen[-1].action, Done):
            if isinstance(run.seen[-1].action, Promote):
                run.issue()
            else:
                run.finish(0)
        assert last == run.jobs[-1].rung


def _rungs_of(jobs: Sequence[Job], bracket: int) -> defaultdict[int, list[Job]]:
    rungs: defaultdict[int, list[Job]] = defaultdict(list)
    for job in jobs:
        if job.bracket == bracket:
            rungs[job.rung].append(job)
    return rungs


def _sizes(table: list[list[tuple[int, float]]], bracket: int, started: int) -> list[int]:
    planned = [n for n, _ in table[bracket % len(table)]]
    return [started, *(max(1, started * n // planned[0]) for n in planned[1:])]


def _ranked(jobs: Sequence[Job], outcomes: dict[int, Outcome]) -> list[int]:
    scored = [(outcomes[job.number], job.trial) for job in jobs]
    return [trial for _, trial in sorted((out.loss, trial) for out, trial in scored if out.ok)]


def _naive_next(
    table: list[list[tuple[int, float]]], n_iterations: int, run: Simulation, seen: Seen
) -> Action:
    """Work out the answer from the whole story, slowly: the oracle."""
    jobs = run.jobs[: seen.n_jobs]
    outcomes = {number: run.outcomes[number] for number in seen.ended}
    begun = 1 + max((job.bracket for job in jobs), default=-1)
    fresh: New | None = None
    for bracket in range(begun):
        shape = table[bracket % len(table)]
        rungs = _rungs_of(jobs, bracket)
        if len(rungs[0]) < shape[0][0] and not seen.closed:
            fresh = New(shape[0][1], "model", bracket, 0)
            continue
        for rung, size in enumerate(_sizes(table, bracket, len(rungs[0]))[1:], start=1):
            below = rungs[rung - 1]
            if any(job.number not in outcomes for job in below):
                break
            promoted = _ranked(below, outcomes)[:size]
            waiting = promoted[len(rungs[rung]) :]
            if waiting:
                last = next(job.number for job in below if job.trial == waiting[0])
                return Promote(waiting[0], shape[rung][1], bracket, rung, outcomes[last].checkpoint)
    if fresh is None and begun < n_iterations and not seen.closed:
        fresh = New(table[begun % len(table)][0][1], "model", begun, 0)
    if fresh is not None:
        return fresh
    return Wait() if len(outcomes) < len(jobs) else Done()
