"""A larger budget for a study that has begun: what goes on, and that a replay agrees."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bandmaster.core.clock import ManualClock
from bandmaster.core.plan import Plan
from bandmaster.errors import StudyError
from bandmaster.multifidelity import (
    ASHAIterGenerator,
    BOHBIterGenerator,
    CustomIterGenerator,
    HyperBandIterGenerator,
    PASHAIterGenerator,
    SuccessiveHalvingIterGenerator,
)
from bandmaster.optimizers import RandomOptimizer
from bandmaster.storage import MemoryJournal
from bandmaster.study import Study

SPACE = {"x": {"_type": "uniform", "_value": [0.0, 1.0]}}
KINDS = {
    "successive halving": lambda top: SuccessiveHalvingIterGenerator(1, top),
    "hyperband": lambda top: HyperBandIterGenerator(1, top),
    "bohb": lambda top: BOHBIterGenerator(1, top, seed=3),
    "asha": lambda top: ASHAIterGenerator(1, top),
    "asha of two brackets": lambda top: ASHAIterGenerator(1, top, n_brackets=2, delayed=True),
    "pasha": lambda top: PASHAIterGenerator(1, top),
}


def load(journal, generator, n_iterations):
    study = Study(
        SPACE,
        optimizer=RandomOptimizer(),
        generator=generator,
        journal=journal,
        clock=ManualClock(1.0),
    )
    study.set_plan(Plan(n_iterations=n_iterations))
    return study


def work(study, most=10_000):
    """Evaluate at most so many jobs, one after the other; returns them."""
    jobs = []
    while len(jobs) < most and (job := study.ask()) is not None:
        study.tell(job, job.config["x"])
        jobs.append(job)
    return jobs


def sizes(jobs):
    """How many jobs at each budget, ascending."""
    return [sum(job.budget == b for job in jobs) for b in sorted({job.budget for job in jobs})]


def test_the_best_of_a_finished_bracket_goes_on():
    """One in eta of those that reached the end, with the new budgets, and no new trial."""
    journal = MemoryJournal()
    first = work(load(journal, SuccessiveHalvingIterGenerator(1, 3, num_configs=27), 1))
    assert [27, 9] == sizes(first)
    later = work(load(journal, SuccessiveHalvingIterGenerator(1, 27, num_configs=27), 1))
    assert [(9, 3), (27, 1)] == [
        (budget, sum(job.budget == budget for job in later)) for budget in (9, 27)
    ]
    best = sorted({(job.config["x"], job.trial) for job in first})[:3]
    assert {trial for _, trial in best} == {job.trial for job in later}


def test_who_goes_on_was_said_to_be_needed():
    """So its checkpoint is still there."""
    journal, generator = MemoryJournal(), HyperBandIterGenerator(1, 9)
    first = load(journal, generator, 3)
    work(first)
    needed = {t for t in range(first.n_trials) if generator.needs_checkpoint(t)}
    later = work(load(journal, HyperBandIterGenerator(1, 27), 3))
    assert {job.trial for job in later} <= needed < set(range(first.n_trials))


def test_brackets_that_begin_later_are_those_of_the_larger_generator():
    """The cycle of its table begins anew."""
    journal = MemoryJournal()
    work(load(journal, HyperBandIterGenerator(1, 9), 2))
    study = load(journal, HyperBandIterGenerator(1, 27), 3)
    expected = study.generator.configs_per_budget(3)
    work(study)
    told = [e.budget for e in study.history]
    assert expected == {budget: told.count(budget) for budget in expected}
    assert [27, 9, 3, 1] == [n for n, _ in study.generator.get_table()[0]]
    assert 27 == sum(e.budget == 1 and e.bracket == 2 for e in study.history)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cuts=st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(0, 60)))
def test_a_replay_agrees(kind, cuts):
    """Extended twice, wherever it was: a study that is loaded again goes on as the live one."""
    journal, make = MemoryJournal(), KINDS[kind]
    work(load(journal, make(3), 2), cuts[0])
    work(load(journal, make(9), 2), cuts[1])
    live = load(journal, make(27), 2)
    work(live, cuts[2])
    kept = MemoryJournal()
    kept.append(list(journal.read(0)))
    loaded = load(kept, make(27), 2)
    assert [(j.trial, j.budget, j.config) for j in work(live)] == [
        (j.trial, j.budget, j.config) for j in work(loaded)
    ]
    assert loaded.finished
    if kind != "pasha":  # which may find that it need not go there
        assert 27 == max(e.budget for e in loaded.history)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (HyperBandIterGenerator(1, 9), HyperBandIterGenerator(1, 3)),
        (HyperBandIterGenerator(1, 9), HyperBandIterGenerator(1, 18)),
        (HyperBandIterGenerator(1, 9), HyperBandIterGenerator(1, 27, SH_only=True)),
        (HyperBandIterGenerator(1, 9), ASHAIterGenerator(1, 27)),
        (HyperBandIterGenerator(1, 8, 2), HyperBandIterGenerator(1, 9, 3)),
        (CustomIterGenerator([[3, 1]], [[1, 3]]), CustomIterGenerator([[3, 1]], [[1, 9]])),
    ],
)
def test_other_changes_are_refused(before, after):
    """And nothing is lost: with the generator it was made with the study goes on."""
    journal, signature = MemoryJournal(), before.signature
    work(load(journal, before, 1), 3)
    with pytest.raises(StudyError, match="larger max_budget"):
        load(journal, after, 1)
    assert signature == before.signature
    assert 3 == len(load(journal, type(before)(*_arguments(before)), 1).history)


def _arguments(generator):
    if isinstance(generator, CustomIterGenerator):
        return [[3, 1]], [[1, 3]]
    return generator.min_budget, generator.max_budget, generator.eta


def test_an_extended_study_does_not_shrink():
    """Who gives the first generator again is told what the study is by now."""
    journal = MemoryJournal()
    work(load(journal, HyperBandIterGenerator(1, 9), 1))
    work(load(journal, HyperBandIterGenerator(1, 27), 1))
    with pytest.raises(StudyError, match="max_budget=27"):
        load(journal, HyperBandIterGenerator(1, 9), 1)


def test_floats_and_fractions_of_budgets():
    """Budgets below one extend as well."""
    journal = MemoryJournal()
    work(load(journal, HyperBandIterGenerator(1 / 9, 1 / 3), 1))
    study = load(journal, HyperBandIterGenerator(1 / 9, 1.0), 1)
    assert [1.0] == [job.budget for job in work(study)]
