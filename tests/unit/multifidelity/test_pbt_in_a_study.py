"""Populations in a study: simulated, loaded from any point, extended."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandmaster.core.clock import ManualClock
from bandmaster.core.decisions import Exploit, New
from bandmaster.core.events import JobFinished, JobIssued, JobReported
from bandmaster.core.plan import Plan
from bandmaster.multifidelity import PBTIterGenerator, choice, grid_search, int_uniform, uniform
from bandmaster.optimizers import RandomOptimizer, get_optimizer
from bandmaster.runners import Fleet, LogNormal, Trained, run_simulated
from bandmaster.storage import MemoryJournal
from bandmaster.study.forecast import forecast_study
from bandmaster.study.reported import Reported
from bandmaster.study.study import Study

MUTATED = {"x": uniform(0, 1), "n": int_uniform(1, 9), "c": choice("abc")}


def learn(config: Mapping[str, Any], state: float | None) -> tuple[float, float]:
    """Learn faster the larger x and n are."""
    state = (1.0 if state is None else state) * (1 - 0.2 * config["x"] - 0.01 * config["n"])
    return state, state


def make(synch: bool, *, stop: int = 8, num_samples: int = 2) -> PBTIterGenerator:
    grid = {"x": grid_search([0.1, 0.5, 0.9]), "n": int_uniform(1, 9)}
    return PBTIterGenerator(
        2, param_space=grid, hyperparam_mutations=MUTATED, synch=synch, stop=stop,
        num_samples=num_samples, max_failures=1,
    )  # fmt: skip


def load(generator: PBTIterGenerator, journal: MemoryJournal, clock: ManualClock) -> Study:
    return Study(
        generator.search_space(), optimizer=RandomOptimizer(), generator=generator,
        journal=journal, clock=clock, seed=5, max_retries=1,
    )  # fmt: skip


def prefix(journal: MemoryJournal, n: int) -> MemoryJournal:
    copy = MemoryJournal()
    copy.append(list(journal.read(0))[:n])
    return copy


@pytest.mark.parametrize("synch", [False, True])
def test_a_study_that_is_loaded_goes_on_as_it_would_have(synch: bool) -> None:
    """From any event on: the next job is the one that was issued, whatever befell members."""
    clock, journal = ManualClock(), MemoryJournal()
    study = load(make(synch), journal, clock)
    study.set_plan(Plan(n_iterations=1))
    fleet = Fleet(3, failures=0.1, crashes=0.1, downtime=1.0)
    run_simulated(study, Trained(learn, save_every=2), fleet, clock=clock, seed=3)
    events = list(journal.read(0))
    exploits = 0
    for i, event in enumerate(events):
        if not isinstance(event, JobIssued) or event.attempt:
            continue
        generator = make(synch)
        load(generator, prefix(journal, i), clock)
        action = generator.next()
        exploits += isinstance(action, Exploit)
        if isinstance(action, New):
            assert event.config == action.source
        else:
            assert (event.trial, event.checkpoint) == (action.trial, action.checkpoint)
        if isinstance(action, Exploit):
            assert event.config == action.config
            assert event.config_info == {"exploits": action.donor}
        assert (event.budget, event.rung) == (action.budget, action.rung)
    assert exploits > 3


@pytest.mark.parametrize("synch", [False, True])
@pytest.mark.parametrize(
    ("raised", "plan", "trials", "last"),
    [
        ({"stop": 13}, 1, 6, 13),
        ({"num_samples": 3}, 1, 9, 8),
        ({"stop": 13, "num_samples": 3}, 1, 9, 13),
        ({}, 2, 12, 8),
    ],
)
def test_a_finished_study_is_extended(
    synch: bool, raised: dict[str, int], plan: int, trials: int, last: int
) -> None:
    """With a later end, more members or more populations it goes on, to the new end of all."""
    clock, journal = ManualClock(), MemoryJournal()
    work = Trained(learn, seconds=LogNormal(1.0, 0.3))
    study = load(make(synch), journal, clock)
    study.set_plan(Plan(n_iterations=1))
    run_simulated(study, work, 2, clock=clock)
    assert study.finished
    before = len(study.history)
    again = load(make(synch, **raised), journal, clock)
    again.set_plan(Plan(n_iterations=plan))
    expected = forecast_study(again)
    run_simulated(again, work, 2, clock=clock)
    assert again.finished
    assert expected is not None
    assert trials * last - 6 * 8 == expected.total_budget
    assert before < len(again.history)
    assert set(range(trials)) == {e.trial for e in again.history}
    assert {last} == set({e.trial: e.budget for e in again.history}.values())


def test_any_optimizer_proposes_members() -> None:
    """Without param_space: as many as `num_samples`, in the study's space, all of it mutated."""
    clock = ManualClock()
    generator = PBTIterGenerator(2, num_samples=6, stop=8, quantile_fraction=0.5)
    space = {"x": uniform(0, 1), "n": int_uniform(1, 9), "k": 3}
    study = Study(space, optimizer=get_optimizer("ETPE"), generator=generator, clock=clock)
    study.set_plan(Plan(n_iterations=2))
    run_simulated(study, Trained(learn), 4, clock=clock)
    assert 12 == study.n_trials
    changed = [e for e in study.history if "exploits" in e.config_info]
    assert changed
    for e in study.history:
        study.space.validate(e.config)


def test_steps_are_counted_through_exploits() -> None:
    """A member's reports count on from the checkpoint that it went on from, its own or not."""
    clock, journal = ManualClock(), MemoryJournal()
    study = load(make(True), journal, clock)
    study.set_plan(Plan(n_iterations=1))
    run_simulated(study, Trained(learn), 2, clock=clock)
    steps: dict[int, list[int]] = {}
    trial: dict[int, int] = {}
    for event in journal.read(0):
        if isinstance(event, JobIssued):
            trial[event.job] = event.trial
        elif isinstance(event, JobReported):
            steps.setdefault(trial[event.job], []).append(event.step)
        elif isinstance(event, JobFinished):
            assert event.outcome.checkpoint is not None
    assert [list(range(1, 9))] * 6 == list(steps.values())


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 1000), synch=st.booleans(), save_every=st.integers(1, 2),
    workers=st.integers(1, 7),
)  # fmt: skip
def test_every_step_is_kept_once_whatever_is_lost(
    seed: int, synch: bool, save_every: int, workers: int
) -> None:
    """Workers die and members fail: without exploits each member has the steps 1 to 8, once each;
    with them each member's steps ascend from one exploit to the next."""
    for quantile in (0.0, 0.5):
        clock, journal = ManualClock(), MemoryJournal()
        generator = PBTIterGenerator(
            2, num_samples=4, stop=8, synch=synch, quantile_fraction=quantile, max_failures=-1
        )
        study = Study(
            MUTATED, optimizer=RandomOptimizer(), generator=generator, journal=journal,
            clock=clock, seed=seed, max_retries=100,
        )  # fmt: skip
        study.set_plan(Plan(n_iterations=1))
        fleet = Fleet(workers, failures=0.2, crashes=0.2, downtime=0.5)
        run_simulated(study, Trained(learn, save_every=save_every), fleet, clock=clock, seed=seed)
        reported = Reported(journal.read)
        for trial in range(4):
            rows = [row.step for row in reported.steps(trial)]
            if not quantile:
                assert list(range(1, 9)) == rows
            assert 8 == rows[-1]
            jumps = sum(b <= a for a, b in itertools.pairwise(rows))
            assert jumps <= sum(e.trial == trial for e in reported.exploits())


def test_functions_of_the_user_need_not_repeat_what_they_drew() -> None:
    """A study that is loaded has the configurations that were explored, not new ones."""
    drawn = itertools.count()

    def make_drawing() -> PBTIterGenerator:
        return PBTIterGenerator(
            2, param_space={"x": uniform(0, 1)}, num_samples=6, quantile_fraction=0.5, stop=8,
            hyperparam_mutations={"x": lambda: 1 / (2 + next(drawn))}, resample_probability=1.0,
        )  # fmt: skip

    clock, journal = ManualClock(), MemoryJournal()
    space = {"x": uniform(0, 1)}
    study = Study(
        space, optimizer=RandomOptimizer(), generator=make_drawing(), journal=journal, clock=clock
    )
    study.set_plan(Plan(n_iterations=1))
    learn_x = Trained(lambda config, state: ((state or 0) + config["x"],) * 2)
    run_simulated(study, learn_x, 3, clock=clock)
    configs = [e.config for e in study.history]
    again = Study(
        space, optimizer=RandomOptimizer(), generator=make_drawing(), journal=journal, clock=clock
    )
    assert again.finished
    assert configs == [e.config for e in again.history]
    assert len({config["x"] for config in configs}) > 9
