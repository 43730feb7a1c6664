"""Differential evolution, asynchronous and over several budgets."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
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
from bandmaster.optimizers.pareto import crowding, undominated
from bandmaster.optimizers.population import Units, fitness
from bandmaster.optimizers.targets import Targets
from bandmaster.optimizers.unseen import first_unseen, propose_unseen

__all__ = ["DEOptimizer"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

_MUTANTS = 16  # drawn at once; the first that is legal and unseen is taken
_PARENTS = 4  # a budget needs so many members before its own are mutated
_FRONT = 8  # rows of a slot that may become its member when there are several objectives


@dataclass(slots=True)
class _Candidates:
    """Of a budget's first `read` rows, those that may be members, by slot and whether imported.

    What another row of its slot dominates is none, and `others`, which violate a constraint, are
    only where the slot has no front.
    """

    read: int = 0
    fronts: dict[tuple[int, bool], IntArray] = field(default_factory=dict)
    others: dict[tuple[int, bool], list[int]] = field(default_factory=dict)

    def rows(self) -> IntArray:
        found = [*self.fronts.values()]
        found += [np.array(rows) for group, rows in self.others.items() if group not in self.fronts]
        return np.sort(np.concatenate(found)) if found else np.empty(0, np.intp)


class DEOptimizer(Optimizer):
    """Differential evolution, rand/1/bin (Storn and Price 1997), the engine of DEHB.

    Parameters
    ----------
    population_size : int, default 10
        At least 4.
    mutation_factor : float, default 0.5
        F: by how much of the difference of two members a third is moved.
    crossover_rate : float, default 0.5
        CR: the share of the parameters that a proposal takes from the mutant.

    Raises
    ------
    ConfigurationError
        When an option is out of its range.

    Notes
    -----
    - The population has as many slots as members, and trial t competes for slot
      ``t % population_size``. A slot's member is the best trial that ever competed for it, so the
      population is a function of the history, in whatever order results come in.
    - Several budgets: each has a population of its own, as in DEHB, and a proposal is bred and
      competes in that of the budget it is asked for. While this has less than four members, the
      parents come from the largest budget that has.
    - Several objectives: the best of a slot is of the lowest Pareto rank among those of all slots,
      then the loneliest there (Kukkonen and Lampinen 2005); eight of a slot stay in the running.
    - Evaluations of another study are members until one of this study competes for the slot.
    - Categorical parameters have no difference: where two members differ, the mutant takes a choice
      at random with probability F. A parameter that a member lacks is filled from members that
      have it, and has no say while it is inactive.

    References
    ----------
    Storn, Price: Differential Evolution, 1997. Awad, Mallik, Hutter: DEHB, 2021.
    Kukkonen, Lampinen: GDE3, 2005.

    Examples
    --------
    >>> from bandmaster.optimizers import DEOptimizer
    >>> from bandmaster.space import Float, Space
    >>> from bandmaster.testing.driver import Driver
    >>> driver = Driver(DEOptimizer(population_size=8), Space([Float("x", -5, 10)]))
    >>> for _ in range(60):
    ...     job = driver.start()
    ...     evaluation = driver.finish(job, (job.config["x"] - 2) ** 2)
    >>> driver.optimizer.history.best().loss < 0.1
    True
    """

    trusted: ClassVar[bool] = True

    def __init__(
        self,
        *,
        population_size: int = 10,
        mutation_factor: float = 0.5,
        crossover_rate: float = 0.5,
    ) -> None:
        check_least("population_size", population_size, _PARENTS)
        if not 0 < mutation_factor <= 2:
            raise ConfigurationError(f"mutation_factor must be in (0, 2], got {mutation_factor}")
        if not 0 < crossover_rate <= 1:
            raise ConfigurationError(f"crossover_rate must be in (0, 1], got {crossover_rate}")
        self.population_size = population_size
        self.mutation_factor = mutation_factor
        self.crossover_rate = crossover_rate

    def setup(self) -> None:
        """Prepare for the space."""
        self._units = Units(self.space)
        self._targets = Targets(self.history)
        self._objectives = self.history.objectives
        self._candidates: dict[float, _Candidates] = {}

    def ask(self, budget: float, pending: Collection[Job], key: Key) -> Suggestion:
        """Propose a configuration; see `Optimizer.ask`."""
        self.check_not_exhausted()
        rng = key.rng("de")
        if key.number < self.population_size:
            row = startup_row(self, key, self.population_size, "de-design")
        else:
            row = self._evolve(budget, key.number % self.population_size, rng)
        return propose_unseen(self, row, rng, modelled=key.number >= self.population_size)

    def tell(self, evaluation: Evaluation) -> None:
        """Learn from the history when asked."""

    def members(self, budget: float) -> dict[int, int]:
        """Return the row in the history of each slot's member at a budget, slots ascending."""
        rows = self.history.at_budget(budget)
        if self._targets.n_objectives > 1:
            rows = self._running(budget, rows)
        bad = fitness(self._targets, rows, exact=False)
        trials = self.history.column("trial")[rows]
        slots = trials % self.population_size
        # Of equals the later one wins, as a trial that is no worse replaces its target.
        order = np.lexsort((-rows, bad, trials < 0, slots))
        order = order[np.isfinite(bad[order])]
        first = np.unique(slots[order], return_index=True)[1]
        best = order[first]
        return dict(zip(slots[best].tolist(), rows[best].tolist(), strict=True))

    def _running(self, budget: float, rows: IntArray) -> IntArray:
        """Return which of a budget's rows may be members, by several objectives."""
        if self._objectives is not self.history.objectives:
            self._objectives, self._candidates = self.history.objectives, {}
        kept = self._candidates.setdefault(budget, _Candidates())
        values, feasible = self._targets.values, self._targets.feasible
        trials = self.history.column("trial")
        for row in rows[kept.read :].tolist():
            group = int(trials[row]) % self.population_size, bool(trials[row] < 0)
            missing = np.isnan(values[row])
            if feasible[row] and not missing.any():
                front = np.append(kept.fronts.get(group, rows[:0]), row)
                front = front[undominated(values[front])]
                if len(front) > _FRONT:
                    front = np.delete(front, crowding(values[front]).argmin())
                kept.fronts[group] = front
            elif not missing[0]:
                kept.others.setdefault(group, []).append(row)
        kept.read = len(rows)
        return kept.rows()

    def _evolve(self, budget: float, slot: int, rng: np.random.Generator) -> FloatArray | None:
        """Return the offspring that competes for a slot, None while there are no parents."""
        members = parents = self.members(budget)
        if len(members) < _PARENTS:
            others = (self.members(b) for b in reversed(self.history.budgets))
            parents = next((m for m in others if len(m) >= _PARENTS), {})
        if not parents or not len(self._units.free):
            return None
        target = members.get(slot, parents.get(slot))
        vectors = self.history.vectors
        pool = self._units.of(vectors[list(parents.values())])
        own = [i for i, s in enumerate(parents) if s != slot]
        picks = rng.permuted(np.tile(own, (_MUTANTS, 1)), axis=1)[:, :3]
        base, one, two = (self._units.fill(pool[picks[:, i]], pool, rng) for i in range(3))
        mutants = self._mutate(base, one, two, rng)
        if target is None:
            return first_unseen(self, self._units.rows(mutants))
        old = np.tile(self._units.of(vectors[[target]]), (_MUTANTS, 1))
        active = np.flatnonzero(~np.isnan(old[0]) & (self.space.n_values > 1))
        old = self._units.fill(old, pool, rng)
        crossed = rng.random(old.shape) < self.crossover_rate
        if len(active):
            crossed[np.arange(_MUTANTS), active[rng.integers(len(active), size=_MUTANTS)]] = True
        return first_unseen(self, self._units.rows(np.where(crossed, mutants, old)))

    def _mutate(
        self, base: FloatArray, one: FloatArray, two: FloatArray, rng: np.random.Generator
    ) -> FloatArray:
        moved = base + self.mutation_factor * (one - two)
        moved = np.abs(moved) % 2.0  # what leaves the box is reflected into it
        moved = np.where(moved > 1.0, 2.0 - moved, moved)
        drawn = self._units.draw(len(base), rng)
        jumps = (one != two) & (rng.random(base.shape) < self.mutation_factor)
        choices = np.where(jumps, drawn, base)
        return np.where(self._units.categorical, choices, moved)
