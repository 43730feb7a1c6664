"""Every registered optimizer keeps the rules of the suite."""

from __future__ import annotations

import sys

from bandmaster.optimizers import (
    ETPEOptimizer,
    GridOptimizer,
    Optimizer,
    RandomOptimizer,
    SobolOptimizer,
    get_optimizer,
    optimizer_names,
)
from bandmaster.testing.optimizers import OptimizerSuite


class TestRandom(OptimizerSuite):
    def make(self) -> Optimizer:
        return RandomOptimizer()


class TestGrid(OptimizerSuite):
    depends_on_seed = False

    def make(self) -> Optimizer:
        return GridOptimizer(n_points=50)


class TestSobol(OptimizerSuite):
    def make(self) -> Optimizer:
        return SobolOptimizer()


class TestETPE(OptimizerSuite):
    def make(self) -> Optimizer:
        return ETPEOptimizer()


class TestETPEWithoutStartup(OptimizerSuite):
    def make(self) -> Optimizer:
        return ETPEOptimizer(n_startup=2, n_candidates=3)


def test_every_registered_optimizer_has_a_suite() -> None:
    """An optimizer that is in the registry is made by some subclass of the suite in this file."""
    suites = [
        value
        for value in vars(sys.modules[__name__]).values()
        if isinstance(value, type)
        and issubclass(value, OptimizerSuite)
        and value.__name__.startswith("Test")
    ]
    registered = {type(get_optimizer(name)) for name in optimizer_names()}
    assert registered <= {type(suite().make()) for suite in suites}
