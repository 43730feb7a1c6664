"""Bayesian optimization with Gaussian processes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from bandmaster.core.evaluation import Evaluation
from bandmaster.core.job import Job
from bandmaster.core.randomness import Key
from bandmaster.errors import ConfigurationError
from bandmaster.models.blas import one_thread
from bandmaster.models.gp_ensemble import Predictor
from bandmaster.models.gp_inputs import Inputs
from bandmaster.optimizers.acquisition_search import AcquisitionSearch
from bandmaster.optimizers.base import Optimizer, Suggestion
from bandmaster.optimizers.branches import Branch, Branches
from bandmaster.optimizers.cost import Cost, Costs, as_cost
from bandmaster.optimizers.etpe import ETPEOptimizer
from bandmaster.optimizers.gp_acquisition import (
    Apart,
    Feasibility,
    Improvement,
    ImprovementOfMax,
    Sum,
    Term,
)
from bandmaster.optimizers.gp_surrogates import Source, Surrogates
from bandmaster.optimizers.hypervolume import HypervolumeImprovement, frontier
from bandmaster.optimizers.options import check_least
from bandmaster.optimizers.pareto import undominated
from bandmaster.optimizers.prior import Prior
from bandmaster.optimizers.unseen import first_unseen, propose_unseen

__all__ = ["GPOptimizer"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_INCUMBENTS = 4
_COVERED = 4  # of more objectives a scalarisation is improved, not the hypervolume
# How far beyond the worst of the front, in shares of its range, a point still counts: drawn between
# these for every proposal. Near corners fill the front, far ones look for its ends.
_REACH = (0.1, 1.0)
# A proposal keeps away from pending ones by up to so much of their distance from what is known.
_APART = 1.0
_DOUBTING = 0.5  # the share of proposals that take no pending trial to be better than the best
_LIGHT = 4e5  # pairs of points in all processes; with more the search takes fewer steps


class GPOptimizer(Optimizer):
    """Proposes where a Gaussian process expects most improvement; for small budgets.

    Parameters
    ----------
    n_startup : int, default 10
        Evaluations that a budget needs before it is modelled; until then ETPE proposes. Beside
        a lower budget six successful ones are enough, beside another study's evaluations three.
    n_candidates : int, default 768
        Points at which the acquisition function is looked at first; the best of them are improved.
    n_steps : int, default 30
        Gradient steps by which they are improved, at most.
    max_points : int, default 500
        With more evaluations than this at any budget ETPE proposes; those of another study do not
        count.
    growth : float, default 1.1
        Hyper-parameters are fitted anew when the evaluations have grown by this factor.
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
    - Several budgets: each has its own process; what they predict is weighted by how well each
      ranks what the largest has seen. So are evaluations of another study.
    - Failed evaluations have no loss to learn from; where they are, the expected improvement is
      multiplied with the probability of success.
    - Pending trials are taken to turn out as predicted, which leaves the prediction as it is and
      takes the uncertainty there away; for every other proposal no better than the best known.
      Around each is a ball that others keep out of, with a radius of a share, drawn for every
      proposal, of its distance from what is known.
    - Constraints: the expected improvement is multiplied with the probability of each; as long as
      nothing feasible is known, the largest violation is what is improved.
    - Several objectives: each has its process; proposals improve the hypervolume that the front
      of the predictions covers. The corner up to which it counts is drawn for every proposal.
      With more than four objectives the largest of them is improved, each times a weight drawn
      for it (a random Tchebycheff scalarisation, Knowles 2006).

    References
    ----------
    Ginsbourger, Le Riche, Carraro: Kriging Is Well-Suited to Parallelize Optimization, 2010.
    Emmerich, Deutz, Klinkenberg: Hypervolume-based Expected Improvement, 2011.
    Ament et al.: Unexpected Improvements to Expected Improvement, 2023.
    Hvarfner, Hellsten, Nardi: Vanilla Bayesian Optimization Performs Great in High Dimensions,
    2024 (the prior of length scales).
    Song et al.: The Vizier Gaussian Process Bandit Algorithm, 2024 (the warp of losses).
    """

    trusted: ClassVar[bool] = True

    def __init__(
        self,
        *,
        n_startup: int = 10,
        n_candidates: int = 768,
        n_steps: int = 30,
        max_points: int = 500,
        growth: float = 1.1,
        prior: Prior | None = None,
        cost: str | Cost | None = None,
    ) -> None:
        check_least("n_startup", n_startup, 2)
        check_least("n_candidates", n_candidates, 3)
        check_least("n_steps", n_steps, 0)
        if max_points < n_startup:
            raise ConfigurationError(
                f"max_points must be at least n_startup = {n_startup}, got {max_points}"
            )
        if not growth > 1:
            raise ConfigurationError(f"growth must be above 1, got {growth}")
        self.n_startup = n_startup
        self.n_candidates = n_candidates
        self.n_steps = n_steps
        self.max_points = max_points
        self.growth = growth
        self.prior = prior
        self.cost = as_cost(cost)

    def setup(self) -> None:
        """Prepare features, models and the successor."""
        self._inputs = Inputs(self.space)
        self._search = AcquisitionSearch(
            self.space, n_candidates=self.n_candidates, n_steps=self.n_steps
        )
        self._branches = Branches(self.space)
        self._costs = None if self.cost is None else Costs(self.cost, self.space, self.history)
        self._surrogates = Surrogates(self._inputs, self.history, self.n_startup, self.growth)
        self._etpe = ETPEOptimizer(n_startup=self.n_startup, prior=self.prior, cost=self.cost)
        self._etpe.initialize(self.space, self.budgets, leader=self)

    def tell(self, evaluation: Evaluation) -> None:
        """Learn from the history when asked."""

    def ask(self, budget: float, pending: Collection[Job], key: Key) -> Suggestion:
        """Propose a configuration; see `Optimizer.ask`."""
        self.check_not_exhausted()
        sources = self._surrogates.sources() if self._inputs.n_groups else []
        n_own = max((len(s.rows) for s in sources if not s.borrowed), default=0)
        if not sources or n_own > self.max_points:
            return self._etpe.ask(budget, pending, key)
        import scipy.linalg  # noqa: F401 - brings a BLAS of its own, which is to be limited

        rng = key.rng("gp")
        effort = min(1.0, _LIGHT / self._surrogates.weight(sources))
        with one_thread():
            price = None if self._costs is None else self._costs.term(budget, key)
            acquisition, incumbents = self._acquisition(sources, pending, rng, price)
            found = self._search.best(acquisition, incumbents, rng, effort=effort)
        return propose_unseen(self, first_unseen(self, found), rng, modelled=True)

    def _acquisition(
        self,
        sources: list[Source],
        pending: Collection[Job],
        rng: np.random.Generator,
        price: Term | None,
    ) -> tuple[Sum, FloatArray]:
        """Return what to maximise and the rows around which to look closer, the best first."""
        targets = self._surrogates.targets
        branch: Branch | None = None
        own = [source for source in sources if not source.borrowed] or sources
        shown = self._last_of_trials(own)
        out = np.array([job.vector for job in pending if job.vector is not None])
        out = out.reshape(-1, self.space.dim)
        constraints = [
            predictor
            for j in range(targets.n_constraints)
            if (predictor := self._surrogates.constraint(own, j, out)) is not None
        ]
        known = self.history.vectors[shown]
        feasible = targets.feasible[shown]
        if constraints and not feasible.any():
            rows = np.concatenate([known, out])
            predictions = self._predictions(constraints, rows)
            terms, order = self._improving(constraints, predictions, np.ones(len(constraints)))
        else:
            if not feasible.any():  # no evaluation told its constraints
                feasible = self.history.column("ok")[shown]
            rows = known[feasible]
            if not constraints:  # else nobody knows whether they will be feasible
                rows = np.concatenate([rows, out])
            apart = len(out) > 0 and targets.n_objectives == 1
            doubting = apart and float(rng.random()) < _DOUBTING
            objectives = [
                predictor
                for j in range(targets.n_objectives)
                if (predictor := self._surrogates.objective(sources, j, out, doubting=doubting))
                is not None
            ]
            predictions = self._predictions(objectives, rows)
            if 1 < len(objectives) <= _COVERED:
                reach = float(np.exp(rng.uniform(*np.log(_REACH))))
                order, corner = frontier(predictions.T, reach)
                front = predictions.T[order]
                terms = [HypervolumeImprovement(objectives, front, corner)]
                order = rng.permutation(order)
            else:
                weights = rng.dirichlet(np.ones(len(objectives)))
                terms, order = self._improving(objectives, predictions, weights, scaled=True)
                if len(objectives) == 1:
                    branch = self._branches.another(rows[order[0]], len(shown), rng)
                if branch is not None:
                    order, rival = branch.ranked(rows, order)
                    terms = [Improvement(objectives[0], float(predictions[0, rival]))]
            if apart:
                terms.append(self._apart(objectives[0], known, out, _APART * float(rng.random())))
            terms += [Feasibility(predictor) for predictor in constraints]
        failure = self._surrogates.failure(own, out)
        if failure is not None:
            terms.append(Feasibility(failure))
        if price is not None:
            terms.append(price)
        n = max(len(source.rows) for source in own)

        def extra(rows: FloatArray) -> FloatArray | float:
            prior = self.log_prior(rows, n)
            return prior if branch is None else prior + branch.bar(rows)

        acquisition = Sum(self._inputs, terms, extra)
        return acquisition, rows[order[:_INCUMBENTS]]

    def _apart(
        self, predictor: Predictor, known: FloatArray, out: FloatArray, share: float
    ) -> Apart:
        """Return what keeps a proposal away from those that are out."""
        features = self._inputs.features
        return Apart(predictor.scales, features(known), features(out), share)

    def _last_of_trials(self, sources: list[Source]) -> npt.NDArray[np.intp]:
        """Return of every trial the row of its last evaluation, ascending."""
        rows = np.sort(np.concatenate([source.rows for source in sources]))
        _, last = np.unique(self.history.column("trial")[rows][::-1], return_index=True)
        result: npt.NDArray[np.intp] = np.sort(rows[::-1][last])
        return result

    def _predictions(self, predictors: Sequence[Predictor], rows: FloatArray) -> FloatArray:
        features = self._inputs.features(rows)
        return np.array([predictor.predict(features)[0] for predictor in predictors])

    @staticmethod
    def _improving(
        predictors: Sequence[Predictor],
        predictions: FloatArray,
        weights: FloatArray,
        *,
        scaled: bool = False,
    ) -> tuple[list[Term], npt.NDArray[np.intp]]:
        """Return what improves the largest of some weighted predictions, and the best rows' order.

        Parameters
        ----------
        predictors : sequence of Predictor
        predictions : float64 (k, r)
            Of what is known.
        weights : float64 (k,)
        scaled : bool
            Whether predictions are taken as shares of the range of those that are not dominated.
        """
        if len(predictors) == 1:
            best = float(predictions[0].min())
            order = np.argsort(predictions[0], kind="stable")
            return [Improvement(predictors[0], best)], order
        offsets, scales = np.zeros(len(predictors)), weights
        if scaled:
            front = predictions[:, undominated(predictions.T)]
            offsets = front.min(axis=1)
            scales = (weights + 1e-3) / np.maximum(front.max(axis=1) - offsets, 1e-3)
        largest = ((predictions - offsets[:, None]) * scales[:, None]).max(axis=0)
        term = ImprovementOfMax(predictors, offsets, scales, float(largest.min()))
        return [term], np.argsort(largest, kind="stable")
