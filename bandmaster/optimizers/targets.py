"""What an optimizer minimises and what it must keep: the metrics of a history as arrays."""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from bandmaster.core.evaluation import Evaluation
from bandmaster.core.history import History
from bandmaster.core.objectives import Metric, Objectives

__all__ = ["Targets"]

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

_T = TypeVar("_T", bound=np.generic)

_LARGEST = float(np.finfo(np.float64).max)


class Targets:
    """The optimised metrics and the constraints of a history, a row an evaluation.

    The arrays are a function of the history alone. What was read once is kept, so that looking
    again costs what is new; they are views of what is there now, and stay valid.

    Parameters
    ----------
    history : History
        Its `objectives` say which metrics there are; the study may set them after this is made.
    """

    def __init__(self, history: History) -> None:
        self._history = history
        self._objectives: Objectives | None = None
        self._optimized: tuple[Metric, ...] = ()
        self._start()

    @property
    def n_objectives(self) -> int:
        """How many metrics are optimised, the m of `values`; at least 1."""
        self._start()
        return len(self._optimized)

    @property
    def n_constraints(self) -> int:
        """How many constraints there are, the c of `violations`."""
        return len(self._history.objectives.constraints)

    @property
    def plain(self) -> bool:
        """Whether there is one objective and no constraint: the losses say all."""
        return self.n_objectives == 1 and not self.n_constraints

    @property
    def values(self) -> FloatArray:
        """The optimised metrics, lower is better; float64 (n, m).

        The first column is the loss. NaN where the evaluation did not end well, or the metric is
        missing or not finite.
        """
        n = self._read()
        return self._values[:n]

    @property
    def violations(self) -> FloatArray:
        """By how much each constraint is violated, in its own units; float64 (n, c).

        At most 0 where it holds; finite, but NaN where the evaluation did not end well or the
        metric is missing.
        """
        n = self._read()
        return self._violations[:n]

    @property
    def feasible(self) -> BoolArray:
        """Whether the evaluation ended well and all constraints hold; bool (n,)."""
        n = self._read()
        return self._feasible[:n]

    def _start(self) -> None:
        """Forget what was read under other objectives."""
        objectives = self._history.objectives
        if self._objectives is objectives:
            return
        self._objectives, self._optimized = objectives, objectives.optimized
        self._n = 0
        self._values = np.empty((16, len(self._optimized)))
        self._violations = np.empty((16, len(objectives.constraints)))
        self._feasible = np.empty(16, dtype=np.bool_)

    def _read(self) -> int:
        """Read the rows that are new; return how many there are now."""
        self._start()
        history, n, first = self._history, len(self._history), self._n
        if first == n:
            return n
        if n > len(self._feasible):
            size = max(n, 2 * len(self._feasible))
            self._values = _grown(self._values, size)
            self._violations = _grown(self._violations, size)
            self._feasible = _grown(self._feasible, size)
        ok = history.column("ok")[first:n]
        self._values[first:n, 0] = np.where(ok, history.losses[first:n], np.nan)
        self._feasible[first:n] = ok
        if not self.plain:
            for row, good in enumerate(ok.tolist(), first):
                self._read_row(row, history[row], good)
        self._n = n
        return n

    def _read_row(self, row: int, evaluation: Evaluation, ok: bool) -> None:
        metrics = evaluation.metrics if ok else {}
        for j, metric in enumerate(self._optimized[1:], 1):
            value = metrics.get(metric.name, math.nan)
            self._values[row, j] = metric.sign * value if math.isfinite(value) else math.nan
        constraints = self._history.objectives.constraints
        for j, metric in enumerate(constraints):
            self._violations[row, j] = _violation(metric, metrics.get(metric.name, math.nan))
        self._feasible[row] = ok and bool((self._violations[row] <= 0.0).all())


def _violation(metric: Metric, value: float) -> float:
    if math.isnan(value) or metric.threshold is None:
        return math.nan
    if metric.satisfied(value):
        return min(0.0, max(metric.sign * (value - metric.threshold), -_LARGEST))
    # Of two numbers that differ the difference is not 0, not even below the normal ones.
    return min(metric.sign * (value - metric.threshold), _LARGEST)


def _grown(array: npt.NDArray[_T], size: int) -> npt.NDArray[_T]:
    larger: npt.NDArray[_T] = np.empty((size, *array.shape[1:]), dtype=array.dtype)
    larger[: len(array)] = array
    return larger
