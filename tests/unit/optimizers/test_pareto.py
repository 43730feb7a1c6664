"""Fronts and hypervolumes against what counting says."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bandmaster.optimizers.pareto import (
    best_first,
    crowding,
    hypervolume,
    hypervolume_contributions,
    nondominated_ranks,
    undominated,
)

# Points on a small grid: ties and dominated points abound, and volumes can be counted.
SIDE = 5


@st.composite
def grids(draw: st.DrawFn, most: int = 12) -> np.ndarray:
    m = draw(st.integers(1, 4))
    n = draw(st.integers(0, most))
    cells: np.ndarray = draw(hnp.arrays(np.int8, (n, m), elements=st.integers(0, SIDE)))
    return cells.astype(np.float64)


@st.composite
def holed(draw: st.DrawFn) -> np.ndarray:
    values = draw(grids())
    holes = draw(hnp.arrays(np.bool_, len(values)))[:, None]
    return np.where(holes & (np.arange(values.shape[1]) == 0), np.nan, values)


def dominates(one: np.ndarray, other: np.ndarray) -> bool:
    return bool((one <= other).all() and (one < other).any())


def count_cells(values: np.ndarray) -> int:
    """Count the unit cells below (SIDE, ..., SIDE) that some point dominates."""
    m = values.shape[1]
    cells = np.array(list(itertools.product(range(SIDE), repeat=m))).reshape(-1, m)
    return int((values[:, None, :] <= cells).all(axis=2).any(axis=0).sum())


@given(values=holed())
def test_the_front_is_what_nothing_dominates(values: np.ndarray) -> None:
    """A row without NaN is undominated when no other row dominates it."""
    known = ~np.isnan(values).any(axis=1)
    expected = [
        bool(known[i]) and not any(dominates(other, row) for other in values[known])
        for i, row in enumerate(values)
    ]
    assert expected == undominated(values).tolist()


@given(values=holed())
def test_ranks_peel_fronts(values: np.ndarray) -> None:
    """Rank r is the front of what is left without the ranks before; NaN comes last."""
    ranks = nondominated_ranks(values)
    known = ~np.isnan(values).any(axis=1)
    for rank in range(int(ranks[known].max(initial=-1)) + 1):
        left = known & (ranks >= rank)
        front = np.zeros(len(values), dtype=bool)
        front[left] = undominated(values[left])
        assert (left & (ranks == rank)).tolist() == front.tolist()
    assert {int(ranks[known].max(initial=-1)) + 1} >= set(ranks[~known].tolist())


@given(values=grids())
def test_hypervolume_counts_cells(values: np.ndarray) -> None:
    """On a grid the hypervolume is the number of unit cells that are dominated."""
    reference = [float(SIDE)] * values.shape[1]
    assert count_cells(values) == pytest.approx(hypervolume(values, reference))


@given(values=grids())
def test_contributions_are_what_is_lost(values: np.ndarray) -> None:
    """A contribution is the hypervolume of the front less that of its other rows."""
    reference = np.full(values.shape[1], float(SIDE))
    front = undominated(values)
    expected = np.zeros(len(values))
    for i in np.flatnonzero(front):
        others = front & (np.arange(len(values)) != i)
        expected[i] = count_cells(values) - count_cells(values[others])
    found = hypervolume_contributions(values, reference)
    assert expected.tolist() == pytest.approx(found.tolist())


def test_beyond_the_reference_nothing_counts() -> None:
    """Points that do not dominate the reference, or have a NaN, cover nothing."""
    values = np.array([[1.0, 2.0], [0.0, 3.0], [np.nan, 0.0], [2.5, 0.5]])
    assert hypervolume(values, (3.0, 3.0)) == pytest.approx(2.0 + 0.75)
    assert [1.5, 0.0, 0.0, 0.75] == hypervolume_contributions(values, (3.0, 3.0)).tolist()


def test_crowding_of_a_line() -> None:
    """The ends are infinitely lonely, between them it is the neighbours' distance in shares."""
    values = np.array([[0.0, 10.0], [1.0, 9.0], [4.0, 6.0], [10.0, 0.0]])
    assert [math.inf, 0.8, 1.8, math.inf] == pytest.approx(crowding(values).tolist())


@given(values=holed(), n=st.integers(0, 12))
def test_best_first_keeps_ranks(values: np.ndarray, n: int) -> None:
    """The order never puts a higher rank first, and its beginning is the order of fewer rows."""
    order = best_first(values)
    assert list(range(len(values))) == sorted(order.tolist())
    ranks = nondominated_ranks(values)[order]
    assert sorted(ranks.tolist()) == ranks.tolist()
    assert order[:n].tolist() == best_first(values, n).tolist()


@given(values=grids(8))
def test_best_first_is_greedy(values: np.ndarray) -> None:
    """Each row of a front adds at least as much to those before as any later row would."""
    values = values[undominated(values)]
    low, high = values.min(axis=0, initial=SIDE), values.max(axis=0, initial=0)
    shares = (values - low) / np.where(high > low, high - low, 1.0)
    ordered = shares[best_first(values)]
    reference = np.full(values.shape[1], 1.1)
    for k in range(len(ordered)):
        gains = [hypervolume(np.vstack([ordered[:k], row]), reference) for row in ordered[k:]]
        assert gains[0] == pytest.approx(max(gains))


def test_large_fronts_and_floats() -> None:
    """Fronts too large for hypervolumes, and values as large as floats get, have an order too."""
    circle = np.linspace(0, np.pi / 2, 200)
    sphere = np.column_stack([1 - np.cos(circle), 1 - np.sin(circle), np.zeros(200)])
    assert list(range(200)) == sorted(best_first(sphere).tolist())
    huge = np.array([[1.7e308, -1.7e308], [-1.7e308, 1.7e308], [0.0, 0.0]])
    assert [0, 1, 2] == sorted(best_first(huge).tolist())
    assert 2 == best_first(huge)[0]


@pytest.mark.parametrize(
    ("values", "best"),
    [
        ([[math.inf, 0], [0, math.inf], [1, 1]], 2),
        ([[math.inf, 0, 1], [0, math.inf, 1], [1, 1, 1], [2, 0, -math.inf]], 3),
        ([[-math.inf, math.inf], [math.inf, -math.inf], [0, 0]], 2),
        ([[math.inf, math.inf], [math.inf, math.inf]], 0),
        ([[1.7e308, -math.inf], [-1.7e308, 1], [2e307, 0], [0, -1.7e308]], 3),
    ],
)
def test_what_is_infinite_is_one_range_away(values: list[list[float]], best: int) -> None:
    """Infinite values raise no warning, and what is bounded comes before what is not."""
    order = best_first(np.array(values))
    assert list(range(len(values))) == sorted(order.tolist())
    assert best == order[0]
    assert not np.isnan(crowding(np.array(values))).any()


@given(values=grids())
def test_by_crowding_ranks_come_first_too(values: np.ndarray) -> None:
    """The quick order puts no row before one of a lower rank."""
    order = best_first(values, exact=False)
    assert sorted(order.tolist()) == list(range(len(values)))
    if values.shape[1] > 1:
        assert (np.diff(nondominated_ranks(values)[order]) >= 0).all()
