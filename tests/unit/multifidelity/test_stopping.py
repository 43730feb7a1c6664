"""Generators that stop evaluations by what these report."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandmaster.core.decisions import Decision
from bandmaster.core.job import Job
from bandmaster.core.outcome import Outcome, Status
from bandmaster.errors import ConfigurationError
from bandmaster.multifidelity import (
    ASHAStoppingIterGenerator,
    IterGenerator,
    MedianStoppingIterGenerator,
    PercentileStoppingIterGenerator,
)

LOSSES = st.lists(st.lists(st.integers(0, 9), min_size=9, max_size=9), min_size=1, max_size=25)


def begin(generator: IterGenerator, number: int) -> Job:
    """Issue a trial's job."""
    action: Any = generator.next()
    job = Job(number, 0, number, {}, action.budget, {}, action.bracket, action.rung)
    generator.issued(job)
    return job


def report(generator: IterGenerator, job: Job, loss: float | None, step: int) -> Decision:
    """Report as a study does."""
    decision = generator.decide(job, {}, loss, step)
    assert decision is generator.decide(job, {}, loss, step)
    generator.reported(job, {}, loss, step, decision=decision, checkpoint=None)
    return decision


def lengths(generator: IterGenerator, curves: list[list[int]]) -> list[int]:
    """Let trials with these losses run one after the other; return how many steps each made."""
    result = []
    for number, curve in enumerate(curves):
        job, step = begin(generator, number), 0
        for step, loss in enumerate(curve, start=1):
            if report(generator, job, float(loss), step) is not Decision.CONTINUE:
                break
        generator.observe(job, Outcome(Status.OK if step == len(curve) else Status.STOPPED))
        result.append(step)
    return result


@settings(max_examples=100, deadline=None)
@given(curves=LOSSES)
def test_asha_keeps_the_best_third_at_each_rung(curves: list[list[int]]) -> None:
    """A trial passes a rung if fewer were better there than a third of those that came."""
    generator = ASHAStoppingIterGenerator(1, 9)
    generator.plan(None)
    seen: dict[int, list[int]] = {1: [], 3: []}
    expected = []
    for curve in curves:
        end = 9
        for rung, there in seen.items():
            better = sum(loss < curve[rung - 1] for loss in there)
            there.append(curve[rung - 1])
            if better >= max(1, len(there) // 3):
                end = rung
                break
        expected.append(end)
    assert expected == lengths(generator, curves)


@settings(max_examples=100, deadline=None)
@given(curves=LOSSES, percentile=st.sampled_from([20.0, 50.0, 90.0]))
def test_percentile_rule(curves: list[list[int]], percentile: float) -> None:
    """Stopped is who is at best worse than the percentile of the others' means at that step."""
    generator = PercentileStoppingIterGenerator(9, percentile=percentile, grace=2, min_trials=3)
    generator.plan(None)
    means: dict[int, list[float]] = {step: [] for step in range(1, 10)}
    expected = []
    for curve in curves:
        end = 9
        for step in range(1, 10):
            others = means[step].copy()
            means[step].append(sum(curve[:step]) / step)
            if step >= 2 and len(others) >= 3:
                bound = float(np.percentile(others, percentile))
                if min(curve[:step]) > bound + 1e-12:
                    end = step
                    break
        expected.append(end)
    assert expected == lengths(generator, curves)


def test_median_is_the_50th_percentile() -> None:
    """The median rule stops the same evaluations."""
    rng = np.random.default_rng(0)
    curves = rng.integers(0, 50, (30, 9)).tolist()
    made: list[Callable[[], IterGenerator]] = [
        lambda: MedianStoppingIterGenerator(9),
        lambda: PercentileStoppingIterGenerator(9, percentile=50),
    ]
    runs = []
    for make in made:
        generator = make()
        generator.plan(None)
        runs.append(lengths(generator, curves))
    assert runs[0] == runs[1]
    assert 9 in runs[0]
    assert min(runs[0]) < 9


def test_reports_between_rungs_and_beyond_several() -> None:
    """A rung is judged at the first report at or beyond it; of several the highest counts."""
    generator = ASHAStoppingIterGenerator(1, 27)
    generator.plan(None)
    good, bad, late = (begin(generator, number) for number in range(3))
    assert Decision.CONTINUE is report(generator, good, 0.0, 4)  # beyond 1 and 3: judged at 3
    assert Decision.CONTINUE is report(generator, bad, 5.0, 2)  # the first at 1
    assert Decision.CONTINUE is report(generator, late, 0.5, 0)  # at no rung yet
    assert Decision.STOP is report(generator, bad, 5.0, 3)
    assert Decision.STOP is report(generator, late, None, 3)  # no loss is the worst


def test_an_attempt_that_runs_again_counts_once() -> None:
    """What a lost attempt reported is not counted twice when the job runs anew."""
    for generator in (ASHAStoppingIterGenerator(1, 9), PercentileStoppingIterGenerator(9)):
        generator.plan(None)
        job = begin(generator, 0)
        for _ in range(10):
            assert Decision.CONTINUE is report(generator, job, 5.0, 1)
        other = begin(generator, 1)
        assert Decision.CONTINUE is report(generator, other, 4.0, 1)


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: PercentileStoppingIterGenerator(1, percentile=0),
        lambda: PercentileStoppingIterGenerator(1, percentile=math.nan),
        lambda: PercentileStoppingIterGenerator(1, grace=-1),
        lambda: MedianStoppingIterGenerator(1, min_trials=0),
        lambda: ASHAStoppingIterGenerator(9, 1),
        lambda: ASHAStoppingIterGenerator(1, 9, 1),
    ],
)
def test_wrong_arguments_are_refused(wrong: Callable[[], IterGenerator]) -> None:
    """Out of range: a ConfigurationError."""
    with pytest.raises(ConfigurationError):
        wrong()
