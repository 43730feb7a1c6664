"""Rules of choosing the best observation of each place."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bandmaster.optimizers.niches import best_apart


def crowd(m: int = 40, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return m points of which the best three quarters are in one place, and their losses."""
    rng = np.random.default_rng(seed)
    unit = rng.random((m, 2))
    unit[: 3 * m // 4] = 0.5 + 0.01 * rng.random((3 * m // 4, 2))
    return unit, np.arange(m, dtype=float)


def test_a_crowd_counts_once() -> None:
    """Of a crowd the best is taken, then the best of other places; no two are near."""
    unit, losses = crowd()
    found = best_apart(unit, losses, 5)
    assert found is not None
    assert found[0] == 0
    assert (found[1:] >= 30).all()
    assert len(found) == 5


def test_a_spread_is_no_crowd() -> None:
    """Where the best are spread over several places nothing is chosen."""
    rng = np.random.default_rng(1)
    assert best_apart(rng.random((40, 4)), np.arange(40.0), 6) is None


def test_fewer_observations_than_wanted_are_no_crowd() -> None:
    """Without an observation beyond the best n there is nowhere else to look."""
    unit, losses = crowd(4)
    assert best_apart(unit, losses, 4) is None


def test_places_of_the_best_alone_are_no_choice() -> None:
    """A crowd beyond whose best n there is no other place is left as it is, and so is nothing."""
    unit = np.full((40, 2), 0.5)
    assert best_apart(unit, np.arange(40.0), 5) is None
    assert best_apart(unit, np.full(40, np.inf), 5) is None


def test_failures_are_in_no_place() -> None:
    """An infinite loss is never chosen, however few others there are."""
    unit, losses = crowd()
    losses[32:] = np.inf
    found = best_apart(unit, losses, 5)
    assert found is not None
    assert set(found.tolist()) <= set(range(32))


def test_another_choice_or_branch_is_another_place() -> None:
    """Rows that differ in a choice, or in whether a parameter is active, are not near."""
    unit = np.array([[0.5, 0.0, 0.5]] * 9 + [[0.5, 1.0, 0.5], [0.5, 0.0, np.nan]])
    found = best_apart(unit, np.arange(11.0), 4)
    assert found is not None
    assert found.tolist() == [0, 9, 10]


@given(
    m=st.integers(1, 60),
    dim=st.integers(1, 4),
    n=st.integers(1, 30),
    width=st.sampled_from([0.02, 0.2, 1.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_chosen_are_apart_and_the_best_of_their_places(
    m: int, dim: int, n: int, width: float, seed: int
) -> None:
    """No two chosen are near, the best comes first, and who is better but left out is near one."""
    rng = np.random.default_rng(seed)
    unit, losses = width * rng.random((m, dim)), rng.permutation(m).astype(float)
    found = best_apart(unit, losses, n)
    if found is None:
        return
    between = np.abs(unit[found][:, None] - unit[found]).max(axis=2)
    assert (between[~np.eye(len(found), dtype=bool)] >= 0.1).all()
    assert len(found) <= n
    assert losses[found].tolist() == sorted(losses[found])
    for i in range(m):
        better = [j for j in found if losses[j] <= losses[i]]
        if losses[i] <= losses[found[-1]]:
            assert min(np.abs(unit[i] - unit[j]).max() for j in better) < 0.1
