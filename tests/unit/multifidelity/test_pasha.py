"""PASHA: the largest budget grows as long as rankings disagree."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandmaster.core.decisions import Decision, Done, Wait
from bandmaster.core.job import Job
from bandmaster.multifidelity import ASHAIterGenerator, IterGenerator, PASHAIterGenerator
from bandmaster.multifidelity.ranking import agree, noise
from bandmaster.testing.generators import Simulation


def budgets_used(
    generator: IterGenerator,
    loss: Callable[[Job], float],
    reports: Callable[[Job], list[float]] = lambda job: [],
) -> set[float]:
    """Run a search of one worker with these losses; return the budgets of its jobs."""
    run = Simulation(generator, 2)
    while not isinstance(run.seen[-1].action, Done):
        if run.running:
            for step, told in enumerate(reports(run.running[0]), start=1):
                generator.reported(
                    run.running[0], {}, told, step, decision=Decision.CONTINUE, checkpoint=None
                )
            run.finish(0, loss=loss(run.running[0]))
        else:
            assert not isinstance(run.seen[-1].action, Wait)
            run.issue()
    return {job.budget for job in run.jobs}


def test_settled_rankings_need_no_larger_budget() -> None:
    """If the second rung ranks as the first did, the third is never opened."""
    assert {1, 3} == budgets_used(PASHAIterGenerator(1, 81), lambda job: job.trial)


def test_unsettled_rankings_open_rung_after_rung() -> None:
    """If every rung turns the ranking round, the largest budget is reached, as with ASHA."""

    def turning(job: Job) -> float:
        return job.trial if round(math.log(job.budget, 3)) % 2 else -job.trial

    assert {1, 3, 9, 27} == budgets_used(PASHAIterGenerator(1, 27), turning)
    assert {1, 3, 9, 27} == budgets_used(ASHAIterGenerator(1, 27), turning)


def test_a_single_rung_is_all_there_is() -> None:
    """With one budget there is nothing to open."""
    assert {2} == budgets_used(PASHAIterGenerator(2, 2), lambda job: job.trial)


def test_reports_tell_noise_from_merit() -> None:
    """Trials that change places between rungs differ by noise if they also did so in between."""

    def loss(job: Job) -> float:
        return job.trial * (0.01 if job.rung == 0 else -0.05)

    def crossing(job: Job) -> list[float]:
        return [job.trial * (-1) ** step for step in range(1, 10)] if job.rung else []

    assert {1, 10, 100} == budgets_used(PASHAIterGenerator(1, 100, 10), loss)
    assert {1, 10} == budgets_used(PASHAIterGenerator(1, 100, 10), loss, crossing)


LOSSES = st.dictionaries(st.integers(0, 9), st.floats(0, 1), min_size=1)


@given(losses=LOSSES)
def test_a_ranking_agrees_with_itself(losses: dict[int, float]) -> None:
    """And with any that keeps the order."""
    assert agree(losses, losses, 0.0)
    assert agree(losses, {trial: 2 * loss for trial, loss in losses.items()}, 0.0)


@given(losses=LOSSES, other=st.data())
def test_a_tolerance_of_the_whole_range_agrees_with_all(
    losses: dict[int, float], other: st.DataObject
) -> None:
    """Nothing is further apart than that."""
    turned = {trial: other.draw(st.floats(0, 1)) for trial in losses}
    assert agree(losses, turned, 1.0)


def test_rankings_that_disagree() -> None:
    """Trials that change places must be that near to each other in the lower rung."""
    lower, upper = {0: 0.1, 1: 0.3, 2: 0.9}, {0: 0.3, 1: 0.2, 2: 0.8}
    assert not agree(lower, upper, 0.1)
    assert agree(lower, upper, 0.21)


@pytest.mark.parametrize(
    ("curves", "expected"),
    [
        ([], 0.0),
        ([{1: 0.0, 2: 0.0, 3: 0.0}, {1: 1.0, 2: 1.0, 3: 1.0}], 0.0),  # never cross
        ([{1: 0.0, 2: 1.0, 3: 1.0}, {1: 1.0, 2: 0.0, 3: 0.0}], 0.0),  # cross for good
        ([{1: 0.0, 2: 1.0, 3: 0.0}, {1: 1.0, 2: 0.0, 3: 0.25}], 0.25),  # to and fro
        ([{1: 0.0, 2: 1.0, 3: 0.0, 9: 7.0}, {1: 1.0, 2: 0.0, 3: 0.25}], 0.25),
    ],
)
def test_noise_is_what_crosses_to_and_fro(
    curves: list[dict[float, float]], expected: float
) -> None:
    """At the last step that both have."""
    assert expected == noise(curves)
