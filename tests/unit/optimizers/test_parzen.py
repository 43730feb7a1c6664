"""The kernel density behind ETPE."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from bandmaster.optimizers import kernels
from bandmaster.optimizers.axes import Axes
from bandmaster.optimizers.kernels import Features, Kernels
from bandmaster.optimizers.moves import draw_candidates
from bandmaster.optimizers.parzen import Density, Part, bandwidths, densities
from bandmaster.space import (
    Categorical,
    Condition,
    Constant,
    Equals,
    Float,
    Integer,
    Ordinal,
    Space,
)

FINITE = Space(
    [
        Categorical("a", ("p", "q", "r"), weights=(1, 0, 3)),
        Ordinal("o", ("low", "mid", "high")),
        Integer("i", 1, 6, log=True),
        Integer("child", 0, 3),
        Constant("k", 1),
    ],
    conditions=[Condition("child", Equals("a", "r"))],
)


def _of(
    axes: Axes, unit: np.ndarray, weights: np.ndarray, sigma: np.ndarray, prior: float = 1e-9
) -> Density:
    (density,) = densities(Kernels(Features(axes), sigma), [Part(unit, weights, prior)])
    return density


def _density(space: Space, n: int, seed: int, prior: float = 1.0) -> tuple[Axes, Density]:
    axes = Axes(space)
    unit = axes.to_unit(space.sample(n, np.random.default_rng(seed)))
    weights = np.random.default_rng(seed + 1).random(n) + 0.1
    return axes, _of(axes, unit, weights, bandwidths(axes, unit, weights, n, 0.6), prior)


def _log(axes: Axes, density: Density, unit: np.ndarray) -> np.ndarray:
    """Return the log density: that over the prior's, and the prior's."""
    features = Features(axes)
    rows = features.of(unit)
    logs = density.log(rows, Kernels(features, density.sigma).at(rows))
    for table in axes.tables:
        cell = table.inner.searchsorted(unit[:, table.column], side="right")
        if not table.ordered:
            cell = np.nan_to_num(unit[:, table.column]).astype(int)
        known = ~np.isnan(unit[:, table.column])
        logs += np.where(
            known, np.log(np.maximum(table.prior, 1e-300))[np.where(known, cell, 0)], 0
        )
    return logs


@given(n=st.integers(0, 20), seed=st.integers(0, 99))
def test_probabilities_sum_to_one(n: int, seed: int) -> None:
    """Over all configurations of a finite conditional space the masses sum to 1."""
    axes, density = _density(FINITE, n, seed)
    rows = np.array(list(FINITE.enumerate()))
    logs = _log(axes, density, axes.to_unit(rows))
    assert 1.0 == pytest.approx(np.exp(logs).sum(), rel=1e-4)


@given(n=st.integers(0, 20), seed=st.integers(0, 99))
def test_a_float_integrates_to_one(n: int, seed: int) -> None:
    """The density of a float over its range integrates to 1: kernels are cut off at bounds."""
    space = Space([Float("x", -3, 5)])
    axes, density = _density(space, n, seed)
    grid = (np.arange(4000) + 0.5) / 4000
    assert 1.0 == pytest.approx(np.exp(_log(axes, density, grid[:, None])).mean(), rel=1e-3)


@given(n=st.integers(0, 10), seed=st.integers(0, 99), joined=st.sampled_from([0.0, 0.5, 1.0]))
def test_samples_are_legal_and_follow_the_prior(n: int, seed: int, joined: float) -> None:
    """What is drawn is legal; a choice of weight 0 that was never observed is never drawn."""
    axes, density = _density(FINITE, n, seed)
    rows = draw_candidates(axes, density, 50, np.random.default_rng(seed), joined=joined)
    assert FINITE.legal(rows).all()
    assert 1.0 not in rows[:, 0]


def test_joined_candidates_lie_between_the_kernels() -> None:
    """Means of eight kernels are nearer to the middle of all, and choices stay observed ones."""
    space = Space([Float("x", 0, 1), Categorical("c", ("p", "q", "r"))])
    axes = Axes(space)
    unit = np.array([[0.2, 0.0], [0.8, 2.0]] * 10)
    density = _of(axes, unit, np.ones(20), np.full(2, 0.01), 1e-9)
    alone, joined = (
        draw_candidates(axes, density, 1000, np.random.default_rng(0), joined=share)
        for share in (0.0, 1.0)
    )
    assert 0.3 == pytest.approx(alone[:, 0].std(), abs=0.02)
    assert 0.3 / 8**0.5 == pytest.approx(joined[:, 0].std(), abs=0.02)
    assert 0.25 > (joined[:, 1] == 1).mean()


def test_choices_of_many_are_as_those_of_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long a categorical counts as, active always or not, its density is the same."""
    space = Space(
        [Categorical("a", tuple(range(9))), Categorical("b", tuple("pqrst")), Float("x", 0, 1)],
        conditions=[Condition("b", Equals("a", 3))],
    )
    axes, density = _density(space, 40, 5)
    unit = axes.to_unit(space.sample(200, np.random.default_rng(1)))
    unit[:30] = density.unit[:30]
    short = _log(axes, density, unit)
    monkeypatch.setattr(kernels, "_LISTED", 4)
    _, density = _density(space, 40, 5)
    assert _log(axes, density, unit) == pytest.approx(short, abs=1e-4)


def test_log_is_finite_far_from_everything() -> None:
    """The prior keeps every point above density 0, also with many columns."""
    space = Space([Float(f"x{i}", 0, 1) for i in range(200)])
    axes = Axes(space)
    unit = np.zeros((30, 200))
    density = _of(axes, unit, np.ones(30), np.full(200, 0.01), 1.0)
    logs = _log(axes, density, np.array([np.ones(200), np.zeros(200)]))
    assert np.isfinite(logs).all()
    assert logs[0] < logs[1]


@pytest.mark.parametrize(("dim", "error"), [(2, 0.001), (20, 0.02), (200, 0.6)])
def test_single_precision_is_enough(dim: int, error: float) -> None:
    """With the narrowest kernels beside bounds the log errs by a small share of its spread."""
    space = Space([Float(f"x{i}", 0, 1) for i in range(dim)])
    axes, sigma, n = Axes(space), 0.01, 25
    rng = np.random.default_rng(0)
    middle = 0.01 + 0.98 * rng.integers(0, 2, dim)
    unit = np.clip(middle + sigma * rng.standard_normal((n, dim)), 0, 1)
    points = np.clip(unit[rng.integers(0, n, 64)] + sigma * rng.standard_normal((64, dim)), 0, 1)
    found = _log(axes, _of(axes, unit, np.ones(n), np.full(dim, sigma), 1.0), points)
    cut = special.ndtr((1 - unit) / sigma) - special.ndtr(-unit / sigma)
    logs = -np.square((points[:, None] - unit) / sigma).sum(axis=2) / 2
    logs -= np.log(cut * sigma * np.sqrt(2 * np.pi)).sum(axis=1)
    expected = special.logsumexp(np.column_stack([logs, np.zeros(64)]), axis=1) - np.log(n + 1)
    assert expected == pytest.approx(found, abs=error)
    assert expected.std() > 10 * error


def test_inactive_columns_say_nothing() -> None:
    """A point without a child is as dense as the sum over all children it could have."""
    space = Space(
        [Categorical("a", (0, 1)), Float("x", 0, 1)], conditions=[Condition("x", Equals("a", 1))]
    )
    axes = Axes(space)
    unit = np.array([[1.0, 0.2], [0.0, np.nan], [1.0, 0.9]])
    density = _of(axes, unit, np.ones(3), np.full(2, 0.1), 1.0)
    grid = (np.arange(2000) + 0.5) / 2000
    with_child = np.column_stack([np.ones(2000), grid])
    total = np.exp(_log(axes, density, with_child)).mean()
    without = np.exp(_log(axes, density, np.array([[0.0, np.nan]])))[0]
    assert 1.0 == pytest.approx(total + without, rel=1e-3)


def test_candidates_follow_the_density() -> None:
    """Far from the bounds candidates are spread as the density says."""
    space = Space([Float("x", 0, 1)])
    axes = Axes(space)
    unit = np.array([[0.3], [0.7]])
    density = _of(axes, unit, np.array([3.0, 1.0]), np.array([0.05]), 1e-9)
    rows = draw_candidates(axes, density, 4000, np.random.default_rng(0))
    share, bins = np.histogram(rows, bins=20, range=(0, 1))
    middles = (bins[1:] + bins[:-1])[:, None] / 2
    expected = np.exp(_log(axes, density, middles)) / 20
    assert expected == pytest.approx(share / 4000, abs=0.03)


def test_candidates_reach_the_bounds() -> None:
    """What would lie outside is put on the bound."""
    axes = Axes(Space([Float("x", 0, 1)]))
    density = _of(axes, np.array([[0.02]]), np.ones(1), np.array([0.05]), 1e-9)
    rows = draw_candidates(axes, density, 200, np.random.default_rng(0))
    assert 0.2 < (rows == 0.0).mean() < 0.5


def test_bandwidths_follow_the_spread() -> None:
    """Columns whose good values agree have narrow kernels; weights decide which values count."""
    axes = Axes(Space([Float("x", 0, 1), Float("y", 0, 1)]))
    unit = np.array([[0.5, 0.1], [0.51, 0.9], [0.49, 0.5], [0.5, 0.3]])
    even = bandwidths(axes, unit, np.ones(4), 100, 0.5)
    assert even[0] < even[1]
    outlier = np.vstack([unit, [1.0, 0.5]])
    light = bandwidths(axes, outlier, np.array([1, 1, 1, 1, 1e-9]), 100, 0.5)
    assert light[0] < bandwidths(axes, outlier, np.ones(5), 100, 0.5)[0]
    assert 0.01 <= light.min() <= light.max() <= 0.2


@pytest.mark.parametrize(
    "parameter", [Integer("i", 0, 1), Integer("i", 1, 16), Integer("i", 1, 32, log=True)]
)
def test_a_kernel_reaches_the_next_value(parameter: Integer) -> None:
    """However well the good ones agree, a neighbour of a coarse integer has a twentieth or more."""
    space = Space([parameter, Float("x", 0, 1)])
    axes = Axes(space)
    values = np.arange(parameter.lower, parameter.upper + 1)
    for value in (values[0], values[-1]):
        unit = np.repeat(space.encode_one({"i": int(value), "x": 0.5})[None], 25, axis=0)
        sigma = bandwidths(axes, unit, np.ones(25), 10_000, 0.4)
        rows = draw_candidates(
            axes, _of(axes, unit, np.ones(25), sigma, 1e-9), 4000, np.random.default_rng(0)
        )
        drawn = np.array([space.decode_one(row)["i"] for row in rows])
        assert 0.05 < np.mean(np.abs(drawn - value) == 1)
        assert 0.5 < np.mean(np.abs(drawn - value) <= 1) or parameter.log


def test_many_coarse_columns_do_not_all_change_at_once() -> None:
    """With 64 coarse columns a kernel is a quarter as wide in each as with four."""
    few, many = (Axes(Space([Integer(f"i{k}", 0, 3) for k in range(n)])) for n in (4, 64))
    assert [0.25] * 4 == few.least.tolist()
    assert [0.0625] * 64 == many.least.tolist()


def test_bandwidths_of_tables_are_of_few() -> None:
    """Those of integers are rounded by 4.5 % at most, to the same few; those of floats are not."""
    axes = Axes(Space([Integer("i", 1, 30), Float("x", 0, 1)]))
    given = np.exp(np.random.default_rng(0).uniform(np.log(0.04), 0, 1000))
    rounded = np.array([axes.rounded(np.full(2, sigma)) for sigma in given])
    assert np.all(np.abs(np.log(rounded[:, 0] / given)) < 0.045)
    assert 40 > len(np.unique(rounded[:, 0]))
    assert given.tolist() == rounded[:, 1].tolist()


def test_tables_of_long_ordinals_take_bounded_memory() -> None:
    """Of an ordinal of 1000 values not the tables of all bandwidths are kept: each takes 4 MB."""
    axes = Axes(Space([Ordinal("o", tuple(range(1000)))]))
    (group,) = Features(axes).ordered
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for sigma in np.linspace(0.05, 0.1, 10):
        group.ordered(np.array([sigma]))
    kept = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert 4e6 < kept < 18e6


@pytest.mark.parametrize("sigma", [0.001, 0.05, 0.2])
def test_tables_of_long_ordinals_are_as_those_of_short_ones(
    sigma: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Found by distances of cells alone they are the same, and rows are probabilities."""
    n, tables = 300, []
    for long in (256, 300):
        monkeypatch.setattr(kernels, "_LONG", long)
        (group,) = Features(Axes(Space([Ordinal("o", tuple(range(n)))]))).ordered
        tables.append(group.ordered(np.array([sigma]))[0])
    assert tables[1] == pytest.approx(tables[0], abs=1e-6)
    assert np.ones(n) == pytest.approx(np.exp(tables[0]).mean(axis=1), abs=1e-6)


def test_tables_of_long_ordinals_are_found_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few are kept, so each is found from a row of masses, not from one for every value."""
    sizes = []
    ndtr = kernels._ndtr
    monkeypatch.setattr(kernels, "_ndtr", lambda x: sizes.append(x.size) or ndtr(x))
    (group,) = Features(Axes(Space([Ordinal("o", tuple(range(1000)))]))).ordered
    group.ordered(np.array([0.05]))
    assert [2000] == sizes
