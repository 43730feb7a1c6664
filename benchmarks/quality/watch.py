"""What an evaluation of a run is told, and what has been reached by it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Protocol

from bandmaster.core.outcome import Outcome, Status
from bandmaster.testing.metric_problems import MetricProblem
from benchmarks.quality.bench import Bench
from benchmarks.quality.curve import Curve

__all__ = ["Watch", "watch"]

Config = Mapping[str, Any]


class Watch(Protocol):
    """Evaluates, and notes in a curve what is reached."""

    def evaluate(self, config: Config) -> Outcome:
        """Return what the optimizer is told."""

    def note(self, n: int, config: Config, outcome: Outcome) -> None:
        """Note the n-th outcome."""


def watch(bench: Bench, curve: Curve) -> Watch:
    """Return who watches a run of this problem."""
    return _Losses(bench, curve) if bench.metrics is None else _Metrics(bench.metrics, curve)


class _Losses:
    """The true loss of the best by what was seen."""

    def __init__(self, bench: Bench, curve: Curve) -> None:
        self.bench, self.curve = bench, curve

    def evaluate(self, config: Config) -> Outcome:
        loss = self.bench.problem(config)
        return Outcome(Status.OK, loss) if math.isfinite(loss) else Outcome.failed("no loss")

    def note(self, n: int, config: Config, outcome: Outcome) -> None:
        bench = self.bench
        loss = bench.failure if outcome.loss is None else outcome.loss
        if self.curve.see(loss):
            real = bench.true_loss is not None and outcome.loss is not None
            self.curve.incumbent(n, bench.truth(config) if real else loss)


class _Metrics:
    """The score of all so far: the lowest loss that meets the constraints, or the hypervolume."""

    def __init__(self, problem: MetricProblem, curve: Curve) -> None:
        self.problem, self.curve = problem, curve
        self.outcomes: list[Outcome] = []

    def evaluate(self, config: Config) -> Outcome:
        return self.problem(config)

    def note(self, n: int, config: Config, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
        self.curve.losses.append(math.inf if outcome.loss is None else outcome.loss)
        score = self.problem.score(self.outcomes)
        if math.isfinite(score):
            self.curve.incumbent(n, round(score, 12))
