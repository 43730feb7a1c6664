"""The tree-structured Parzen estimator, multivariate and conditional."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from bandmaster.core.evaluation import Evaluation
from bandmaster.core.job import Job
from bandmaster.core.randomness import Key
from bandmaster.errors import ConfigurationError
from bandmaster.models.blas import one_thread
from bandmaster.optimizers.axes import Axes
from bandmaster.optimizers.base import Optimizer, Suggestion
from bandmaster.optimizers.branches import Branch, Branches
from bandmaster.optimizers.cost import Cost, Costs, PricedCost, as_cost
from bandmaster.optimizers.design import startup_row
from bandmaster.optimizers.kernels import Features, Kernels
from bandmaster.optimizers.moves import draw_candidates
from bandmaster.optimizers.options import check_least
from bandmaster.optimizers.parzen import Contrast, Part, bandwidths
from bandmaster.optimizers.prior import Prior
from bandmaster.optimizers.split import Evidence, Split, feasibility, gather, modelled_budget, split
from bandmaster.optimizers.targets import Targets
from bandmaster.optimizers.transfer import Transfer, imported
from bandmaster.optimizers.unseen import first_unseen, propose_unseen

__all__ = ["ETPEOptimizer"]

FloatArray = npt.NDArray[np.float64]

_MAX_GOOD = 25
_MAX_BAD = 500
_MAX_FEASIBLE = 250  # kernels of either side of a constraint
# The bandwidth in standard deviations of the good observations is drawn between these for every
# proposal: narrow ones refine, wide ones leave valleys that lead nowhere.
_SPREADS = (0.4, 1.2)
_BROADER = 1.5  # so many times that with several budgets: lower ones are noise in part
# With so many jobs out half as many observations are good: there are fewer steps to a good place,
# so they must be longer.
_GREEDIER = 20
# With so many jobs out half of the candidates are drawn around means of good observations.
_JOINING = 8
# With so many observations and more, of every so many proposals one leaves the place where the good
# ones have gathered. Before, a crowd is rather a sign that this is the place.
_SETTLED = 60
_ELSEWHERE = 4
_DRAWN = 64  # rows, to find some in a branch of which nothing is known
_BAD_PRIOR = 3.0  # the prior's share of the bad density, in shares of the good one


class ETPEOptimizer(Optimizer):
    """Proposes where good observations are dense and bad ones are not (Bergstra et al. 2011).

    Maximises l(x) / g(x) over points drawn from l, where l and g are kernel densities of the good
    and of the other observations, over all columns together (`bandmaster.optimizers.parzen`).

    Parameters
    ----------
    n_startup : int, default 10
        Evaluations that a budget needs before it is modelled. The first trials are a Latin
        hypercube of so many points; while others are out more such follow until there is a model,
        else random ones.
    gamma : float, default 0.15
        The share of observations that are good, at most 25 of them.
    n_candidates : int, default 64
        Points drawn from l for a proposal.
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
    - Several budgets: a trial counts by the largest budget it reached, mapped to the scale of the
      largest one and weighted by how well its budget ranks (`bandmaster.optimizers.fidelity`).
      Modelling begins when a budget has `n_startup` evaluations, one of them successful. The asked
      budget plays no part.
    - Failed evaluations are worse than all others.
    - Pending trials count as bad, so that parallel proposals keep apart.
    - Constraints multiply the ratio by the probability that they hold, after the same kind of
      densities (c-TPE). Several objectives order trials by non-dominated rank and hypervolume.
    - The bandwidth follows the spread of the good observations and is drawn anew, within a factor
      of three, for every proposal; the prior has a larger share in g than in l, so a place that
      neither knows is no better than a good one. docs/optimizers.md has the figures.

    References
    ----------
    Bergstra, Bardenet, Bengio, Kégl: Algorithms for Hyper-Parameter Optimization, 2011.
    Watanabe: Tree-Structured Parzen Estimator, 2023 (weights by improvement, multivariate
    kernels).
    Watanabe, Hutter: c-TPE, 2023 (constraints).
    Ozaki, Tanigaki, Watanabe, Onishi: Multiobjective Tree-Structured Parzen Estimator, 2020.
    """

    trusted: ClassVar[bool] = True

    def __init__(
        self,
        *,
        n_startup: int = 10,
        gamma: float = 0.15,
        n_candidates: int = 64,
        prior: Prior | None = None,
        cost: str | Cost | None = None,
    ) -> None:
        check_least("n_startup", n_startup, 2)
        if not 0 < gamma < 1:
            raise ConfigurationError(f"gamma must be between 0 and 1, got {gamma}")
        check_least("n_candidates", n_candidates, 1)
        self.n_startup = n_startup
        self.gamma = gamma
        self.n_candidates = n_candidates
        self.prior = prior
        self.cost = as_cost(cost)

    def setup(self) -> None:
        """Compile the space's columns."""
        self._axes = Axes(self.space)
        self._branches = Branches(self.space)
        self._features = Features(self._axes)
        self._targets = Targets(self.history)
        self._transfer = Transfer(self.space)
        self._costs = None if self.cost is None else Costs(self.cost, self.space, self.history)
        self._evidence: tuple[int, Evidence] | None = None

    def ask(self, budget: float, pending: Collection[Job], key: Key) -> Suggestion:
        """Propose a configuration; see `Optimizer.ask`."""
        self.check_not_exhausted()
        rng = key.rng("etpe")
        evidence = None
        if modelled_budget(self.history, self.n_startup) is not None:
            evidence = self._gather()
        if evidence is None:
            row = self._startup(pending, key, rng)
        else:
            with one_thread():
                price = None if self._costs is None else self._costs.term(budget, key)
                rows = self._candidates(evidence, pending, key, rng, price)
            row = first_unseen(self, rows)
        return propose_unseen(self, row, rng, modelled=evidence is not None)

    def tell(self, evaluation: Evaluation) -> None:
        """Learn from the history when asked."""

    def _gather(self) -> Evidence | None:
        """Return what is known, if anything of it counts and succeeded; kept between asks."""
        if self._evidence is None or self._evidence[0] != len(self.history):
            gathered = gather(self.history, self._targets, self._transfer)
            self._evidence = len(self.history), gathered
        evidence = self._evidence[1]
        if evidence.n < self.n_startup and imported(self.history).any():
            return None  # another study's results were enough, but they turn out to mislead
        return evidence if np.isfinite(evidence.values).all(axis=1).any() else None

    def _candidates(
        self,
        evidence: Evidence,
        pending: Collection[Job],
        key: Key,
        rng: np.random.Generator,
        price: PricedCost | None,
    ) -> FloatArray:
        """Return legal encoded rows drawn around the good ones, the best first."""
        axes = self._axes
        branch = self._leave(evidence, rng)
        if branch is not None:
            evidence = evidence.where(branch.holds(evidence.rows))
            if not np.isfinite(evidence.values).any():
                drawn = self.space.sample(_DRAWN, rng)
                return drawn[branch.holds(drawn)]
        gamma = self.gamma / (1.0 + len(pending) / _GREEDIER)
        elsewhere = key.number % _ELSEWHERE == 0 and evidence.n >= _SETTLED
        data = split(
            evidence,
            pending,
            gamma=gamma,
            max_good=_MAX_GOOD,
            max_bad=_MAX_BAD,
            rng=rng,
            apart=axes.to_unit(evidence.rows) if elsewhere else None,
        )
        narrow, wide = _SPREADS
        spread = narrow * (wide / narrow) ** rng.random()
        if evidence.n_budgets > 1:
            spread *= _BROADER
        contrast = self._contrast(data, spread)
        joined = len(pending) / (len(pending) + _JOINING)
        rows = draw_candidates(axes, contrast.good, self.n_candidates, rng, joined=joined)
        if self._bound_prior is not None:
            believed = self.from_unit(rng.random((self.n_candidates, self.space.dim)))
            rows = np.vstack([rows, believed])
        if branch is not None:
            rows = rows[branch.holds(rows)]
        if self.space.forbidden:
            rows = rows[self.space.legal(rows)]
        features = self._features.of(axes.to_unit(rows))
        score = contrast.log_ratio(features)
        if price is not None:
            score += price(rows)
        score += self.log_prior(rows, data.n)
        for share, met in feasibility(evidence, max_rows=_MAX_FEASIBLE, rng=rng):
            odds = math.log(1 / share - 1) - self._contrast(met, spread).log_ratio(features)
            score -= np.logaddexp(0.0, odds)
        ranked: FloatArray = rows[(-score).argsort(kind="stable")]
        return ranked

    def _leave(self, evidence: Evidence, rng: np.random.Generator) -> Branch | None:
        """Return another branch than the best one's to search, for some proposals."""
        if evidence.values.shape[1] > 1:
            return None
        losses = evidence.values[:, 0]
        met = np.isfinite(losses) & (evidence.violations <= 0.0).all(axis=1)
        best = np.where(met, losses, np.inf) if met.any() else losses
        return self._branches.another(evidence.rows[best.argmin()], evidence.n, rng)

    def _contrast(self, data: Split, spread: float) -> Contrast:
        """Return the densities of the good and of the bad ones, of the same bandwidths."""
        axes = self._axes
        good, bad = axes.to_unit(data.good), axes.to_unit(data.bad)
        sigma = bandwidths(axes, good, data.weights, data.n, spread)
        share = _BAD_PRIOR / len(good) * max(float(data.bad_weights.sum()), 1.0)
        return Contrast(
            Kernels(self._features, sigma),
            Part(good, data.weights, 1.0),
            Part(bad, data.bad_weights, share),
        )

    def _startup(
        self, pending: Collection[Job], key: Key, rng: np.random.Generator
    ) -> FloatArray | None:
        """Return the trial's point of a design, or a random one."""
        row = None
        if pending or key.number < self.n_startup:
            row = startup_row(self, key, self.n_startup, "etpe-design")
        if row is not None:
            return row
        if self._bound_prior is None:
            return first_unseen(self, self.space.sample(1, rng))
        return first_unseen(self, self.start_from(rng.random((8, self.space.dim)), key.number))
