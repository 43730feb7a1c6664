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
from bandmaster.models.gp_likelihood import Hyperparameters, Prior, fit
from bandmaster.models.gp_warp import decades, signed, warped
from bandmaster.optimizers.fidelity import budget_weights
from bandmaster.optimizers.targets import Targets
from bandmaster.optimizers.transfer import imported

__all__ = ["Source", "Surrogates"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]
BoolArray = npt.NDArray[np.bool_]
Warp = Callable[[FloatArray], FloatArray]

_FEW = 3  # successful evaluations that are enough beside a source of another study
_SOME = 6  # and beside one of a lower budget
_MOST_BORROWED = 250  # rows of another study's source
_MOST_LABELS = 500  # trials of which success and failure are modelled
_MOST_FITTED = 250  # rows that hyper-parameters of a single process are fitted to
_ANCHOR = 80  # fits to more rows start where that to so many, or twice, four times, ended


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

    @property
    def key(self) -> tuple[float, bool]:
        """What tells it from others."""
        return self.budget, self.borrowed


class Surrogates:
    """Gaussian processes of a history, a function of it alone.

    Hyper-parameters are fitted at counts of observations that grow by a fixed factor, on exactly so
    many first rows; later rows extend the factor. Of many rows only some, evenly chosen, are fitted
    to, the fewer the more processes there are: that bounds what a proposal takes. A fit to few rows
    has a fixed start, one to more starts from the fit at about 80, 160, 320, ... of them, which
    takes half the steps: no work while a study goes on, a few fits when it is loaded.

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
        self._factors: dict[tuple[object, ...], tuple[int, IntArray, Factor]] = {}
        self._fits: dict[tuple[object, ...], tuple[IntArray, Hyperparameters]] = {}

    def sources(self) -> list[Source]:
        """Return the sources that can be modelled, the most important last.

        A budget can be when `n_startup` evaluations finished there, one of them successfully. What
        other studies found is a source of its own, since their losses may be on another scale;
        of many rows it has some, evenly chosen, a success among them. Beside such a source three
        successful evaluations are enough, beside one of a lower budget six.
        """
        theirs: list[Source] = []
        own: list[Source] = []
        ok, borrowed = self._history.column("ok"), imported(self._history)
        for budget in self._history.budgets:
            rows = self._history.at_budget(budget)
            other, mine = rows[borrowed[rows]], rows[~borrowed[rows]]
            if len(other) >= self._n_startup and ok[other].any():
                theirs.append(Source(budget, True, _borrowed(other, ok[other])))
            n_ok = int(ok[mine].sum())
            enough = _FEW if theirs else _SOME if own else self._n_startup
            if n_ok >= enough or (n_ok and len(mine) >= self._n_startup):
                own.append(Source(budget, False, mine))
        return [*theirs, *own]

    def weight(self, sources: Sequence[Source]) -> float:
        """Return how many pairs of points there are in all processes: what predictions cost."""
        pairs = [float(len(source.rows)) ** 2 for source in sources]
        return sum(pairs) * self.targets.n_objectives + max(pairs) * self.targets.n_constraints

    def objective(
        self, sources: Sequence[Source], j: int, out: FloatArray, *, doubting: bool = False
    ) -> Predictor | None:
        """Return what all sources together predict of an objective; None where nobody told it.

        Parameters
        ----------
        sources : sequence of Source
            The last that knows enough of it is the one whose targets are predicted.
        j : int
            Which objective.
        out : float64 (p, dim)
            Encoded rows of trials that are out, taken to be as predicted.
        doubting : bool, default False
            Whether they are taken to be no better than what is known, where that is predicted.
        """
        raw = values = self.targets.values[:, j]
        if self.targets.n_objectives > 1:  # of one only the best matter, and their scale is free
            values = decades(raw, self._n_startup)
        # A value of 0, or of the other sign, makes logarithms raw values again: another process.
        scale = "raw" if values is raw else "logarithms"
        told = [source.rows[~np.isnan(values[source.rows])] for source in sources]
        pairs = [(s, rows) for s, rows in zip(sources, told, strict=True) if len(rows)]
        while len(pairs) > 1 and len(pairs[-1][1]) < _FEW:
            pairs.pop()
        if not pairs:
            return None
        known, n_processes = pairs[-1][1], self._n_processes(sources)
        each = [
            self._process((*s.key, "objective", j, scale), rows, values[rows], warped, n_processes)
            for s, rows in pairs
        ]
        pending = self._inputs.features(out)
        process = each[-1]
        if len(each) == 1:
            return process.believing(pending, doubting=doubting)
        features = self._inputs.features(self._history.vectors[known])
        predictions = np.array(
            [*(lower.predict(features)[0] for lower in each[:-1]), process.left_out()]
        )
        weights = budget_weights(predictions, values[known])
        members: list[Predictor] = [
            Calibrated(lower.believing(pending, doubting=doubting), predicted, process.y)
            for lower, predicted in zip(each[:-1], predictions[:-1], strict=True)
        ]
        members.append(process.believing(pending, doubting=doubting))
        used = np.flatnonzero(weights > 0)
        return Ensemble([members[k] for k in used], weights[used])

    def constraint(self, sources: Sequence[Source], j: int, out: FloatArray) -> Predictor | None:
        """Return the prediction of a constraint's violation, below 0 where it holds.

        By the largest budget that `n_startup` evaluations told it of, else by the one that most
        did. None where no evaluation told it.
        """
        values = self.targets.violations[:, j]
        told = [source.rows[~np.isnan(values[source.rows])] for source in sources]
        k = max(range(len(told)), key=lambda k: (min(len(told[k]), self._n_startup), k))
        rows = told[k]
        if not len(rows):
            return None
        key = *sources[k].key, "constraint", j
        process = self._process(key, rows, values[rows], signed, self._n_processes(sources))
        return process.believing(self._inputs.features(out))

    def failure(self, sources: Sequence[Source], out: FloatArray) -> Predictor | None:
        """Return the prediction of what is below 0 where an evaluation succeeds; None if all did.

        A regression of labels, 1 and -1, with length scales as they are before any data: fitted to
        labels they get so short that a failure tells nothing about its surroundings. A trial that
        failed at any budget did fail.
        """
        ok = self._history.column("ok")
        rows = np.sort(np.concatenate([source.rows for source in sources]))
        trials = self._history.column("trial")[rows]
        _, first, which = np.unique(trials, return_index=True, return_inverse=True)
        if ok[rows].all():
            return None
        failed = np.bincount(which, ~ok[rows]) > 0
        order = _thinned(np.argsort(first), _MOST_LABELS)
        labels = np.where(failed[order], 1.0, -1.0)
        process = self._process(("failure",), rows[first[order]], labels)
        return process.believing(self._inputs.features(out))

    def _n_processes(self, sources: Sequence[Source]) -> int:
        return len(sources) * self.targets.n_objectives + self.targets.n_constraints

    def _process(
        self,
        key: tuple[object, ...],
        rows: IntArray,
        values: FloatArray,
        warp: Warp | None = None,
        n_processes: int = 1,
    ) -> GaussianProcess:
        """Return the process of some rows and values; fitted to them if a warp is given."""
        features = self._inputs.features(self._history.vectors[rows])
        n = self._scheduled(len(values))
        most = int(_MOST_FITTED / n_processes**0.5)
        kept = self._factors.get(key)
        if kept is None or kept[0] != most or not np.array_equal(kept[1], rows[:n]):
            if warp is None:
                n_groups = self._inputs.n_groups
                parameters = Prior.scaled(n_groups).typical(n_groups)
            else:
                parameters = self._fitted(key, rows[:n], values[:n], warp, most)
            factor = Factor.of(parameters, self._inputs.groups, features[:n])
            kept = most, rows[:n], factor
            self._factors[key] = kept
        y = values if warp is None else warp(values)
        return GaussianProcess(kept[2].extended(features[n:]), y)

    def _fitted(
        self, key: tuple[object, ...], rows: IntArray, values: FloatArray, warp: Warp, most: int
    ) -> Hyperparameters:
        """Return the hyper-parameters of some rows, a function of these and their values."""
        n, start = len(rows), None
        place = *key, n, most
        kept = self._fits.get(place)
        if kept is not None and np.array_equal(kept[0], rows):
            return kept[1]
        anchor = _ANCHOR
        while self._scheduled(2 * anchor) < n:
            anchor *= 2
        first = self._scheduled(anchor)
        if first < n:
            start = self._fitted(key, rows[:first], values[:first], warp, most)
        some = _thinned(np.arange(n), most)
        features = self._inputs.features(self._history.vectors[rows[some]])
        prior = Prior.scaled(self._inputs.n_groups)
        found = fit(features, self._inputs.groups, warp(values)[some], prior, start=start)
        self._fits[place] = rows, found
        return found

    def _scheduled(self, n: int) -> int:
        """Return the last count, of a fixed schedule, at which hyper-parameters are fitted.

        It begins where a source may, and again where it may without another.
        """
        at = self._n_startup if n >= self._n_startup else _FEW
        while (following := max(at + 1, int(at * self._growth))) <= n:
            at = following
        return min(at, n)


def _borrowed(rows: IntArray, ok: BoolArray) -> IntArray:
    """Return some of another study's rows; successes are thinned apart, that the few are not lost.

    One row more than `_MOST_BORROWED`, at most.
    """
    share = -(-len(rows) // _MOST_BORROWED)
    return np.sort(np.concatenate([rows[ok][::share], rows[~ok][::share]]))


def _thinned(rows: IntArray, most: int) -> IntArray:
    """Return rows at equal distances, `most` at most; those of a prefix for small growth."""
    return rows[:: -(-len(rows) // most)]
