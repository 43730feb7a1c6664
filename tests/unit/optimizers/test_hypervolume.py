"""Where a front's hypervolume can grow, and by how much it is expected to."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bandmaster.models.gp import Factor, GaussianProcess
from bandmaster.models.gp_likelihood import Hyperparameters
from bandmaster.optimizers.hypervolume import HypervolumeImprovement, cells, frontier
from bandmaster.optimizers.pareto import hypervolume, undominated

FloatArray = npt.NDArray[np.float64]

KNOWN = np.random.default_rng(0).random((12, 2))
FACTOR = Factor.of(Hyperparameters(np.array([0.3, 0.4]), 1.0, 1e-4), np.arange(2), KNOWN)


def fronts(m: int) -> st.SearchStrategy[FloatArray]:
    """Give points of m columns on a grid, so that coordinates coincide."""
    numbers = st.integers(0, 6).map(lambda k: k / 5)
    return st.integers(0, 9).flatmap(lambda n: arrays(float, (n, m), elements=numbers))


@given(st.sampled_from([2, 3, 4]).flatmap(fronts))
def test_cells_fill_what_is_not_dominated(front: FloatArray) -> None:
    """With what the front covers they have the volume of the whole, and no two overlap."""
    corner = np.ones(front.shape[1])
    low, high = cells(front, corner)
    free = float(np.prod(high - np.maximum(low, 0.0), axis=1).sum())
    assert free + hypervolume(front, corner) == pytest.approx(1.0)
    draws = np.random.default_rng(0).random((200, front.shape[1]))
    inside = ((low <= draws[:, None]) & (draws[:, None] < high)).all(axis=2).sum(axis=1)
    dominated = (front[:, None] <= draws).all(axis=2).any(axis=0)
    assert np.where(dominated, 0, 1).tolist() == inside.tolist()


def improvement(m: int) -> tuple[HypervolumeImprovement, list[GaussianProcess], FloatArray]:
    """Return the term of m bowls, their processes and the front that is known."""
    centres = np.array([[0.2, 0.2], [0.8, 0.3], [0.5, 0.9]])[:m]
    processes = [
        GaussianProcess(FACTOR, 4 * np.square(KNOWN - centre).sum(axis=1)) for centre in centres
    ]
    values = np.array([process.predict(KNOWN)[0] for process in processes]).T
    front = values[undominated(values)]
    return HypervolumeImprovement(processes, front, np.full(m, 2.0)), processes, front


@pytest.mark.parametrize("m", [2, 3])
def test_it_is_the_mean_of_what_draws_add(m: int) -> None:
    """Draws from the predictions add as much hypervolume on average as it says."""
    term, processes, front = improvement(m)
    rng, corner = np.random.default_rng(2), np.full(m, 2.0)
    for point, value in zip(new := rng.random((3, 2)), term.value(new), strict=True):
        pairs = [process.predict(point[None]) for process in processes]
        draws = np.column_stack([mean + s * rng.standard_normal(1000) for mean, s in pairs])
        before = hypervolume(front, corner)
        added = [hypervolume(np.vstack([front, draw]), corner) - before for draw in draws]
        error = 4 * np.std(added) / 1000**0.5 + 1e-12
        assert np.exp(value) == pytest.approx(np.mean(added), abs=error)


@pytest.mark.parametrize("m", [2, 3])
def test_its_gradients(m: int) -> None:
    """Derivatives by the features are those of finite differences, also far from the front."""
    term, *_ = improvement(m)
    new = np.random.default_rng(1).random((40, 2))
    value, slope = term.gradient(new)
    assert term.value(new) == pytest.approx(value, rel=1e-9, abs=1e-9)
    for k in range(2):
        step = 1e-6 * (np.arange(2) == k)
        difference = (term.value(new + step) - term.value(new - step)) / 2e-6
        assert difference == pytest.approx(slope[:, k], rel=1e-3, abs=1e-3)


def test_the_corner_is_beyond_the_fronts_worst() -> None:
    """By a share of the front's range, whatever dominated points there are."""
    values = np.array([[0.0, 4.0], [2.0, 0.0], [9.0, 9.0], [1.0, 1.0]])
    rows, corner = frontier(values, 0.5)
    assert [0, 1, 3] == sorted(rows.tolist())
    assert [3.0, 6.0] == corner.tolist()


def test_a_front_of_one_has_a_corner_too() -> None:
    """Where one point dominates all, the others say how far things may be from it."""
    rows, corner = frontier(np.array([[1.0, 2.0], [3.0, 2.0], [2.0, 7.0]]), 1.0)
    assert [0] == rows.tolist()
    assert [3.0, 7.0] == corner.tolist()


def test_a_large_front_is_thinned() -> None:
    """Of three objectives 48 points of a front are kept, its ends among them."""
    x = np.abs(np.random.default_rng(0).standard_normal((200, 3)))
    values = 1.0 - x / np.linalg.norm(x, axis=1, keepdims=True)
    rows, corner = frontier(values, 0.1)
    assert 48 == len(set(rows.tolist()))
    assert hypervolume(values[rows], corner) > 0.9 * hypervolume(values, corner)
