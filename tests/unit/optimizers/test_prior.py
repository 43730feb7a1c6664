"""What a user believes, as densities on rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from bandmaster.errors import ConfigurationError
from bandmaster.optimizers import ETPEOptimizer, ForestOptimizer, Optimizer
from bandmaster.optimizers.prior import Prior
from bandmaster.space import Beta, Categorical, Condition, Equals, Float, Integer, Ordinal, Space
from bandmaster.testing.driver import Driver

SPACE = Space(
    [
        Float("lr", 1e-6, 1.0, log=True),
        Float("momentum", 0.0, 1.0, distribution=Beta(2, 3)),
        Categorical("kernel", ("rbf", "poly", "linear")),
        Integer("degree", 1, 500, log=True),
        Ordinal("size", ("s", "m", "l")),
        Integer("wide", 0, 10**6),
        Float("q", 0, 1, q=0.25),
        Categorical("weighted", ("never", "often", "rarely"), weights=(0, 9, 1)),
    ],
    conditions=[Condition("degree", Equals("kernel", "poly"))],
)
BELIEFS: dict[str, Any] = {
    "lr": ("lognormal", 1e-3, 3.0),
    "momentum": ("normal", 0.9, 0.05),
    "kernel": {"poly": 0.8},
    "degree": ("lognormal", 10, 2.0),
    "size": {"s": 0.5, "m": 0.5},
    "wide": ("normal", 1000, 1e-9),
    "q": ("normal", 0.4, 0.01),
    "weighted": {"never": 0.9, "rarely": 0.1},
}


def _rows(**columns: Any) -> np.ndarray:
    """Return default configurations that differ in one parameter's values."""
    ((name, values),) = columns.items()
    base = SPACE.default_config() | {"kernel": "poly", "degree": 3}
    return SPACE.encode([base | {name: value} for value in values])


@pytest.mark.parametrize(
    ("name", "best", "others"),
    [
        ("lr", 1e-3, (1e-6, 1e-4, 1e-2, 1.0)),
        ("momentum", 0.9, (0.0, 0.5, 1.0)),
        ("size", "m", ("l",)),
        ("degree", 10, (1, 4, 50, 500)),
        ("wide", 1000, (10_000, 500_000, 10**6)),
        ("q", 0.5, (0.0, 0.25, 0.75, 1.0)),
    ],
)
def test_density_is_highest_where_it_is_believed(name: str, best: Any, others: Any) -> None:
    """The density at the centre is higher than elsewhere, and nowhere is it very low."""
    density = Prior({name: BELIEFS[name]}).bind(SPACE).log_density(_rows(**{name: (best, *others)}))
    assert (density[0] > density[1:] + 0.3).all()
    assert (density > np.log(0.009)).all()


def test_mass_is_one() -> None:
    """Over even draws the density's mean is 1, for every kind of parameter."""
    U = np.full((20_000, SPACE.dim), 0.5)
    even = (np.arange(len(U)) + 0.5) / len(U)
    for name in ("lr", "kernel", "size", "wide", "q"):
        U[:] = 0.5
        U[:, SPACE.index[name]] = even
        density = np.exp(Prior({name: BELIEFS[name]}).bind(SPACE).log_density(SPACE.from_unit(U)))
        assert 1.0 == pytest.approx(density.mean(), abs=0.02)


def test_draws_follow_the_beliefs() -> None:
    """Points of the cube become legal rows that are distributed as is believed."""
    U = np.random.default_rng(0).random((4000, SPACE.dim))
    rows = Prior(BELIEFS).bind(SPACE).from_unit(U)
    assert SPACE.legal(rows).all()
    configs = SPACE.decode(rows)
    lr = np.array([c["lr"] for c in configs])
    near = ((lr > 1e-3 / 3) & (lr < 3e-3)).mean()  # 68 % and a little less
    assert 0.63 < near < 0.70
    assert 0.76 < np.mean([c["kernel"] == "poly" for c in configs]) < 0.82
    assert {"rarely", "often"} == {c["weighted"] for c in configs}
    assert all(("degree" in c) is (c["kernel"] == "poly") for c in configs)
    assert 0.97 < np.mean([c["wide"] < 2000 for c in configs])


@pytest.mark.parametrize("engine", [ETPEOptimizer, ForestOptimizer])
def test_every_other_start_up_point_goes_elsewhere(engine: Callable[..., Optimizer]) -> None:
    """So that a model knows more than one corner; the others are where it is believed."""
    prior = Prior({"x": ("normal", 0.9, 0.01)})
    believing = Driver(engine(n_startup=9, prior=prior), Space([Float("x", 0, 1)]))
    plain = Driver(engine(n_startup=9), Space([Float("x", 0, 1)]))
    for number in range(9):
        own, other = believing.step(1.0).config["x"], plain.step(1.0).config["x"]
        if number % 2:
            assert own == other
        else:
            assert abs(own - 0.9) < 0.1


def test_without_a_belief_nothing_changes() -> None:
    """Parameters without a belief keep their own distribution; inactive ones add nothing."""
    U = np.random.default_rng(0).random((100, SPACE.dim))
    bound = Prior({"degree": BELIEFS["degree"]}).bind(SPACE)
    rows, own = bound.from_unit(U), SPACE.from_unit(U)
    others = np.arange(SPACE.dim) != SPACE.index["degree"]
    np.testing.assert_array_equal(own[:, others], rows[:, others])
    inactive = np.isnan(rows[:, SPACE.index["degree"]])
    assert (bound.log_density(rows)[inactive] == 0.0).all()
    assert (bound.log_density(rows)[~inactive] != 0.0).all()


def test_it_is_forgotten() -> None:
    """The weight falls with what is known."""
    bound = Prior(BELIEFS, confidence=8).bind(SPACE)
    assert [8.0, 8.0, 1.0, 0.08] == [bound.weight(n) for n in (0, 1, 8, 100)]


@pytest.mark.parametrize(
    ("beliefs", "message"),
    [
        ({}, "a mapping from parameters"),
        ([("lr", 1)], "a mapping from parameters"),
        ({"lr": ("lognormal", 1e-3)}, "centre, width"),
        ({"lr": ("uniform", 1e-3, 1)}, "'normal' or 'lognormal'"),
        ({"lr": ("normal", 1e-3, 0)}, "above 0"),
        ({"lr": ("lognormal", 1e-3, 1.0)}, "factor above 1"),
        ({"lr": ("normal", "x", 1)}, "no number"),
        ({"kernel": {"rbf": 0.8, "poly": 0.3}}, "sum to 1 at most"),
        ({"kernel": {"rbf": -1}}, "from 0 on"),
    ],
)
def test_what_is_no_belief_is_refused(beliefs: Any, message: str) -> None:
    """A mistake in a belief is found when it is written."""
    with pytest.raises(ConfigurationError, match=message):
        Prior(beliefs)


@pytest.mark.parametrize(
    ("beliefs", "message"),
    [
        ({"rate": ("normal", 1, 1)}, "speaks of 'rate', but the parameters are"),
        ({"lr": ("normal", 2.0, 1)}, "not from 1e-06 to 1.0"),
        ({"lr": {0.1: 0.5}}, "is a number"),
        ({"kernel": ("normal", 1, 1)}, "has choices"),
        ({"kernel": {"sigmoid": 0.5}}, "'sigmoid'"),
        ({"momentum": ("lognormal", 0.5, 2)}, "positive numbers"),
    ],
)
def test_what_does_not_fit_the_space_is_refused(beliefs: Any, message: str) -> None:
    """A belief about what the space does not have is found when the two meet."""
    with pytest.raises(ConfigurationError, match=message):
        Prior(beliefs).bind(SPACE)


@pytest.mark.parametrize("confidence", [-1, float("nan"), float("inf"), "much"])
def test_confidence_is_a_number(confidence: Any) -> None:
    """The confidence is finite and not negative."""
    with pytest.raises(ConfigurationError, match="confidence"):
        Prior(BELIEFS, confidence=confidence)
