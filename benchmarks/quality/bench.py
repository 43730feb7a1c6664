"""A problem with what the harness has to know about it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bandmaster.space import Space, compile_space
from bandmaster.testing.metric_problems import MetricProblem
from bandmaster.testing.problems import Problem

__all__ = ["Bench", "Config", "Reference"]

Config = Mapping[str, Any]
N_REFERENCE = 2_000


@dataclass(frozen=True, slots=True)
class Reference:
    """What regrets are measured with.

    Parameters
    ----------
    best : float
        The lowest loss there is; NaN where nobody knows it (then the best of all runs counts).
    median : float
        The median loss of uniformly drawn configurations; NaN where an evaluation is too slow to
        find out beforehand (then the median of what random search saw counts).
    """

    best: float
    median: float


@dataclass(frozen=True, slots=True)
class Bench:
    """A problem as the harness plays it.

    Parameters
    ----------
    problem : Problem
        Its `optimum` is NaN where it is not known.
    cost : callable, optional
        ``cost(config, budget)``: virtual seconds of an evaluation; default: the budget.
    true_loss : callable, optional
        ``true_loss(config)``: without noise, at the largest budget; default: the problem itself.
    find_reference : callable, optional
        Default: the problem's optimum, and the median of 2,000 random configurations.
    eta : float, optional
        By how much budgets differ from rung to rung; None is a run at the largest budget alone.
    find_full_seconds : callable, optional
        The median duration of a random configuration at the largest budget; default: that budget.
    failure : float, default inf
        The loss that a failed evaluation counts as in a run's curve.
    metrics : MetricProblem, optional
        What is evaluated where there are several objectives, or constraints; its score is what
        a run's curve shows.
    """

    problem: Problem
    cost: Callable[[Config, float], float] | None = None
    true_loss: Callable[[Config], float] | None = None
    find_reference: Callable[[], Reference] | None = None
    eta: float | None = None
    find_full_seconds: Callable[[], float] | None = None
    failure: float = math.inf
    metrics: MetricProblem | None = None

    @property
    def name(self) -> str:
        """The problem's name."""
        return self.problem.name

    def space(self) -> Space:
        """Return the compiled space."""
        return compile_space(self.problem.space)

    def truth(self, config: Config) -> float:
        """Return the loss that counts."""
        return self.problem(config) if self.true_loss is None else self.true_loss(config)

    def seconds(self, config: Config, budget: float) -> float:
        """Return the virtual duration of an evaluation."""
        return budget if self.cost is None else self.cost(config, budget)

    def full_seconds(self) -> float:
        """Return how long an evaluation at the largest budget takes."""
        top = self.problem.budgets[-1]
        return top if self.find_full_seconds is None else self.find_full_seconds()

    def reference(self) -> Reference:
        """Return best and median loss; a second at most."""
        if self.find_reference is not None:
            return self.find_reference()
        configs = self.space().sample_configs(N_REFERENCE, np.random.default_rng(0))
        losses = [self.truth(config) for config in configs]
        return Reference(self.problem.optimum, float(np.median(losses)))
