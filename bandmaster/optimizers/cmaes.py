"""CMA-ES through the package `cmaes`, rebuilt from the history."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from bandmaster.core.evaluation import Evaluation
from bandmaster.core.job import Job
from bandmaster.core.randomness import Key
from bandmaster.optimizers.base import Optimizer, Suggestion
from bandmaster.optimizers.cmaes_distribution import Distribution, Layout, load_cmaes
from bandmaster.optimizers.design import startup_row
from bandmaster.optimizers.options import check_least
from bandmaster.optimizers.population import (
    Units,
    fitness,
    populated_budget,
)
from bandmaster.optimizers.targets import Targets
from bandmaster.optimizers.unseen import draw_unseen, first_unseen

__all__ = ["CMAESOptimizer"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

_DRAWS = 16  # of a proposal; the first that is legal and unseen is taken
_REMEMBERED = 16  # generations whose late evaluations still count as what they were drawn as
_RUNS = 4  # kept: of several seeds and budgets
_LEAST = 5


@dataclass(slots=True)
class _Run:
    """The generations so far: a function of the seed and of the first `consumed` rows.

    Those that are too old to be asked for are None. `best` are the rows that
    the next generation is compared with, as many as it has members.
    """

    seed: int
    generations: list[Distribution | None]
    consumed: int = 0
    best: IntArray = field(default_factory=lambda: np.empty(0, np.intp))

    @property
    def current(self) -> Distribution:
        latest = self.generations[-1]
        assert latest is not None
        return latest


class CMAESOptimizer(Optimizer):
    """Covariance matrix adaptation (Hansen 2016), for many evaluations of mostly continuous spaces.

    Needs the package `cmaes`, which the extra ``bandmaster[cmaes]`` brings.

    Parameters
    ----------
    population_size : int, optional
        Of a generation, at least 5. Default: ``max(6, 4 + floor(3 ln d))`` for d parameters.

    Raises
    ------
    MissingExtraError
        When the package is not installed.
    ConfigurationError
        When the population is too small.

    Notes
    -----
    - Continuous spaces are searched by CMA-ES, others by CatCMA with margin (Hamano et al. 2025),
      whose integers and choices keep a least probability. Numbers with more than 32 values count as
      continuous.
    - Conditional parameters always have a place in the distribution; where one is inactive its
      value is drawn and not used.
    - The first generation is a Latin hypercube. A generation ends when as many evaluations finished
      as it has members, in the order of the history, whichever they are: in a parallel run some
      were drawn by an earlier one. Only the order of the losses counts.
    - When a distribution has shrunk to a point, another one starts somewhere else with twice the
      population (Auger and Hansen 2005).
    - Several budgets: the largest that has had a generation's worth of successes.

    References
    ----------
    Hansen: The CMA Evolution Strategy: A Tutorial, 2016. Hamano et al.: CatCMA with Margin, 2025.
    Nomura, Shibata: cmaes, a Simple yet Practical Python Library for CMA-ES, 2024.

    Examples
    --------
    >>> from bandmaster.optimizers import CMAESOptimizer
    >>> from bandmaster.space import Float, Space
    >>> from bandmaster.testing.driver import Driver
    >>> driver = Driver(CMAESOptimizer(), Space([Float(f"x{i}", -5, 10) for i in range(3)]))
    >>> for _ in range(200):
    ...     job = driver.start()
    ...     evaluation = driver.finish(job, sum((x - 2) ** 2 for x in job.config.values()))
    >>> driver.optimizer.history.best().loss < 0.01
    True
    """

    trusted: ClassVar[bool] = True

    def __init__(self, *, population_size: int | None = None) -> None:
        if population_size is not None:
            check_least("population_size", population_size, _LEAST)
        load_cmaes()
        self.population_size = population_size

    def setup(self) -> None:
        """Prepare for the space."""
        self._units = Units(self.space)
        self._layout = Layout(self._units)
        self._targets = Targets(self.history)
        size = 4 + math.floor(3 * math.log(max(self._layout.n_columns, 1)))
        self._size = self.population_size or max(6, size)
        self._runs: dict[tuple[int, float | None], _Run] = {}

    def ask(self, budget: float, pending: Collection[Job], key: Key) -> Suggestion:
        """Propose a configuration; see `Optimizer.ask`."""
        self.check_not_exhausted()
        row, info = None, dict[str, Any](model_based_pick=False)
        if key.number < self._size:
            row = startup_row(self, key, self._size, "cmaes-design")
        elif self._layout.n_columns:
            run = self._replayed(budget, key.seed)
            for n in (1, _DRAWS):  # as a rule the first will do
                if row is None:
                    row = first_unseen(self, run.current.draw(n, _seed(key))[0])
            if row is not None:
                info = {"model_based_pick": True, "generation": len(run.generations) - 1}
        if row is None:
            row = draw_unseen(self, key.rng("cmaes-unseen"))
        return Suggestion(self.space.decode_one(row), info)

    def tell(self, evaluation: Evaluation) -> None:
        """Learn from the history when asked."""

    def _replayed(self, budget: float, seed: int) -> _Run:
        """Return the generations that the history has filled."""
        modelled = populated_budget(self.history, budget, self._size)
        run = self._runs.pop((seed, modelled), None)
        if run is None:
            run = _Run(seed, [self._first(self._size, None)])
        self._runs[seed, modelled] = run
        while len(self._runs) > _RUNS:
            del self._runs[next(iter(self._runs))]
        rows = np.empty(0, np.intp) if modelled is None else self.history.at_budget(modelled)
        while run.consumed + run.current.population_size <= len(rows):
            self._advance(run, rows)
        return run

    def _advance(self, run: _Run, rows: IntArray) -> None:
        current = run.current
        size = current.population_size
        mine = rows[run.consumed : run.consumed + size]
        # The best so far make a place among several objectives or constraints more certain.
        compared = mine if self._targets.plain else np.concatenate([run.best, mine])
        bad = fitness(self._targets, compared)
        run.best = compared[np.argsort(bad, kind="stable")[:size]]
        order = np.argsort(bad[-size:], kind="stable")
        following = current.advance([self._solution(run, row) for row in mine[order].tolist()])
        if following is None:
            rng = Key(run.seed, len(run.generations)).rng("cmaes-restart")
            following = self._first(2 * size, rng)
        run.generations.append(following)
        run.consumed += size
        if len(run.generations) > _REMEMBERED:
            run.generations[-_REMEMBERED - 1] = None

    def _first(self, size: int, rng: np.random.Generator | None) -> Distribution:
        centre = np.full(self.space.dim, 0.5) if rng is None else rng.random(self.space.dim)
        return Distribution(self._layout, size, centre)

    def _solution(self, run: _Run, row: int) -> Any:
        """Return a finished evaluation as it was drawn, or else as its configuration says."""
        evaluation = self.history[row]
        vector = self.history.vectors[row]
        point = self._units.of(vector[None])[0]
        if self._layout.as_drawn and not np.isnan(point[self._layout.floats]).any():
            return run.current.solution(point)
        generation = evaluation.config_info.get("generation")
        if isinstance(generation, int) and 0 <= generation < len(run.generations):
            source = run.generations[generation]
            if source is not None:
                seed = _seed(Key(run.seed, evaluation.trial))
                for n in (1, _DRAWS):
                    rows, drawn = source.draw(n, seed)
                    same = np.isclose(rows, vector, rtol=0, atol=1e-9, equal_nan=True).all(axis=1)
                    if same.any():
                        return drawn[int(same.argmax())]
        return run.current.solution(point)


def _seed(key: Key) -> int:
    return int(key.rng("cmaes").integers(2**32))
