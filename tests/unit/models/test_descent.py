"""Descent between bounds, from several starts side by side."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandmaster.models.descent import descend


@given(seed=st.integers(0, 999), k=st.integers(1, 4), d=st.integers(1, 6))
def test_a_bowl_between_bounds(seed: int, k: int, d: int) -> None:
    """Every start finds the lowest point of its own quadratic function in the box."""
    rng = np.random.default_rng(seed)
    roots = rng.standard_normal((k, d, d))
    hessians = roots @ roots.transpose(0, 2, 1) + np.eye(d)
    middles = rng.normal(0.5, 1, (k, d))

    def bowl(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        away = x - middles
        slope = np.einsum("kij,kj->ki", hessians, away)
        return 0.5 * (slope * away).sum(axis=1), slope

    x = descend(bowl, rng.random((k, d)), 0.0, 1.0, steps=300, ftol=0.0, gtol=1e-7)
    assert ((x >= 0) & (x <= 1)).all()
    _, slope = bowl(x)
    inward = np.where(x <= 0, np.minimum(slope, 0), np.where(x >= 1, np.maximum(slope, 0), slope))
    assert np.zeros((k, d)) == pytest.approx(inward, abs=1e-4)


def test_a_bent_valley() -> None:
    """Rosenbrock's valley is followed to its end."""

    def valley(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        a, b = x.T
        rise = b - a * a
        return (1 - a) ** 2 + 100 * rise**2, np.stack(
            [-2 * (1 - a) - 400 * a * rise, 200 * rise], axis=1
        )

    x = descend(valley, [[-1.2, 1.0], [0.0, 2.0]], -2.0, 2.0, steps=100, ftol=1e-12)
    assert np.ones((2, 2)) == pytest.approx(x, abs=1e-4)


@pytest.mark.parametrize("wall", [np.nan, np.inf, 1e25])
def test_walls_are_not_gone_into(wall: float) -> None:
    """Where there is no value a step is taken back; the lowest point before is found."""

    def fenced(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        beyond = x[:, 0] < 0.25
        return np.where(beyond, wall, x[:, 0]), np.where(beyond[:, None], 0.0, 1.0)

    x = descend(fenced, [[0.9], [0.3]], 0.0, 1.0, steps=60, ftol=0.0)
    assert np.array([[0.25], [0.25]]) == pytest.approx(x, abs=1e-3)
    assert (x >= 0.25).all()


def test_few_looks_are_taken() -> None:
    """The function is looked at once, and as often again as it may be, at most."""
    looks = []

    def slope(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        looks.append(len(x))
        return np.exp(x).sum(axis=1), np.exp(x)

    descend(slope, np.ones((3, 2)), -50.0, 50.0, steps=5, ftol=0.0)
    assert [3] * 6 == looks
    looks.clear()
    descend(slope, np.full((1, 2), -50.0), -50.0, 50.0, steps=5, ftol=0.0)
    assert [1] == looks
