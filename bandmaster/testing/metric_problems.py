"""What is a problem of several metrics: objectives that pull apart, constraints, failures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bandmaster.core.objectives import Objectives
from bandmaster.core.outcome import Outcome, Status
from bandmaster.optimizers.pareto import hypervolume

if TYPE_CHECKING:
    from bandmaster.space import Space

__all__ = ["MetricProblem"]


@dataclass(frozen=True, slots=True)
class MetricProblem:
    """An evaluation that returns several numbers, or fails.

    Parameters
    ----------
    name : str
    space : Mapping or Space
        The search space, as HDL or compiled.
    function : callable
        ``function(config) -> {name: number}``; an ArithmeticError that it raises, and a loss that
        is no finite number, are failures.
    objectives : Objectives
        Which of the numbers are optimised, and which have thresholds.
    optimum : float
        The lowest loss that meets the constraints; of several objectives minus the hypervolume of
        the best front. NaN where nobody knows.
    corner : tuple of float, default ()
        Of several objectives: the reference point of the hypervolume, lower is better in each.
    logs : tuple of bool, default ()
        For which objectives the hypervolume is that of their natural logarithms, the corner's entry
        being one already. Default: for none.
    """

    name: str
    space: Mapping[str, Any] | Space
    function: Callable[[Mapping[str, Any]], Mapping[str, float]]
    objectives: Objectives
    optimum: float
    corner: tuple[float, ...] = ()
    logs: tuple[bool, ...] = ()

    def __call__(self, config: Mapping[str, Any]) -> Outcome:
        """Evaluate a configuration."""
        try:
            metrics = {name: float(value) for name, value in self.function(config).items()}
        except ArithmeticError as error:
            return Outcome.failed(str(error))
        return self.objectives.judge(Outcome(Status.OK, None, metrics))

    def score(self, outcomes: Iterable[Outcome]) -> float:
        """Return what has been reached, lower is better, `optimum` at best.

        The lowest loss of those that meet the constraints, inf without one; of several objectives
        minus the hypervolume of what these cover.
        """
        counting = [o for o in outcomes if o.ok and self.objectives.feasible(o.metrics)]
        if not self.corner:
            return min((o.loss for o in counting if o.loss is not None), default=math.inf)
        return -hypervolume(self.points(counting), self.corner)

    def points(self, outcomes: Iterable[Outcome]) -> np.ndarray:
        """Return where outcomes lie in the space of the hypervolume, float64 (n, m)."""
        optimized = self.objectives.optimized
        rows = [[m.sign * o.metrics[m.name] for m in optimized] for o in outcomes if o.ok]
        values = np.array(rows).reshape(-1, len(optimized))
        for j in np.flatnonzero(self.logs):
            values[:, j] = np.log(values[:, j])
        return values
