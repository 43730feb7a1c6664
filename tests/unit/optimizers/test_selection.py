"""Rules of choosing some of many rows."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bandmaster.optimizers.selection import lowest, thinned


@given(st.lists(st.integers(0, 9)), st.integers(0, 30))
def test_the_lowest_come_first(losses: list[int], n: int) -> None:
    """The first n + 1 are sorted, no other is lower, equals are as they came; none is lost."""
    array = np.array(losses, dtype=float)
    order = lowest(array, n).tolist()
    assert sorted(order) == list(range(len(losses)))
    head = order[: n + 1]
    assert sorted(losses)[: n + 1] == [losses[i] for i in head]
    assert sorted(head, key=lambda i: (losses[i], i)) == head


@given(st.integers(0, 60), st.integers(2, 20))
def test_some_of_many_are_spread_evenly(n: int, most: int) -> None:
    """Few rows stay; of many `most` do, both ends among them, at distances that are alike."""
    rows = np.arange(100, 100 + n)
    found = thinned(rows, most)
    assert min(n, most) == len(found)
    if n <= most:
        assert rows.tolist() == found.tolist()
        return
    assert [rows[0], rows[-1]] == found[[0, -1]].tolist()
    gaps = np.diff(found)
    assert gaps.min() >= 1
    assert np.ptp(gaps) <= 1
