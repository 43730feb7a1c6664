"""Asynchronous successive halving: who goes on, and when."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bandmaster.core.decisions import Action, Done, New, Promote, Wait
from bandmaster.core.outcome import Status
from bandmaster.errors import ConfigurationError
from bandmaster.multifidelity import ASHAIterGenerator
from bandmaster.testing.generators import Play, Seen, Simulation, plays

SETTINGS = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def expected_action(
    generator: ASHAIterGenerator, play: Play, run: Simulation, seen: Seen
) -> Action:
    """Work out the answer from the whole story, slowly: the oracle."""
    table, jobs = generator.get_table(), run.jobs[: seen.n_jobs]
    starts = [table[i % len(table)][0][0] for i in range(play.n_iterations)]
    n_new = sum(job.rung == 0 for job in jobs)
    intake = not seen.closed and n_new < sum(starts)
    for bracket, shape in enumerate(table):
        mine = [job for job in jobs if job.bracket == bracket]
        iterations = len(range(bracket, play.n_iterations, len(table)))
        final, answer = not intake, None
        for rung in range(len(shape) - 1):
            here = [job for job in mine if job.rung == rung]
            gone = {job.trial for job in mine if job.rung == rung + 1}
            ended = [job for job in here if job.number in seen.ended]
            good = sorted(
                (run.outcomes[job.number].loss, job.trial, job.number)
                for job in ended
                if run.outcomes[job.number].ok
            )
            final = final and len(ended) == len(here)
            quota = int(len(ended) / generator.eta)
            if final:
                quota = max(quota, 1)
            if len(gone) >= shape[rung + 1][0] * iterations:
                continue
            if generator.delayed and len(gone) >= quota:
                continue
            for _, trial, number in good[:quota]:
                if trial not in gone:
                    checkpoint = run.outcomes[number].checkpoint
                    budget = shape[rung + 1][1]
                    answer, final = Promote(trial, budget, bracket, rung + 1, checkpoint), False
                    break
        if answer is not None:
            return answer
    if intake:
        bracket = next(i for i in range(len(starts)) if n_new < sum(starts[: i + 1])) % len(table)
        return New(table[bracket][0][1], "model", bracket)
    return Wait() if len(seen.ended) < len(jobs) else Done()


@pytest.mark.parametrize("delayed", [False, True])
@pytest.mark.parametrize("n_brackets", [1, 2])
@SETTINGS
@given(play=plays(most=3))
def test_every_answer_is_that_of_the_rule(play: Play, n_brackets: int, delayed: bool) -> None:
    """The highest rung's best trial among the best 1/eta goes on; else a new one starts."""
    generator = ASHAIterGenerator(1, 9, n_brackets=n_brackets, delayed=delayed)
    run = Simulation(generator, play.n_iterations).play(play)
    for seen in run.seen:
        assert expected_action(generator, play, run, seen) == seen.action


@SETTINGS
@given(play=plays(may_close=False))
def test_nobody_waits_while_trials_may_start(play: Play) -> None:
    """With new trials left in the plan the answer is never `Wait`."""
    generator = ASHAIterGenerator(1, 9)
    run = Simulation(generator, play.n_iterations).play(play)
    for seen in run.seen:
        if isinstance(seen.action, Wait):
            started = sum(job.rung == 0 for job in run.jobs[: seen.n_jobs])
            assert 9 * play.n_iterations == started


@SETTINGS
@given(play=plays(fates=[Status.OK], may_close=False))
def test_delayed_promotion_makes_the_jobs_of_the_table(play: Play) -> None:
    """If nothing fails, every rung ends with exactly as many trials as successive halving has."""
    generator = ASHAIterGenerator(1, 9, delayed=True)
    run = Simulation(generator, play.n_iterations).play(play)
    counts = Counter(job.budget for job in run.jobs)
    assert {b: n for b, n in generator.configs_per_budget(play.n_iterations).items() if n} == counts


@given(n_trials=st.integers(1, 40))
def test_a_closed_intake_lets_one_trial_reach_the_top(n_trials: int) -> None:
    """However few trials there are, the best of them gets the largest budget."""
    run = Simulation(ASHAIterGenerator(1, 27), None)
    for _ in range(n_trials):
        run.issue()
    run.close()
    while not isinstance(run.seen[-1].action, Done):
        if isinstance(run.seen[-1].action, Promote):
            run.issue()
        else:
            run.finish(0, loss=float(run.running[0].trial))
    assert 27 == run.jobs[-1].budget
    assert 0 in {job.trial for job in run.jobs if job.budget == 27}


def test_without_a_plan_there_is_always_something_to_do() -> None:
    """`plan(None)`: the answer is New or Promote for ever, whatever is out."""
    run = Simulation(ASHAIterGenerator(1, 27), None)
    for turn in range(300):
        assert isinstance(run.seen[-1].action, New | Promote)
        run.issue()
        if turn % 3:
            run.finish(0, loss=float(turn * 7 % 11))
    assert {1, 3, 9, 27} == {job.budget for job in run.jobs}


@pytest.mark.parametrize("n_brackets", [0, 4, 1.5])
def test_brackets_need_rungs(n_brackets: int) -> None:
    """There are as many brackets as rungs, at most."""
    with pytest.raises(ConfigurationError, match="n_brackets"):
        ASHAIterGenerator(1, 9, n_brackets=n_brackets)


def test_repr_names_the_options() -> None:
    """The repr tells two generators apart that differ in an option."""
    reprs = {
        repr(ASHAIterGenerator(1, 9)),
        repr(ASHAIterGenerator(1, 9, delayed=True)),
        repr(ASHAIterGenerator(1, 9, n_brackets=2)),
    }
    assert 3 == len(reprs)
