"""What evaluations cost, and how much proposals care."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bandmaster.core.history import History
from bandmaster.core.randomness import Key
from bandmaster.errors import ConfigurationError
from bandmaster.models.gp_inputs import Inputs
from bandmaster.models.loglinear import LogLinear
from bandmaster.space import Space

__all__ = ["Cost", "Costs", "PricedCost", "as_cost"]

FloatArray = npt.NDArray[np.float64]

_FEW = 6  # known costs before they count
_MOST = 500  # known costs that the model is fitted to, evenly chosen
_DURATION = "duration"


@dataclass(frozen=True, slots=True)
class Cost:
    """What an evaluation costs, so that improvements are sought where they are cheap.

    The expected improvement is divided by the expected cost to a power (Snoek et al. 2012). The
    power falls from 1 to 0 as `total` is spent, so that in the end only losses count (Lee et al.
    2020); without a total it is drawn from [0, 1] for every proposal.

    Parameters
    ----------
    of : str, default "duration"
        ``"duration"``: the seconds from an evaluation's start to its end, failed ones included; or
        the name of a metric that evaluations return. Numbers that are not positive are left out.
    total : float, optional
        What the search may spend in all, in the unit of the cost, over all workers.

    Raises
    ------
    ConfigurationError
        When the name is empty or the total is not a positive number.

    References
    ----------
    Lee, Perrone, Archambeau, Seeger: Cost-aware Bayesian Optimization, 2020.
    """

    of: str = _DURATION
    total: float | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.of, str) or not self.of:
            raise ConfigurationError(f"a cost is 'duration' or a metric's name, got {self.of!r}")
        if self.total is not None and not 0 < self.total < math.inf:
            raise ConfigurationError(f"the total cost must be a positive number, got {self.total}")


def as_cost(cost: str | Cost | None) -> Cost | None:
    """Return the option of an optimizer as a `Cost`."""
    return cost if cost is None or isinstance(cost, Cost) else Cost(cost)


class PricedCost:
    """A term of acquisitions: the predicted log of the cost times minus an exponent.

    Parameters
    ----------
    inputs : Inputs
    model : LogLinear
        Of features and the budget.
    budget : float64 (1,)
        The budget's feature.
    exponent : float
    """

    def __init__(
        self, inputs: Inputs, model: LogLinear, budget: FloatArray, exponent: float
    ) -> None:
        self._inputs, self._model, self._budget = inputs, model, budget
        self._exponent = exponent

    def __call__(self, rows: FloatArray) -> FloatArray:
        """Return the value at encoded rows (m, dim); shape (m,)."""
        return self.value(self._inputs.features(rows))

    def value(self, features: FloatArray) -> FloatArray:
        """Return the value at each row of features, shape (m,)."""
        return -self._exponent * self._model.predict(self._priced(features))

    def gradient(self, features: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return values (m,) and derivatives by the features (m, f)."""
        priced = self._priced(features)
        slopes = -self._exponent * self._model.gradient(priced)[:, :-1]
        return -self._exponent * self._model.predict(priced), slopes

    def _priced(self, features: FloatArray) -> FloatArray:
        return np.column_stack([features, np.tile(self._budget, len(features))])


class Costs:
    """The costs in a history, and a model of them; a function of the history alone.

    Parameters
    ----------
    cost : Cost
    space : Space
    history : History
    """

    def __init__(self, cost: Cost, space: Space, history: History) -> None:
        self._cost, self._history = cost, history
        self._inputs = Inputs(space)
        self._known = np.empty(0)
        self._kept: tuple[int, LogLinear] | None = None

    def term(self, budget: float, key: Key) -> PricedCost | None:
        """Return what a proposal adds to the log of its acquisition; None if that is nothing.

        Parameters
        ----------
        budget : float
            Where the proposal is to run.
        key : Key
            Of the proposal.
        """
        known = self._read()
        priced = np.flatnonzero(known > 0.0)
        if len(priced) < _FEW or not self._inputs.n_groups:
            return None
        exponent = self._exponent(float(known[priced].sum()), key)
        if not exponent > 0.0:
            return None
        if self._kept is None or self._kept[0] != len(known):
            some = priced[:: -(-len(priced) // _MOST)]
            features = self._inputs.features(self._history.vectors[some])
            budgets = self._scaled(self._history.column("budget")[some])
            model = LogLinear(np.column_stack([features, budgets]), np.log(known[some]))
            self._kept = len(known), model
        return PricedCost(self._inputs, self._kept[1], self._scaled(np.array([budget])), exponent)

    def _exponent(self, spent: float, key: Key) -> float:
        if self._cost.total is None:
            return float(key.rng("cost").random())
        return max(0.0, 1.0 - spent / self._cost.total)

    def _scaled(self, budgets: FloatArray) -> FloatArray:
        """Return the log of budgets, 0 at the smallest seen and 1 at the largest."""
        seen = self._history.budgets
        low, high = math.log(seen[0]), math.log(seen[-1])
        if not high > low:
            return np.zeros(len(budgets))
        result: FloatArray = (np.log(budgets) - low) / (high - low)
        return result

    def _read(self) -> FloatArray:
        """Return the cost of every evaluation of this study, 0 where it is not known."""
        history, n = self._history, len(self._history)
        if n == len(self._known):
            return self._known
        own = history.column("trial") >= 0
        if self._cost.of == _DURATION:
            found = history.column("finished") - history.column("started")
        else:
            first = len(self._known)
            new = [history[i].metrics.get(self._cost.of, 0.0) for i in range(first, n)]
            found = np.concatenate([self._known, np.array(new, dtype=np.float64)])
        self._known = np.where(own & np.isfinite(found), np.maximum(found, 0.0), 0.0)
        return self._known
