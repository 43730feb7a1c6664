"""CMA-ES: the rules beyond the suite's."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from bandmaster.core.objectives import Objectives
from bandmaster.core.randomness import Key
from bandmaster.errors import ConfigurationError, MissingExtraError
from bandmaster.optimizers import CMAESOptimizer, cmaes, get_optimizer
from bandmaster.optimizers.cmaes_distribution import Distribution, Layout
from bandmaster.optimizers.population import Units, fitness
from bandmaster.optimizers.targets import Targets
from bandmaster.space import Categorical, Condition, Equals, Float, Integer, Ordinal, Space
from bandmaster.testing.driver import Driver

FLOATS = Space([Float(f"x{i}", 0, 1) for i in range(3)])
MIXED = Space(
    [
        Float("x", 0, 1),
        Integer("many", 0, 1000),
        Integer("few", 1, 16, log=True),
        Ordinal("size", ("s", "m", "l")),
        Categorical("kind", ("a", "b", "c")),
        Ordinal("both", (10, 20)),
        Float("y", 0, 1),
    ],
    conditions=[Condition("y", Equals("kind", "a"))],
)


def test_without_the_package_it_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where `cmaes` is not installed the error says which extra brings it."""
    monkeypatch.setitem(sys.modules, "cmaes", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'bandmaster\[cmaes\]'"):
        get_optimizer("CMAES")


def test_kinds_of_columns() -> None:
    """Fine grids count as continuous, two values as a choice."""
    layout = Layout(Units(MIXED))
    assert [0, 1, 6] == layout.floats.tolist()
    assert [2, 3] == layout.grids.tolist()
    assert [4, 5] == layout.choices.tolist()
    assert [1 / 6, 0.5, 5 / 6] == pytest.approx(layout.codes[1].tolist())


@pytest.mark.parametrize("space", [FLOATS, MIXED])
def test_what_is_drawn_and_what_is_read_agree(space: Space) -> None:
    """A configuration that was not drawn counts as the point that would have given it."""
    units = Units(space)
    distribution = Distribution(Layout(units), 6, np.full(space.dim, 0.5))
    rows, _ = distribution.draw(20, 7)
    assert space.legal(rows).all()
    for row, point in zip(rows, units.of(rows), strict=True):
        again = distribution._point(distribution.solution(point))
        np.testing.assert_allclose(row, units.rows(again[None])[0], atol=1e-12)


def test_advancing_leaves_the_old_generation_alone() -> None:
    """Whoever draws from an older generation gets what was drawn from it before."""
    distribution = Distribution(Layout(Units(MIXED)), 6, np.full(MIXED.dim, 0.5))
    before, drawn = distribution.draw(6, 1)
    following = distribution.advance(drawn)
    assert following is not None
    np.testing.assert_array_equal(before, distribution.draw(6, 1)[0])
    assert not np.array_equal(before, following.draw(6, 1)[0])


def test_samples_follow_the_distribution() -> None:
    """Where the box cuts nothing off, samples have the mean and the covariance they should have."""
    distribution = Distribution(Layout(Units(FLOATS)), 6, np.array([0.4, 0.5, 0.6]))
    wanted = np.array([[4.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.25]]) / 1e4
    distribution._cma._C, distribution._cma._sigma = wanted / 0.01**2, 0.01
    rows, drawn = distribution.draw(2000, 3)
    np.testing.assert_allclose([0.4, 0.5, 0.6], rows.mean(axis=0), atol=0.003)
    np.testing.assert_allclose(wanted, np.cov(rows.T), atol=4e-5)
    np.testing.assert_allclose(rows, drawn)


def test_samples_stay_in_the_box() -> None:
    """In a corner of a box of many dimensions, where rejection is hopeless, a sample is clipped."""
    space = Space([Float(f"x{i}", 0, 1) for i in range(60)])
    rows, _ = Distribution(Layout(Units(space)), 6, np.zeros(60)).draw(3, 0)
    assert space.legal(rows).all()
    assert 0 < (rows == 0.0).sum() < rows.size


def test_what_is_known_is_not_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of floats each trial is drawn once; a mixed space's samples are remembered."""
    drawn: list[int] = []
    samples, mixtures = Distribution._samples, Distribution._mixtures

    def count_samples(self: Distribution, n: int, seed: int) -> list[np.ndarray]:
        drawn.append(seed)
        return samples(self, n, seed)

    def count_mixtures(self: Distribution, n: int, seed: int) -> list[object]:
        drawn.append(seed)
        return mixtures(self, n, seed)

    monkeypatch.setattr(Distribution, "_samples", count_samples)
    monkeypatch.setattr(Distribution, "_mixtures", count_mixtures)
    for space in (Space([Float(f"x{i}", 0, 1) for i in range(200)]), MIXED):
        driver = Driver(CMAESOptimizer(population_size=6), space)
        for i in range(6 + 14):
            driver.step(float(i % 5))
        assert 14 == len(drawn)
        if space is not MIXED:
            driver.replay(CMAESOptimizer(population_size=6)).ask()
            assert 15 == len(drawn)  # the proposal: nothing was drawn of what was told
        drawn.clear()


def test_a_generation_is_ranked_among_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several objectives a generation is compared with as many of the best, not with all."""
    driver = Driver(CMAESOptimizer(population_size=6), FLOATS, objectives=Objectives(["a", "b"]))
    losses = np.random.default_rng(0).random((60, 2))
    ranked: list[int] = []

    def count(targets: Targets, rows: np.ndarray) -> np.ndarray:
        ranked.append(len(rows))
        return fitness(targets, rows)

    monkeypatch.setattr(cmaes, "fitness", count)
    for a, b in losses.tolist():
        driver.finish(driver.start(), a, metrics={"a": a, "b": b})
    driver.ask()
    assert [6] + [12] * 9 == ranked
    optimizer = driver.optimizer
    assert isinstance(optimizer, CMAESOptimizer)
    best = losses[optimizer._replayed(1.0, 0).best]
    beaten = (losses[:, None] <= best).all(axis=2).sum(axis=0) - 1
    assert (beaten < 6).all()


def test_late_evaluations_count_as_drawn() -> None:
    """What finishes in a later generation is the sample of the one that it came from."""
    driver = Driver(CMAESOptimizer(population_size=5), MIXED)
    optimizer = driver.optimizer
    assert isinstance(optimizer, CMAESOptimizer)
    for i in range(5):
        driver.step(float(i))
    late = driver.start()
    for i in range(10):
        driver.step(float(i))
    driver.finish(late, -1.0)
    run = optimizer._replayed(1.0, 0)
    assert 1 == late.config_info["generation"]
    assert 4 == len(run.generations)
    source = run.generations[1]
    assert source is not None
    solution = optimizer._solution(run, 15)
    seed = int(Key(0, late.trial).rng("cmaes").integers(2**32))
    assert solution._v_raw.tolist() == source.draw(1, seed)[1][0]._v_raw.tolist()


def test_it_starts_again_when_it_has_converged() -> None:
    """A distribution that has shrunk to a point is followed by a larger one elsewhere."""
    driver = Driver(CMAESOptimizer(population_size=5), Space([Float("x", 0, 1)]))
    for _ in range(400):
        job = driver.start()
        driver.finish(job, (job.config["x"] - 0.3) ** 2)
    optimizer = driver.optimizer
    assert isinstance(optimizer, CMAESOptimizer)
    sizes = {g.population_size for g in optimizer._replayed(1.0, 0).generations if g is not None}
    assert max(sizes) >= 10


def test_it_finds_a_minimum() -> None:
    """On a bowl in three dimensions it comes close within 200 evaluations."""
    driver = Driver(CMAESOptimizer(), FLOATS)
    for _ in range(200):
        job = driver.start()
        driver.finish(job, sum((x - 0.8) ** 2 for x in job.config.values()))
    best = driver.optimizer.history.best()
    assert best is not None
    assert best.loss is not None
    assert best.loss < 1e-3


def test_wrong_options() -> None:
    """A population that is too small to learn from is refused."""
    with pytest.raises(ConfigurationError, match="population_size"):
        CMAESOptimizer(population_size=4)
