"""Every registered optimizer keeps the rules of the suite."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Collection
from typing import Any

import numpy as np
import pytest

from bandmaster.core.evaluation import Evaluation
from bandmaster.core.job import Job
from bandmaster.core.outcome import Outcome
from bandmaster.core.randomness import Key
from bandmaster.errors import SpaceExhaustedError
from bandmaster.optimizers import (
    AutoOptimizer,
    CMAESOptimizer,
    Cost,
    DEOptimizer,
    ETPEOptimizer,
    ForestOptimizer,
    GPOptimizer,
    GridOptimizer,
    Optimizer,
    RandomOptimizer,
    RegularizedEvolutionOptimizer,
    SobolOptimizer,
    Suggestion,
    auto,
    forest_model,
    get_optimizer,
    optimizer_names,
)
from bandmaster.testing.optimizers import SPACES, OptimizerSuite


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


class TestAuto(OptimizerSuite):
    @pytest.fixture(autouse=True)
    def early_switches(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let the rules see every switch, and few proposals of slow engines."""
        monkeypatch.setattr(auto, "_MOST_QUICK", 12)
        monkeypatch.setattr(auto, "_MOST_OUT", 8)

    def make(self) -> Optimizer:
        return AutoOptimizer()


class TestGP(OptimizerSuite):
    def make(self) -> Optimizer:
        return GPOptimizer(n_startup=9, n_candidates=6, n_steps=1, max_points=11, growth=9.0)


class _Priced(OptimizerSuite):
    """With costs, which the suite's evaluations do not have by themselves."""

    @pytest.fixture(autouse=True)
    def costs(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Give every evaluation a duration that its configuration and budget decide."""
        of = Outcome.timed

        def evaluation(job: Job, outcome: Outcome) -> Evaluation:
            seconds = job.budget * (1 + zlib.crc32(repr(sorted(job.config.items())).encode()) % 97)
            return made(job, of(outcome, 0.0, seconds, ""))

        made = Evaluation.of
        monkeypatch.setattr(Evaluation, "of", evaluation)


class TestPricedETPE(_Priced):
    def make(self) -> Optimizer:
        return ETPEOptimizer(n_startup=4, cost="duration")


class TestPricedGP(_Priced):
    def make(self) -> Optimizer:
        return GPOptimizer(
            n_startup=9, n_candidates=6, n_steps=1, max_points=11, growth=9.0, cost=Cost(total=1e5)
        )


class TestCMAES(OptimizerSuite):
    def make(self) -> Optimizer:
        return CMAESOptimizer(population_size=10)


class TestDE(OptimizerSuite):
    def make(self) -> Optimizer:
        return DEOptimizer(population_size=6)


class TestForest(OptimizerSuite):
    @pytest.fixture(autouse=True)
    def few_fits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Let the rules see both schedules of fits, and few fits, of small trees."""
        monkeypatch.setattr(forest_model, "_EVERY", 12)
        monkeypatch.setattr(forest_model, "_GROWTH", 1.5)
        monkeypatch.setattr(forest_model, "_MIN_LEAF", 6)

    def make(self) -> Optimizer:
        return ForestOptimizer(n_trees=2, n_candidates=3, random_share=0.5)


class TestPricedForest(TestForest, _Priced):
    def make(self) -> Optimizer:
        return ForestOptimizer(n_trees=2, n_candidates=3, random_share=0.5, cost="duration")


class TestRegularizedEvolution(OptimizerSuite):
    def make(self) -> Optimizer:
        return RegularizedEvolutionOptimizer(population_size=6, tournament_size=3)


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


class _Impure(RandomOptimizer):
    def ask(self, budget: float, pending: Collection[Job], key: Key) -> Suggestion:
        self.asked = getattr(self, "asked", 0) + 1
        return super().ask(budget, pending, Key(key.seed, self.asked))


class _Forgetful(ETPEOptimizer):
    def tell(self, evaluation: Evaluation) -> None:
        self.told = getattr(self, "told", 0) + 1  # survives initialize

    def ask(self, budget: float, pending: Collection[Job], key: Key) -> Suggestion:
        return super().ask(budget, pending, Key(getattr(self, "told", 0), key.number))


class _Repeating(RandomOptimizer):
    def seen(self, vector: np.ndarray) -> bool:
        return False


class _OncePerMetric(RandomOptimizer):
    def ask(self, budget: float, pending: Collection[Job], key: Key) -> Suggestion:
        several = len(self.history.objectives.metrics) > 1
        self.asked = getattr(self, "asked", 0) + several
        return super().ask(budget, pending, Key(key.seed, key.number + self.asked))


@pytest.mark.parametrize(
    ("cheat", "rule", "subject"),
    [
        (_Impure, "test_ask_is_pure", SPACES["one-float"]),
        (_Impure, "test_resume_equals_never_having_stopped", SPACES["one-float"]),
        (_Forgetful, "test_second_initialize_starts_anew", SPACES["one-float"]),
        (_Repeating, "test_open_proposals_differ", SPACES["all-categorical"]),
        (_Repeating, "test_exhaustion", SPACES["all-categorical"]),
        (_Repeating, "test_many_at_once", "integers"),
        (_Impure, "test_evaluations_of_another_study", None),
        (GridOptimizer, "test_seeds_differ", SPACES["one-float"]),
    ],
)
def test_the_suite_finds_cheats(cheat: type[Optimizer], rule: str, subject: Any) -> None:
    """An optimizer that breaks a rule fails the test of it."""
    suite = OptimizerSuite()
    suite.make = cheat  # type: ignore[method-assign]  # what a subclass would do
    with pytest.raises((AssertionError, SpaceExhaustedError)):
        getattr(suite, rule)(*([] if subject is None else [subject]))


def test_the_suite_finds_who_stumbles_over_metrics() -> None:
    """An optimizer that is pure only with a single metric fails."""
    suite = OptimizerSuite()
    suite.make = _OncePerMetric  # type: ignore[method-assign]  # what a subclass would do
    with pytest.raises(AssertionError):
        suite.test_constraints_and_objectives("two", "integers")
