"""A small part of benchmarks/quality, with wide margins: what is far better must stay so."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from benchmarks.quality import statistics as st
from benchmarks.quality import suites
from benchmarks.quality.runs import play
from benchmarks.quality.table import Results

SEEDS = range(8)


def results(
    problems: Sequence[str], engines: Sequence[str], length: float, *, workers: int = 1
) -> Results:
    """Play every engine on every problem with eight seeds."""
    records = [
        play((problem, engine, seed, workers, length))
        for problem in problems
        for engine in engines
        for seed in SEEDS
    ]
    assert {""} == {record.error for record in records}
    return Results.of(records, problems, engines)


@pytest.fixture(scope="module")
def one_budget() -> Results:
    """Give ETPE and random search on functions of every kind, 80 evaluations."""
    problems = [*suites.names("synthetic"), "pair_choices", "nested_pipeline", "log_valley"]
    return results(problems, ["ETPE", "Random"], 80)


def test_the_regret_is_a_third_of_random_searchs(one_budget: Results) -> None:
    """Over floats, integers, choices and conditions: certainly below a third, on average."""
    ratio = st.regret_ratio(one_budget.table("ETPE"), one_budget.table("Random"))
    assert ratio.high < 1 / 3


def test_no_kind_of_problem_is_lost(one_budget: Results) -> None:
    """ETPE wins on most of the problems and loses on none."""
    found = st.win_tie_loss(one_budget.table("ETPE"), one_budget.table("Random"))
    assert found.wins >= 5
    assert found.losses == 0


def test_it_is_ahead_at_half_of_the_budget(one_budget: Results) -> None:
    """The lead is there after 40 evaluations already."""
    ratio = st.regret_ratio(one_budget.table("ETPE", 0.5), one_budget.table("Random", 0.5))
    assert ratio.high < 0.7


def test_many_at_a_time_lose_little() -> None:
    """With 16 jobs out, 120 evaluations leave clearly less regret than random search."""
    found = results(["hartmann6", "ackley10mixed"], ["ETPE", "Random"], 120, workers=16)
    assert st.regret_ratio(found.table("ETPE"), found.table("Random")).value < 0.8


def test_cheap_looks_help() -> None:
    """In 20 full evaluations Hyperband with a model gets further than full evaluations alone."""
    found = results(["mf-counting_ones"], ["ETPE+HyperBand", "Random+Flat"], 20)
    ours, full = (found.table(name)["mf-counting_ones"].mean() for name in found.engines)
    assert ours < 0.6 * full
    assert np.isfinite(found.losses("mf-counting_ones", "ETPE+HyperBand")).all()
