"""Bayesian optimization with a random forest."""

from __future__ import annotations

from collections.abc import Collection
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from bandmaster.core.evaluation import Evaluation
from bandmaster.core.job import Job
from bandmaster.core.randomness import Key
from bandmaster.errors import ConfigurationError
from bandmaster.models.blas import one_thread
from bandmaster.optimizers.base import Optimizer, Suggestion
from bandmaster.optimizers.branches import Branches
from bandmaster.optimizers.cost import Cost, Costs, as_cost
from bandmaster.optimizers.design import startup_row
from bandmaster.optimizers.forest_model import Acquisition, ForestModel
from bandmaster.optimizers.forest_search import ForestSearch
from bandmaster.optimizers.options import check_least
from bandmaster.optimizers.population import Units
from bandmaster.optimizers.prior import Prior
from bandmaster.optimizers.unseen import first_unseen, propose_unseen

__all__ = ["ForestOptimizer"]

FloatArray = npt.NDArray[np.float64]

_INCUMBENTS = 10


class ForestOptimizer(Optimizer):
    """Proposes where a random forest expects most improvement (SMAC, Hutter et al. 2011).

    Categorical and conditional parameters need no encoding: a tree splits on the choices
    themselves, and on a parameter only where it is active.

    Parameters
    ----------
    n_startup : int, default 10
        Evaluations before there is a model; the first so many trials are a Latin hypercube.
    n_trees : int, default 20
    random_share : float, default 0.05
        The share of proposals that are random, which no mistake of the model survives for ever.
    n_candidates : int, default 768
        Configurations that are looked at first, a third of them random, the others near good ones;
        from the best it goes on in smaller and larger steps.
    prior : Prior, optional
        Where a user believes the good configurations to be.
    cost : str or Cost, optional
        Improvements are sought where they are cheap: ``"duration"``, or the name of a metric
        (`bandmaster.optimizers.cost`).

    Raises
    ------
    ConfigurationError
        When an option is out of its range.

    Notes
    -----
    - The forest learns normal scores of the losses: only their order counts. Failed evaluations
      count as the worst of the others.
    - Several budgets and evaluations of another study are in one forest, which may split on where
      they came from; improved is the best at the largest budget.
    - A proposal's value shrinks by the share of the trees that do not tell it from a pending one.
    - Constraints: the expected improvement times the predicted share of feasible ones; until there
      is one, the least violation is improved.
    - Several objectives: a forest each; every proposal improves another random weighting
      (Knowles 2006).
    - Up to 200 evaluations the forest is fitted after each, then when there are 5 % more.

    References
    ----------
    Hutter, Hoos, Leyton-Brown: Sequential Model-based Optimization for General Algorithm
    Configuration, 2011.

    Examples
    --------
    >>> from bandmaster.optimizers import ForestOptimizer
    >>> from bandmaster.space import Categorical, Float, Space
    >>> from bandmaster.testing.driver import Driver
    >>> space = Space([Categorical("kind", tuple("abcdef")), Float("x", 0, 1)])
    >>> driver = Driver(ForestOptimizer(n_trees=10), space)
    >>> for _ in range(40):
    ...     job = driver.start()
    ...     loss = (job.config["kind"] != "e") + abs(job.config["x"] - 0.7)
    ...     evaluation = driver.finish(job, loss)
    >>> driver.optimizer.history.best().config["kind"]
    'e'
    """

    trusted: ClassVar[bool] = True

    def __init__(
        self,
        *,
        n_startup: int = 10,
        n_trees: int = 20,
        random_share: float = 0.05,
        n_candidates: int = 768,
        prior: Prior | None = None,
        cost: str | Cost | None = None,
    ) -> None:
        check_least("n_startup", n_startup, 2)
        check_least("n_trees", n_trees, 2)
        if not 0 <= random_share <= 1:
            raise ConfigurationError(f"random_share must be between 0 and 1, got {random_share}")
        check_least("n_candidates", n_candidates, 3)
        self.n_startup = n_startup
        self.n_trees = n_trees
        self.random_share = random_share
        self.n_candidates = n_candidates
        self.prior = prior
        self.cost = as_cost(cost)

    def setup(self) -> None:
        """Prepare for the space."""
        self._units = Units(self.space)
        self._search = ForestSearch(
            self._units,
            n_draws=self.n_candidates // 3,
            n_near=self.n_candidates - self.n_candidates // 3,
            n_moves=self.n_candidates // 32,
        )
        self._branches = Branches(self.space)
        self._costs = None if self.cost is None else Costs(self.cost, self.space, self.history)
        self._model = ForestModel(self.space, self.history, self.n_trees)

    def ask(self, budget: float, pending: Collection[Job], key: Key) -> Suggestion:
        """Propose a configuration; see `Optimizer.ask`."""
        self.check_not_exhausted()
        rng = key.rng("forest")
        row, modelled = None, False
        if len(self.history) < self.n_startup:
            if key.number < self.n_startup:
                row = startup_row(self, key, self.n_startup, "forest-design")
        elif rng.random() >= self.random_share:
            with one_thread():
                row = self._improving(budget, pending, key, rng)
            modelled = True
        return propose_unseen(self, row, rng, modelled=modelled)

    def tell(self, evaluation: Evaluation) -> None:
        """Learn from the history when asked."""

    def _improving(
        self, budget: float, pending: Collection[Job], key: Key, rng: np.random.Generator
    ) -> FloatArray | None:
        beliefs = self._model.beliefs(key.seed)
        if beliefs is None or not len(self._units.free):
            return None
        out = np.array([job.vector for job in pending if job.vector is not None])
        out = out.reshape(-1, self.space.dim)
        incumbents, best, branch = self.history.vectors[beliefs.incumbents], None, None
        if len(beliefs.objectives) == 1:
            branch = self._branches.another(incumbents[0], len(incumbents), rng)
        if branch is not None:
            order, rival = branch.ranked(incumbents, np.arange(len(incumbents)))
            incumbents, best = incumbents[order], float(np.sort(beliefs.scores[:, 0])[rival])
        acquisition = Acquisition(beliefs, out, rng, best=best)
        price = None if self._costs is None else self._costs.term(budget, key)
        n = len(self.history)

        def value(rows: FloatArray) -> FloatArray:
            result = acquisition(rows) + self.log_prior(rows, n)
            if price is not None:
                result += price(rows)
            if branch is not None:
                result += branch.bar(rows)
            return result

        found = self._search.best(value, incumbents[:_INCUMBENTS], rng)
        return first_unseen(self, found)
