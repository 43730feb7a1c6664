"""Every registered iteration generator keeps the rules of its suite."""

from __future__ import annotations

import sys
from fractions import Fraction

from bandmaster import multifidelity
from bandmaster.multifidelity import (
    ASHAIterGenerator,
    ASHAStoppingIterGenerator,
    BOHBIterGenerator,
    CustomIterGenerator,
    FlatIterGenerator,
    HyperBandIterGenerator,
    IterGenerator,
    MedianStoppingIterGenerator,
    PASHAIterGenerator,
    PBTIterGenerator,
    PercentileStoppingIterGenerator,
    SuccessiveHalvingIterGenerator,
    grid_search,
    sample_from,
    uniform,
)
from bandmaster.testing.brackets import BracketSuite
from bandmaster.testing.generators import IterGeneratorSuite


class TestFlat(BracketSuite):
    def make(self) -> IterGenerator:
        return FlatIterGenerator(budget=2)


class TestSuccessiveHalving(BracketSuite):
    def make(self) -> IterGenerator:
        return SuccessiveHalvingIterGenerator(1, 8, 2, num_configs=11)


class TestHyperBand(BracketSuite):
    def make(self) -> IterGenerator:
        return HyperBandIterGenerator(1 / 4, 1, 2)


class TestHyperBandPaper(BracketSuite):
    def make(self) -> IterGenerator:
        return HyperBandIterGenerator(1, 9, 3, mode="paper")


class TestHyperBandFirstBracketOnly(BracketSuite):
    def make(self) -> IterGenerator:
        return HyperBandIterGenerator(1, 5, Fraction(3, 2), SH_only=True)


class TestBOHB(BracketSuite):
    def make(self) -> IterGenerator:
        return BOHBIterGenerator(1, 8, 2, random_fraction=0.5, seed=3)


class TestCustom(BracketSuite):
    def make(self) -> IterGenerator:
        return CustomIterGenerator([[5, 3, 3], [2]], [[1, 2, 9], [4]])


class TestASHA(IterGeneratorSuite):
    def make(self) -> IterGenerator:
        return ASHAIterGenerator(1, 9)


class TestASHAWithSeveralBrackets(IterGeneratorSuite):
    def make(self) -> IterGenerator:
        return ASHAIterGenerator(1 / 4, 1, 2, n_brackets=3, delayed=True)


class TestASHAStopping(BracketSuite):
    def make(self) -> IterGenerator:
        return ASHAStoppingIterGenerator(1, 9)


class TestMedianStopping(BracketSuite):
    def make(self) -> IterGenerator:
        return MedianStoppingIterGenerator(9)


class TestPASHA(IterGeneratorSuite):
    def make(self) -> IterGenerator:
        return PASHAIterGenerator(1, 8, 2)


class TestPBT(IterGeneratorSuite):
    def make(self) -> IterGenerator:
        return PBTIterGenerator(2, hyperparam_mutations={"x": uniform(0, 1)}, num_samples=5, stop=5)


class TestSynchronousPBT(IterGeneratorSuite):
    def make(self) -> IterGenerator:
        return PBTIterGenerator(
            2,
            hyperparam_mutations={"x": uniform(0, 1), "y": [1, 2, 3]},
            param_space={"x": grid_search([0.1, 0.9]), "y": sample_from(lambda c: 1 + 2 * c["x"])},
            num_samples=2, quantile_fraction=0.5, synch=True, stop=6,
        )  # fmt: skip


class TestPBTWithRetries(IterGeneratorSuite):
    retries = True

    def make(self) -> IterGenerator:
        return PBTIterGenerator(
            2, hyperparam_mutations={"x": uniform(0, 1)}, num_samples=4, stop={
                "training_iteration": 6, "loss": 5.0},
            quantile_fraction=0.5, max_failures=2, synch=True,
        )  # fmt: skip


class TestPBTByMetrics(IterGeneratorSuite):
    def make(self) -> IterGenerator:
        return PBTIterGenerator(
            1.5, time_attr="epoch", metric="loss", mode="min", require_attrs=False,
            burn_in_period=2, num_samples=5, quantile_fraction=0.4, stop={"epoch": 7},
            param_space={"x": uniform(0, 1)}, hyperparam_mutations={"x": lambda: 0.5},
        )  # fmt: skip


class TestPercentileStopping(BracketSuite):
    def make(self) -> IterGenerator:
        return PercentileStoppingIterGenerator(9, percentile=20)


def test_every_registered_generator_has_a_suite() -> None:
    """A generator that is in the registry is made by some subclass of the suite in this file."""
    suites = [
        value
        for value in vars(sys.modules[__name__]).values()
        if isinstance(value, type)
        and issubclass(value, IterGeneratorSuite)
        and value.__name__.startswith("Test")
    ]
    registered = {
        multifidelity.iter_generator_class(name) for name in multifidelity.iter_generator_names()
    }
    assert registered == {type(suite().make()) for suite in suites}
