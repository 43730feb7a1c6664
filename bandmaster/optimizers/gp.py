"""Bayesian optimization with a Gaussian process."""

from __future__ import annotations

from collections.abc import Collection
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from bandmaster.core.evaluation import Evaluation
from bandmaster.core.job import Job
from bandmaster.core.randomness import Key
from bandmaster.errors import ConfigurationError
from bandmaster.models.gp import Factor, GaussianProcess
from bandmaster.models.gp_inputs import Inputs
from bandmaster.models.gp_likelihood import Prior, fit
from bandmaster.models.gp_warp import warped
from bandmaster.optimizers.acquisition import log_expected_improvement
from bandmaster.optimizers.acquisition_search import AcquisitionSearch
from bandmaster.optimizers.base import Optimizer, Suggestion
from bandmaster.optimizers.etpe import ETPEOptimizer
from bandmaster.optimizers.split import modelled_budget
from bandmaster.optimizers.unseen import draw_unseen

__all__ = ["GPOptimizer"]

FloatArray = npt.NDArray[np.float64]

_GROWTH = 1.1
_STARTS = (1.0, 0.1)


class GPOptimizer(Optimizer):
    """Proposes where a Gaussian process expects most improvement; for small budgets.

    Parameters
    ----------
    n_startup : int, default 10
        Evaluations that a budget needs before it is modelled.
    n_candidates : int, default 768
        Points at which the acquisition function is looked at first; the best of them are improved.
    max_points : int, default 500
        With more evaluations than this at the modelled budget ETPE proposes.

    Raises
    ------
    ConfigurationError
        When an option is out of its range.
    """

    trusted: ClassVar[bool] = True

    def __init__(
        self, *, n_startup: int = 10, n_candidates: int = 768, max_points: int = 500
    ) -> None:
        if n_startup < 2:
            raise ConfigurationError(f"n_startup must be at least 2, got {n_startup}")
        if n_candidates < 1:
            raise ConfigurationError(f"n_candidates must be at least 1, got {n_candidates}")
        if max_points < n_startup:
            raise ConfigurationError(
                f"max_points must be at least n_startup = {n_startup}, got {max_points}"
            )
        self.n_startup = n_startup
        self.n_candidates = n_candidates
        self.max_points = max_points

    def setup(self) -> None:
        """Prepare the features."""
        self._inputs = Inputs(self.space)
        self._search = AcquisitionSearch(self.space, n_candidates=self.n_candidates)
        self._fits: dict[tuple[float, int], Factor] = {}
        self._heir = ETPEOptimizer(n_startup=self.n_startup)
        self._heir.initialize(self.space, self.budgets, history=self.history)

    def issued(self, job: Job) -> None:
        """Learn that a trial has begun."""
        super().issued(job)
        self._heir.issued(job)

    def ask(self, budget: float, pending: Collection[Job], key: Key) -> Suggestion:
        """Propose a configuration; see `Optimizer.ask`."""
        self.check_not_exhausted()
        modelled = modelled_budget(self.history, self.n_startup)
        if modelled is None or not self._inputs.n_groups:
            return self._heir.ask(budget, pending, key)
        if self.history.count(modelled) > self.max_points:
            return self._heir.ask(budget, pending, key)
        rng = key.rng("gp")
        rows = self.history.at_budget(modelled)
        vectors = self.history.vectors[rows]
        losses = self.history.losses[rows]
        features = self._inputs.features(vectors)
        factor = self._factor(modelled, features, losses)
        process = GaussianProcess(factor, warped(losses))
        out = [job.vector for job in pending if job.vector is not None]
        if out:
            vectors = np.concatenate([vectors, out])
            process = process.believing(self._inputs.features(np.array(out)))
        acquisition = _Improvement(process, self._inputs, self.space.dim)
        incumbents = vectors[np.argsort(process.fitted, kind="stable")[:4]]
        found = self._search.best(acquisition, incumbents, rng)
        row = next((row for row in found if not self.seen(row)), None)
        model_based = row is not None
        if row is None:
            row = draw_unseen(self, rng)
        return Suggestion(self.space.decode_one(row), {"model_based_pick": model_based})

    def tell(self, evaluation: Evaluation) -> None:
        """Learn from the history when asked."""

    def _factor(self, budget: float, features: FloatArray, losses: FloatArray) -> Factor:
        n = self._scheduled(losses)
        factor = self._fits.get((budget, n))
        if factor is None:
            prior = Prior.scaled(self._inputs.n_groups)
            parameters = fit(
                features[:n], self._inputs.groups, warped(losses[:n]), prior, lengths=_STARTS
            )
            factor = Factor.of(parameters, self._inputs.groups, features[:n])
            self._fits = {(budget, n): factor}
        return factor.extended(features[n:])

    def _scheduled(self, losses: FloatArray) -> int:
        """Return the last count, of a fixed schedule, at which the parameters are fitted."""
        at = max(self.n_startup, 1 + int(np.isfinite(losses).argmax()))
        while (following := max(at + 1, int(at * _GROWTH))) <= len(losses):
            at = following
        return at


class _Improvement:
    def __init__(self, process: GaussianProcess, inputs: Inputs, dim: int) -> None:
        self._process, self._inputs, self._dim = process, inputs, dim
        self._best = float(process.fitted.min())

    def value(self, rows: FloatArray) -> FloatArray:
        mean, deviation = self._process.predict(self._inputs.features(rows))
        return log_expected_improvement(mean, deviation, self._best)[0]

    def gradient(self, rows: FloatArray) -> tuple[FloatArray, FloatArray]:
        mean, deviation, by_mean, by_deviation = self._process.predict_with_gradient(
            self._inputs.features(rows)
        )
        value, m, s = log_expected_improvement(mean, deviation, self._best)
        by_features = m[:, None] * by_mean + s[:, None] * by_deviation
        result = np.zeros((len(rows), self._dim))
        result[:, self._inputs.numbers] = self._inputs.by_numbers(by_features)
        return value, result
