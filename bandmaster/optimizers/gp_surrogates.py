"""The Gaussian processes of a history: one a source of observations and a target."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bandmaster.core.history import History
from bandmaster.models.gp import Factor, GaussianProcess
from bandmaster.models.gp_ensemble import Calibrated, Ensemble, Predictor
from bandmaster.models.gp_inputs import Inputs
from bandmaster.models.gp_likelihood import Prior, fit
from bandmaster.models.gp_warp import signed, warped
from bandmaster.optimizers.fidelity import budget_weights
from bandmaster.optimizers.targets import Targets
from bandmaster.optimizers.transfer import imported

__all__ = ["Source", "Surrogates"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]
Warp = Callable[[FloatArray], FloatArray]

_FEW = 3


@dataclass(frozen=True, slots=True)
class Source:
    """Observations that one Gaussian process is made of.

    Parameters
    ----------
    budget : float
    borrowed : bool
        Whether another study made them.
    rows : intp (n,)
        Rows of the history, ascending.
    """

    budget: float
    borrowed: bool
    rows: IntArray


class Surrogates:
    """Gaussian processes of a history, a function of it alone.

    Hyper-parameters are fitted at counts of observations that grow by a fixed factor, on exactly so
    many first rows and from fixed starts; later rows extend the factor. The last fit is kept.

    Parameters
    ----------
    inputs : Inputs
    history : History
    n_startup : int
        Observations that a source needs.
    growth : float
        From fit to fit.
    """

    def __init__(self, inputs: Inputs, history: History, n_startup: int, growth: float) -> None:
        self._inputs, self._history = inputs, history
        self._n_startup, self._growth = n_startup, growth
        self.targets = Targets(history)
        self._factors: dict[tuple[float, bool, str], tuple[int, Factor]] = {}

    def sources(self) -> list[Source]:
        """Return the sources that can be modelled, the most important last.

        A budget can be when `n_startup` evaluations finished there, one of them successfully. What
        other studies found is a source of its own, since their losses may be on another scale, and
        a few own evaluations are enough beside it.
        """
        theirs, own = [], []
        ok, borrowed = self._history.column("ok"), imported(self._history)
        for budget in self._history.budgets:
            rows = self._history.at_budget(budget)
            other, mine = rows[borrowed[rows]], rows[~borrowed[rows]]
            enough = self._n_startup
            if len(other) >= enough and ok[other].any():
                theirs.append(Source(budget, True, other))
                enough = min(enough, _FEW)
            if len(mine) >= enough and ok[mine].any():
                own.append(Source(budget, False, mine))
        return [*theirs, *own]

    def objective(self, sources: Sequence[Source], j: int, out: FloatArray) -> Predictor | None:
        """Return what all sources together predict of an objective; None where the last knows none.

        Parameters
        ----------
        sources : sequence of Source
            The last is the one whose targets are predicted.
        j : int
            Which objective.
        out : float64 (p, dim)
            Encoded rows of trials that are out, taken to be as predicted.
        """
        values = self.targets.values[:, j]
        known = [source.rows[~np.isnan(values[source.rows])] for source in sources]
        if not len(known[-1]):
            return None
        each = [
            self._process(source, f"objective {j}", rows, values[rows], warped)
            for source, rows in zip(sources, known, strict=True)
            if len(rows)
        ]
        pending = self._inputs.features(out)
        process = each[-1]
        if len(each) == 1:
            return process.believing(pending)
        features = self._inputs.features(self._history.vectors[known[-1]])
        predictions = np.array(
            [*(lower.predict(features)[0] for lower in each[:-1]), process.left_out()]
        )
        weights = budget_weights(predictions, values[known[-1]])
        members: list[Predictor] = [
            Calibrated(lower.believing(pending), predicted, process.y)
            for lower, predicted in zip(each[:-1], predictions[:-1], strict=True)
        ]
        members.append(process.believing(pending))
        used = np.flatnonzero(weights > 0)
        return Ensemble([members[k] for k in used], weights[used])

    def constraint(self, source: Source, j: int, out: FloatArray) -> Predictor | None:
        """Return the prediction of a constraint's violation, below 0 where it holds.

        None where no evaluation told it.
        """
        values = self.targets.violations[source.rows, j]
        known = ~np.isnan(values)
        if not known.any():
            return None
        rows = source.rows[known]
        process = self._process(source, f"constraint {j}", rows, values[known], signed)
        return process.believing(self._inputs.features(out))

    def failure(self, source: Source, out: FloatArray) -> Predictor | None:
        """Return the prediction of what is below 0 where an evaluation succeeds; None if all did.

        A regression of labels, 1 and -1, with length scales as they are before any data: fitted to
        labels they get so short that a failure tells nothing about its surroundings.
        """
        ok = self._history.column("ok")[source.rows]
        if ok.all():
            return None
        labels = np.where(ok, -1.0, 1.0)
        process = self._process(source, "failure", source.rows, labels, None)
        return process.believing(self._inputs.features(out))

    def _process(
        self, source: Source, name: str, rows: IntArray, values: FloatArray, warp: Warp | None
    ) -> GaussianProcess:
        """Return the process of some rows and values; fitted to them if a warp is given."""
        features = self._inputs.features(self._history.vectors[rows])
        n = self._scheduled(len(values))
        key = source.budget, source.borrowed, name
        kept = self._factors.get(key)
        if kept is None or kept[0] != n:
            prior = Prior.scaled(self._inputs.n_groups)
            if warp is None:
                parameters = prior.typical(self._inputs.n_groups)
            else:
                parameters = fit(features[:n], self._inputs.groups, warp(values[:n]), prior)
            kept = n, Factor.of(parameters, self._inputs.groups, features[:n])
            self._factors[key] = kept
        y = values if warp is None else warp(values)
        return GaussianProcess(kept[1].extended(features[n:]), y)

    def _scheduled(self, n: int) -> int:
        """Return the last count, of a fixed schedule, at which hyper-parameters are fitted."""
        at = self._n_startup
        while (following := max(at + 1, int(at * self._growth))) <= n:
            at = following
        return min(at, n)
