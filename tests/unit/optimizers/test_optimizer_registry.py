"""Names of optimizers."""

from __future__ import annotations

import re

import pytest

from bandmaster import optimizers
from bandmaster.errors import ConfigurationError
from bandmaster.optimizers import (
    ETPEOptimizer,
    RandomOptimizer,
    get_optimizer,
    optimizer_names,
    register_optimizer,
)


def test_the_names() -> None:
    """These optimizers come with the package."""
    assert {"BO", "ETPE", "GP", "Grid", "Random", "Sobol"} <= set(optimizer_names())


@pytest.mark.parametrize("name", ["ETPE", "etpe", " Etpe "])
def test_found_in_any_case(name: str) -> None:
    """A name is found in any case, and each time makes a new optimizer."""
    assert isinstance(get_optimizer(name), ETPEOptimizer)
    assert get_optimizer(name) is not get_optimizer(name)


def test_instances_and_classes() -> None:
    """An instance is taken as it is, a class is called."""
    mine = RandomOptimizer()
    assert mine is get_optimizer(mine)
    assert isinstance(get_optimizer(RandomOptimizer), RandomOptimizer)


def test_unknown_name() -> None:
    """An unknown name is an error that lists the known ones, and says which is near."""
    known = ", ".join(optimizer_names())
    with pytest.raises(
        ConfigurationError, match=rf"'TPE' \(did you mean 'ETPE'\?\); there are {known}"
    ):
        get_optimizer("TPE")


@pytest.mark.parametrize("wrong", [3, None, dict])
def test_no_optimizer(wrong: object) -> None:
    """What is no optimizer is refused."""
    with pytest.raises(ConfigurationError, match=f"{re.escape(repr(wrong))} is no optimizer"):
        get_optimizer(wrong)  # type: ignore[arg-type]  # on purpose


def test_register(monkeypatch: pytest.MonkeyPatch) -> None:
    """A registered factory is found by its name and may replace one, whatever the case."""
    monkeypatch.setattr(optimizers, "_REGISTRY", dict(optimizers._REGISTRY))
    before = optimizer_names()
    register_optimizer("Mine", RandomOptimizer)
    assert isinstance(get_optimizer("mine"), RandomOptimizer)
    register_optimizer("MINE", ETPEOptimizer)
    assert isinstance(get_optimizer("Mine"), ETPEOptimizer)
    assert sorted([*before, "Mine"]) == optimizer_names()


@pytest.mark.parametrize(("name", "factory"), [("", RandomOptimizer), ("x", 3)])
def test_register_refuses(name: str, factory: object) -> None:
    """A name is needed, and something to call."""
    with pytest.raises(ConfigurationError):
        register_optimizer(name, factory)  # type: ignore[arg-type]  # on purpose


def test_unknown_attribute() -> None:
    """The lazy module answers like any other for what it has not."""
    with pytest.raises(AttributeError, match="no attribute 'TPEOptimizer'"):
        _ = optimizers.TPEOptimizer
