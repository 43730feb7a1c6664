"""The brackets have the published shapes."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandmaster.errors import ConfigurationError
from bandmaster.multifidelity import (
    BOHBIterGenerator,
    CustomIterGenerator,
    FlatIterGenerator,
    HyperBandIterGenerator,
    SuccessiveHalvingIterGenerator,
)

DOCS = Path(__file__).resolve().parents[3] / "docs" / "brackets.md"


def trials(generator: Any) -> list[list[int]]:
    return [[n for n, _ in rungs] for rungs in generator.get_table()]


def test_thirty_brackets_of_the_quarter_example() -> None:
    """(1/4, 1, eta 2) for 30 iterations: 130 evaluations, 40 at 1/4, 40 at 1/2 and 50 at 1."""
    generator = HyperBandIterGenerator(1 / 4, 1, 2)
    assert {0.25: 40, 0.5: 40, 1.0: 50} == generator.configs_per_budget(30)
    assert 130 == generator.num_all_configs(30)
    assert 80.0 == generator.total_budget(30)


@pytest.mark.parametrize(
    ("low", "high", "eta", "expected"),
    [
        (1, 9, 3, [[9, 3, 1], [3, 1], [3]]),
        (1, 81, 3, [[81, 27, 9, 3, 1], [27, 9, 3, 1], [9, 3, 1], [6, 2], [5]]),
        (1, 8, 2, [[8, 4, 2, 1], [4, 2, 1], [4, 2], [4]]),
        (5, 5, 3, [[1]]),
        (1, 6.25, 2.5, [[6, 2, 1], [2, 1], [3]]),  # floor(6.25), floor(6/2.5), max(1, 6/6.25)
    ],
)
def test_default_mode(low: Any, high: Any, eta: Any, expected: list[list[int]]) -> None:
    """The default starts floor(floor((s_max+1)/(s+1)) · eta^s) trials."""
    assert expected == trials(HyperBandIterGenerator(low, high, eta))


@pytest.mark.parametrize(
    ("low", "high", "eta", "expected"),
    [
        (1, 81, 3, [[81, 27, 9, 3, 1], [34, 11, 3, 1], [15, 5, 1], [8, 2], [5]]),
        (1, 8, 2, [[8, 4, 2, 1], [6, 3, 1], [4, 2], [4]]),
    ],
)
def test_paper_mode(low: Any, high: Any, eta: Any, expected: list[list[int]]) -> None:
    """The paper's Algorithm 1 starts ceil((s_max+1)/(s+1) · eta^s) trials."""
    assert expected == trials(HyperBandIterGenerator(low, high, eta, mode="paper"))


@given(
    low=st.integers(1, 50),
    ratio=st.integers(1, 300),
    eta=st.fractions(Fraction(6, 5), 6, max_denominator=10),
    mode=st.sampled_from(["default", "paper"]),
)
def test_every_shape_is_a_bracket(low: int, ratio: int, eta: Fraction, mode: Any) -> None:
    """Budgets ascend to max_budget, trials never increase, and one at least reaches the top."""
    generator = HyperBandIterGenerator(low, low * ratio, eta, mode=mode)
    table = generator.get_table()
    assert len(table) == len(table[0]) == len(generator.get_budgets())
    for rungs in table:
        budgets, counts = [b for _, b in rungs], [n for n, _ in rungs]
        assert sorted(set(budgets)) == budgets
        assert sorted(counts, reverse=True) == counts
        assert low * ratio == budgets[-1]
        assert counts[-1] >= 1


def test_a_minimum_between_rungs_does_not_occur() -> None:
    """Budgets hang from max_budget: a min_budget that is no rung only bounds them."""
    assert (3.0, 9.0) == HyperBandIterGenerator(2.9, 9, 3).get_budgets()
    assert (3, 9) == HyperBandIterGenerator(2, 9, 3).get_budgets()
    assert (10 / 9, 10 / 3, 10.0) == HyperBandIterGenerator(1, 10, 3).get_budgets()


def test_integers_stay_integers() -> None:
    """Budgets are plain ints when they can be: epochs are counted, not measured."""
    budgets = HyperBandIterGenerator(1, 243, 3).get_budgets()
    assert (1, 3, 9, 27, 81, 243) == budgets
    assert {int} == {type(budget) for budget in budgets}
    assert int is type(HyperBandIterGenerator(1, 243, 3).total_budget(6))


def test_only_the_first_bracket() -> None:
    """SH_only repeats the most aggressive bracket, as successive halving does."""
    expected = [[(9, 1), (3, 3), (1, 9)]]
    assert expected == HyperBandIterGenerator(1, 9, 3, SH_only=True).get_table()
    assert expected == SuccessiveHalvingIterGenerator(1, 9, 3).get_table()


def test_successive_halving_of_any_number() -> None:
    """One in eta goes on, and at least one."""
    assert [[20, 6, 2]] == trials(SuccessiveHalvingIterGenerator(1, 9, 3, num_configs=20))
    assert [[2, 1, 1]] == trials(SuccessiveHalvingIterGenerator(1, 9, 3, num_configs=2))


def test_custom_brackets_take_turns() -> None:
    """Bracket i has shape i modulo the number of shapes."""
    generator = CustomIterGenerator([[8, 2], [4]], [[1, 10], [10]])
    assert [[(8, 1), (2, 10)], [(4, 10)]] == generator.get_table()
    assert [0, 10, 14, 24] == [generator.num_all_configs(n) for n in range(4)]
    assert [[(8, 1), (2, 10)]] == CustomIterGenerator((8, 2), (1, 10)).get_table()


def test_flat_search_counts_trials() -> None:
    """With flat search iterations, trials and evaluations are the same."""
    assert [[(1, 1)]] == FlatIterGenerator().get_table()
    assert 7 == FlatIterGenerator(5).num_all_configs(7)
    assert 35 == FlatIterGenerator(5).total_budget(7)


@given(
    n=st.integers(0, 40),
    generator=st.sampled_from([
        HyperBandIterGenerator(1 / 4, 1, 2),
        HyperBandIterGenerator(1, 27, 3, mode="paper"),
        CustomIterGenerator([[5, 3], [2]], [[0.1, 0.7], [0.3]]),
    ]),
)  # fmt: skip
def test_totals_are_sums_over_the_table(n: int, generator: Any) -> None:
    """configs_per_budget and total_budget add up the table, bracket by bracket, exactly."""
    table = generator.get_table()
    counts: Counter[float] = Counter()
    for i in range(n):
        for trials_, budget in table[i % len(table)]:
            counts[budget] += trials_
    assert counts == Counter(generator.configs_per_budget(n))
    total = sum((k * Fraction(str(b)) for b, k in counts.items()), Fraction(0))
    assert float(total) == generator.total_budget(n)


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: HyperBandIterGenerator(9, 1), "swap"),
        (lambda: HyperBandIterGenerator(0, 1), "min_budget must be greater than 0, got 0"),
        (lambda: HyperBandIterGenerator(1, float("nan")), "max_budget must be finite"),
        (lambda: HyperBandIterGenerator(1, 9, 1), "eta must be greater than 1, got 1"),
        (lambda: HyperBandIterGenerator(1, 9, mode="papers"), "got 'papers'"),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: SuccessiveHalvingIterGenerator(1, 9, num_configs=0), "num_configs must be"),
        (lambda: BOHBIterGenerator(1, 9, random_fraction=1.5), "random_fraction .* got 1.5"),
        (lambda: BOHBIterGenerator(1, 9, random_fraction=float("nan")), "random_fraction"),
        (lambda: BOHBIterGenerator(1, 9, seed=-1), "seed must be an integer from 0 up"),
        (lambda: FlatIterGenerator(-1), "budget must be greater than 0"),
        (lambda: CustomIterGenerator([1, 2], [1, 3]), "increases"),
        (lambda: CustomIterGenerator([2, 1], [3, 1]), "must ascend"),
        (lambda: CustomIterGenerator([2, 1], [1, 1]), "must ascend"),
        (lambda: CustomIterGenerator([2, 1], [1]), "has 2 rungs, budgets_list 1"),
        (lambda: CustomIterGenerator([2, 0], [1, 2]), "num_configs_list must be an integer from 1"),
        (lambda: CustomIterGenerator([], []), "empty"),
        (lambda: CustomIterGenerator([[]], [[]]), r"num_configs_list\[0\] is empty"),
        (lambda: CustomIterGenerator([[2]], [[1], [2]]), "1 brackets, budgets_list 2"),
        (lambda: CustomIterGenerator([[2], [2, 3]], [[1], [1, 2]]), "of bracket 1 increases"),
        (lambda: CustomIterGenerator([[2], 3], [[1], [1]]), "mixes"),  # type: ignore[list-item]  # wrong on purpose
        (lambda: CustomIterGenerator(3, [1]), "must be a list, got 3"),  # type: ignore[arg-type]  # wrong on purpose
        (lambda: CustomIterGenerator("3", "1"), "must be a list, got '3'"),  # type: ignore[arg-type]  # wrong on purpose
    ],
)
def test_arguments_that_give_no_bracket(make: Any, what: str) -> None:
    """Wrong arguments raise ConfigurationError, saying what was found."""
    with pytest.raises(ConfigurationError, match=what):
        make()


@pytest.mark.parametrize(
    "generator",
    [
        HyperBandIterGenerator(1 / 4, 1, 2),
        HyperBandIterGenerator(1, 27, 3),
        HyperBandIterGenerator(1, 27, 3, mode="paper"),
    ],
)
def test_the_documented_tables_are_the_real_ones(generator: Any) -> None:
    """docs/brackets.md shows what the repr prints."""
    assert repr(generator) in DOCS.read_text(encoding="utf-8")


def test_the_repr_is_aligned() -> None:
    """Columns line up, fractions are written as such, totals stand below."""
    head, *lines = repr(CustomIterGenerator([100, 5], [0.5, 12])).splitlines()
    assert "CustomIterGenerator([[100, 5]], [[0.5, 12.0]])" == head
    assert [
        "bracket  rung  trials  budget  trials × budget",
        "----------------------------------------------",
        "      0     0     100     1/2               50",
        "            1       5      12               60",
        "----------------------------------------------",
        "  total           105                      110",
    ] == lines


@pytest.mark.parametrize(
    ("generator", "head"),
    [
        (
            BOHBIterGenerator(1, 9, seed=4),
            "BOHBIterGenerator(min_budget=1, max_budget=9, eta=3, random_fraction=1/3, seed=4)",
        ),
        (
            HyperBandIterGenerator(0.5, 1, Fraction(3, 2), SH_only=True, mode="paper"),
            "HyperBandIterGenerator(min_budget=0.5, max_budget=1, eta=Fraction(3, 2), "
            "SH_only=True, mode='paper')",
        ),
    ],
)
def test_the_repr_begins_with_the_call(generator: Any, head: str) -> None:
    """The first line is the constructor's call; all that sets it apart is there."""
    assert head == repr(generator).splitlines()[0]
