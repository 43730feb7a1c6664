"""The tree-structured Parzen estimator, multivariate and conditional."""

from __future__ import annotations

from collections.abc import Collection
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from bandmaster.core.evaluation import Evaluation
from bandmaster.core.job import Job
from bandmaster.core.randomness import Key
from bandmaster.errors import ConfigurationError
from bandmaster.optimizers.axes import Axes
from bandmaster.optimizers.base import Optimizer, Suggestion
from bandmaster.optimizers.parzen import Density, bandwidths
from bandmaster.optimizers.split import Split, modelled_budget, split
from bandmaster.optimizers.unseen import draw_unseen

__all__ = ["ETPEOptimizer"]

FloatArray = npt.NDArray[np.float64]

_MAX_GOOD = 25
_MAX_BAD = 500
_WIDTH = 0.085  # the bandwidth of a single kernel, as a share of the range
_BAD_PRIOR = 3.0  # the prior's share of the bad density, in shares of the good one


class ETPEOptimizer(Optimizer):
    """Proposes where good observations are dense and bad ones are not (Bergstra et al. 2011).

    Maximises l(x) / g(x) over points drawn from l, where l and g are kernel densities of the good
    and of the other observations, over all columns together (`bandmaster.optimizers.parzen`).

    Parameters
    ----------
    n_startup : int, default 10
        Evaluations that a budget needs before it is modelled. The first trials are a Latin
        hypercube of so many points; more are drawn at random until there is a model.
    gamma : float, default 0.15
        The share of observations that are good, at most 25 of them.
    n_candidates : int, default 64
        Points drawn from l for a proposal.

    Raises
    ------
    ConfigurationError
        When an option is out of its range.

    Notes
    -----
    - Several budgets: the largest is modelled that has `n_startup` finished evaluations, one of
      them successful. The asked budget plays no part.
    - Failed evaluations are worse than all others.
    - Pending trials count as bad, so that parallel proposals keep apart.
    - Kernels are narrower than in other implementations, which makes proposals local; the prior has
      a larger share in g than in l, so a place that neither knows is no better than a good one.
      docs/optimizers.md has the figures for these choices.

    References
    ----------
    Bergstra, Bardenet, Bengio, Kégl: Algorithms for Hyper-Parameter Optimization, 2011.
    Watanabe: Tree-Structured Parzen Estimator, 2023 (weights by improvement, multivariate
    kernels).
    """

    trusted: ClassVar[bool] = True

    def __init__(self, *, n_startup: int = 10, gamma: float = 0.15, n_candidates: int = 64) -> None:
        if n_startup < 2:
            raise ConfigurationError(f"n_startup must be at least 2, got {n_startup}")
        if not 0 < gamma < 1:
            raise ConfigurationError(f"gamma must be between 0 and 1, got {gamma}")
        if n_candidates < 1:
            raise ConfigurationError(f"n_candidates must be at least 1, got {n_candidates}")
        self.n_startup = n_startup
        self.gamma = gamma
        self.n_candidates = n_candidates

    def setup(self) -> None:
        """Compile the space's columns."""
        self._axes = Axes(self.space)

    def ask(self, budget: float, pending: Collection[Job], key: Key) -> Suggestion:
        """Propose a configuration; see `Optimizer.ask`."""
        self.check_not_exhausted()
        modelled = modelled_budget(self.history, self.n_startup)
        rng = key.rng("etpe")
        if modelled is None:
            row = self._startup(key, rng)
        else:
            data = split(
                self.history, modelled, pending, gamma=self.gamma, max_good=_MAX_GOOD,
                max_bad=_MAX_BAD, rng=rng,
            )  # fmt: skip
            row = self._first_unseen(self._candidates(data, rng))
        model_based = modelled is not None and row is not None
        if row is None:
            row = draw_unseen(self, rng)
        info = {"model_based_pick": model_based}
        return Suggestion(self.space.decode_one(row), info)

    def tell(self, evaluation: Evaluation) -> None:
        """Learn from the history when asked."""

    def _candidates(self, data: Split, rng: np.random.Generator) -> FloatArray:
        """Return legal encoded rows drawn from the good density, the best first."""
        axes = self._axes
        good_unit, bad_unit = axes.to_unit(data.good), axes.to_unit(data.bad)
        good = Density(
            axes, good_unit, data.weights, bandwidths(axes, good_unit, data.n, _WIDTH), 1.0
        )
        n_bad = max(len(bad_unit), 1)
        bad = Density(
            axes,
            bad_unit,
            np.ones(len(bad_unit)),
            bandwidths(axes, bad_unit, data.n, _WIDTH),
            _BAD_PRIOR * n_bad / len(good_unit),
        )
        rows = good.sample(self.n_candidates, rng)
        if self.space.forbidden:
            rows = rows[self.space.legal(rows)]
        features = axes.features(axes.to_unit(rows))
        score = good.log(features) - bad.log(features)
        ranked: FloatArray = rows[np.argsort(-score, kind="stable")]
        return ranked

    def _startup(self, key: Key, rng: np.random.Generator) -> FloatArray | None:
        """Return the trial's point of the initial design, or a random one."""
        row = None
        if key.number < self.n_startup:
            design = key.block_rng("etpe-design", 0)
            strata = np.array([design.permutation(self.n_startup) for _ in range(self.space.dim)])
            cube = (strata.T + design.random((self.n_startup, self.space.dim))) / self.n_startup
            row = self._first_unseen(self._legal(self.space.from_unit(cube[[key.number]])))
        return self._first_unseen(self.space.sample(1, rng)) if row is None else row

    def _legal(self, rows: FloatArray) -> FloatArray:
        return rows[self.space.legal(rows)]

    def _first_unseen(self, rows: FloatArray) -> FloatArray | None:
        return next((row for row in rows if not self.seen(row)), None)
