"""Columns by kind do what each column does."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bandmaster.space import Categorical, Constant, Float, Integer, Ordinal, Space
from bandmaster.space.batches import Batches

SPACE = Space(
    [
        Float("a", -1, 3),
        Integer("i", 0, 6),
        Float("b", 1e-3, 10, log=True),
        Float("q", 0, 1, q=0.1),
        Integer("l", 1, 9, log=True),
        Categorical("c", tuple("uvw")),
        Categorical("w", tuple("uvw"), weights=(1, 0, 3)),
        Ordinal("o", ("low", "mid", "high")),
        Constant("k", 1),
        Integer("big", 1, 10**7, log=True),
    ]
)
NUMBERS = st.floats(-2, 12, allow_nan=False) | st.sampled_from([0.0, -0.0, 0.5, 1.0, 1.5, 2.5])


@given(rows=st.lists(st.lists(NUMBERS, min_size=10, max_size=10), min_size=1, max_size=4))
def test_snapping_is_each_columns(rows: list[list[float]]) -> None:
    """To the last bit."""
    matrix = np.array(rows)
    snapped = Batches(SPACE.columns).snap(matrix)
    for j, column in enumerate(SPACE.columns):
        assert column.snap_many(matrix[:, j]).tolist() == snapped[:, j].tolist()


@given(seed=st.integers(0, 999))
def test_drawing_is_each_columns(seed: int) -> None:
    """To the last bit."""
    matrix = np.random.default_rng(seed).random((7, SPACE.dim))
    drawn = Batches(SPACE.columns).from_unit(matrix)
    for j, column in enumerate(SPACE.columns):
        assert column.from_unit_many(matrix[:, j]).tolist() == drawn[:, j].tolist()


def test_what_is_lacking_stays_so() -> None:
    """NaN stays NaN where a column has it."""
    lacking = [j for j, column in enumerate(SPACE.columns) if column.name not in ("l", "big")]
    matrix = np.full((1, SPACE.dim), 0.5)
    matrix[:, lacking] = np.nan
    assert np.isnan(Batches(SPACE.columns).snap(matrix)[0, lacking]).all()
