"""Regularized evolution: tournaments, one mutation, and death by age."""

from __future__ import annotations

from collections.abc import Collection
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from bandmaster.core.evaluation import Evaluation
from bandmaster.core.job import Job
from bandmaster.core.randomness import Key
from bandmaster.errors import ConfigurationError
from bandmaster.optimizers.base import Optimizer, Suggestion
from bandmaster.optimizers.design import startup_row
from bandmaster.optimizers.options import check_least
from bandmaster.optimizers.population import (
    Units,
    fitness,
    populated_budget,
)
from bandmaster.optimizers.targets import Targets
from bandmaster.optimizers.transfer import imported
from bandmaster.optimizers.unseen import first_unseen, propose_unseen

__all__ = ["RegularizedEvolutionOptimizer"]

FloatArray = npt.NDArray[np.float64]

_MUTANTS = 16  # drawn at once; the first that is legal and unseen is taken
_STEP = 0.1  # the standard deviation of a number's mutation, as a share of its range


class RegularizedEvolutionOptimizer(Optimizer):
    """Mutates one parameter of the best of some recent evaluations (Real et al. 2019).

    Parameters
    ----------
    population_size : int, default 20
        The last so many evaluations are alive: members die of age, not of being bad. The first
        trials, so many, are a Latin hypercube.
    tournament_size : int, default 10
        A proposal's parent is the best of so many members drawn at random.

    Raises
    ------
    ConfigurationError
        When an option is out of its range.

    Notes
    -----
    - A mutation changes one active parameter: a number by a normal step or to a random value, a
      categorical to another choice, drawn by its weights. Parameters that this makes active come
      from members that have them, or at random.
    - Several budgets: those alive are of the largest budget where enough succeeded for a
      tournament. Evaluations of another study live until there are so many of this one.

    References
    ----------
    Real, Aggarwal, Huang, Le: Regularized Evolution for Image Classifier Architecture Search, 2019.

    Examples
    --------
    >>> from bandmaster.optimizers import RegularizedEvolutionOptimizer
    >>> from bandmaster.space import Categorical, Space
    >>> from bandmaster.testing.driver import Driver
    >>> space = Space([Categorical(f"op{i}", ("conv", "pool", "skip")) for i in range(6)])
    >>> driver = Driver(RegularizedEvolutionOptimizer(), space)
    >>> for _ in range(120):
    ...     job = driver.start()
    ...     evaluation = driver.finish(job, sum(op != "skip" for op in job.config.values()))
    >>> driver.optimizer.history.best().loss
    0
    """

    trusted: ClassVar[bool] = True

    def __init__(self, *, population_size: int = 20, tournament_size: int = 10) -> None:
        check_least("population_size", population_size, 2)
        if not 1 <= tournament_size <= population_size:
            raise ConfigurationError(
                f"tournament_size must be between 1 and population_size ({population_size}), "
                f"got {tournament_size}"
            )
        self.population_size = population_size
        self.tournament_size = tournament_size

    def setup(self) -> None:
        """Prepare for the space."""
        self._units = Units(self.space)
        self._targets = Targets(self.history)

    def ask(self, budget: float, pending: Collection[Job], key: Key) -> Suggestion:
        """Propose a configuration; see `Optimizer.ask`."""
        self.check_not_exhausted()
        rng = key.rng("regularized-evolution")
        started = key.number >= self.population_size
        if started:
            row = self._offspring(budget, rng)
        else:
            row = startup_row(self, key, self.population_size, "regularized-evolution-design")
        return propose_unseen(self, row, rng, modelled=started)

    def tell(self, evaluation: Evaluation) -> None:
        """Learn from the history when asked."""

    def _offspring(self, budget: float, rng: np.random.Generator) -> FloatArray | None:
        """Return a mutant of the winner of a tournament, None while nobody is alive."""
        populated = populated_budget(self.history, budget, self.tournament_size)
        if populated is None or not len(self._units.free):
            return None
        rows = self.history.at_budget(populated)
        own = rows[~imported(self.history)[rows]]
        # Evaluations of another study may be on another scale.
        alive = (own if len(own) >= self.tournament_size else rows)[-self.population_size :]
        drawn = rng.permutation(len(alive))[: self.tournament_size]
        bad = fitness(self._targets, alive)
        winner = drawn[bad[drawn].argmin()]
        pool = self._units.of(self.history.vectors[alive])
        return first_unseen(self, self._mutants(pool[winner], pool, rng))

    def _mutants(
        self, parent: FloatArray, pool: FloatArray, rng: np.random.Generator
    ) -> FloatArray:
        """Return rows that differ from the parent in one parameter and what it makes active."""
        points = np.tile(parent, (_MUTANTS, 1))
        free = self._units.free
        active = free[~np.isnan(parent[free])]
        at, rows = active[rng.integers(len(active), size=_MUTANTS)], np.arange(_MUTANTS)
        filled = self._units.fill(points, pool, rng)
        drawn = self._units.draw(_MUTANTS, rng)[rows, at]
        step = filled[rows, at] + _STEP * rng.standard_normal(_MUTANTS)
        local = ~self._units.categorical[at] & (rng.random(_MUTANTS) < 0.5)
        filled[rows, at] = np.where(local, np.clip(step, 0.0, 1.0), drawn)
        return self._units.rows(filled)
