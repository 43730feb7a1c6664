"""Choosing an engine by the space and by what is known so far."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection
from typing import ClassVar, NamedTuple

from bandmaster.core.evaluation import Evaluation
from bandmaster.core.job import Job
from bandmaster.core.randomness import Key
from bandmaster.optimizers.base import Optimizer, Suggestion
from bandmaster.optimizers.cost import Cost, as_cost
from bandmaster.optimizers.etpe import ETPEOptimizer
from bandmaster.optimizers.options import check_least
from bandmaster.optimizers.prior import Prior
from bandmaster.optimizers.split import modelled_budget
from bandmaster.optimizers.transfer import imported

__all__ = ["AutoOptimizer", "Choice"]

logger = logging.getLogger(__name__)

_MOST_DIMENSIONS = 200
_MOST_QUICK = 300  # evaluations at a budget that a GP models in any case
_MOST_SLOW = 500  # those that it models if they take long
_SLOW = 0.1  # seconds an evaluation, per one that is out, that leave time for a GP's proposals
_MOST_OUT = 64


class Choice(NamedTuple):
    """An engine's name and why it proposes now."""

    engine: str
    why: str


class AutoOptimizer(Optimizer):
    """Lets the engine propose that does best at this point of this search; the default.

    Parameters
    ----------
    n_startup : int, default 10
        Evaluations that a budget needs before it is modelled.
    prior : Prior, optional
        Beliefs about good regions.
    cost : str or Cost, optional
        Improvements are sought where they are cheap: ``"duration"``, or the name of a metric
        (`bandmaster.optimizers.cost`).

    Raises
    ------
    ConfigurationError
        When an option is out of its range.

    Notes
    -----
    The choice is a function of the space, the history and how many jobs are out. A suggestion's
    info has the ``engine``, and on a change ``why``.
    """

    trusted: ClassVar[bool] = True

    def __init__(
        self,
        *,
        n_startup: int = 10,
        prior: Prior | None = None,
        cost: str | Cost | None = None,
    ) -> None:
        check_least("n_startup", n_startup, 2)
        self.n_startup = n_startup
        self.prior = prior
        self.cost = as_cost(cost)

    def setup(self) -> None:
        """Forget the engines of another space."""
        self._engines: dict[str, Optimizer] = {}
        self._current = ""  # who proposed the trial that was issued last
        self._logged: set[Choice] = set()
        self._n_free = int((self.space.n_values > 1).sum())
        self._own: Counter[float] = Counter()  # evaluations of this study at each budget

    def ask(self, budget: float, pending: Collection[Job], key: Key) -> Suggestion:
        """Propose a configuration; see `Optimizer.ask`."""
        self.check_not_exhausted()
        choice = self.choose(len(pending))
        suggestion = self._engine(choice.engine).ask(budget, pending, key)
        info = {**suggestion.info, "engine": choice.engine}
        if choice.engine != self._current:
            info["why"] = choice.why
            if choice not in self._logged:
                self._logged.add(choice)
                logger.info("%s proposes: %s", choice.engine, choice.why)
        return Suggestion(suggestion.config, info)

    def choose(self, n_out: int) -> Choice:
        """Return who proposes while `n_out` jobs are out."""
        if modelled_budget(self.history, self.n_startup) is None:
            return Choice("ETPE", "the first configurations fill the space")
        if self._n_free > _MOST_DIMENSIONS:
            return Choice("ETPE", f"the space has more than {_MOST_DIMENSIONS} dimensions")
        n = max(self._own.values(), default=0)
        if n_out > _MOST_OUT:
            return Choice("ETPE", f"more than {_MOST_OUT} evaluations run at a time")
        objectives = self.history.objectives
        share = (len(objectives.optimized) + len(objectives.constraints)) ** -0.5
        quick, slow = round(_MOST_QUICK * share), round(_MOST_SLOW * share)
        if n <= quick:
            return Choice("GP", "few evaluations are known")
        if n > slow:
            return Choice("ETPE", f"more than {slow} evaluations of a budget are known")
        if self._seconds() < _SLOW * (n_out + 1):
            why = f"more than {quick} evaluations of a budget are known, and they are quick"
            return Choice("ETPE", why)
        return Choice("GP", "few evaluations are known, and each takes long")

    def _seconds(self) -> float:
        """Return how long an evaluation of this study takes on average."""
        own = ~imported(self.history)
        seconds = self.history.column("finished")[own] - self.history.column("started")[own]
        return float(seconds.mean()) if len(seconds) else 0.0

    def issued(self, job: Job) -> None:
        """Learn that a trial has begun, and who proposed it."""
        super().issued(job)
        if job.trial >= 0:  # another study's engines are no matter
            self._current = job.config_info.get("engine", self._current)

    def tell(self, evaluation: Evaluation) -> None:
        """Count it; the engines learn from the history when asked."""
        if evaluation.trial >= 0:
            self._own[evaluation.budget] += 1

    def _engine(self, name: str) -> Optimizer:
        """Return an engine, made when it is first needed: a GP imports SciPy."""
        engine = self._engines.get(name)
        if engine is None:
            engine = self._engines[name] = self._make(name)
            engine.initialize(self.space, self.budgets, leader=self)
        return engine

    def _make(self, name: str) -> Optimizer:
        if name == "ETPE":
            return ETPEOptimizer(n_startup=self.n_startup, prior=self.prior, cost=self.cost)
        from bandmaster.optimizers.gp import GPOptimizer

        return GPOptimizer(n_startup=self.n_startup, prior=self.prior, cost=self.cost)
