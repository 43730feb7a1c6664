"""Named metrics and what each is for."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from bandmaster.core.evaluation import Evaluation
from bandmaster.core.outcome import Outcome, Status
from bandmaster.errors import ConfigurationError

__all__ = ["LOSS", "Metric", "Objectives", "Rank"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One named number that an evaluation returns.

    Parameters
    ----------
    name : str
        The key in the dict that `compute` returns.
    strategy : {"optimize", "constraint", "store"}, default "optimize"
        What it is for. A constraint needs a `threshold`; a stored metric is only kept.
    objective : {"minimize", "maximize"}, default "minimize"
        Which way is better; for a constraint, on which side of the threshold it must lie.
    threshold : float, optional
        A constraint holds when the value is not worse than this.
    """

    name: str
    strategy: str = "optimize"
    objective: str = "minimize"
    threshold: float | None = None

    def __post_init__(self) -> None:
        if not self.name or not isinstance(self.name, str):
            raise ConfigurationError(f"a metric needs a name, got {self.name!r}")
        if self.strategy not in ("optimize", "constraint", "store"):
            raise ConfigurationError(
                f"metric {self.name!r}: strategy is optimize, constraint or store, "
                f"got {self.strategy!r}"
            )
        if self.objective not in ("minimize", "maximize"):
            raise ConfigurationError(
                f"metric {self.name!r}: objective is minimize or maximize, got {self.objective!r}"
            )
        if self.strategy == "constraint" and self.threshold is None:
            raise ConfigurationError(f"constraint {self.name!r} needs a threshold")

    @property
    def sign(self) -> float:
        """1.0 to minimize, -1.0 to maximize."""
        return 1.0 if self.objective == "minimize" else -1.0

    def satisfied(self, value: float) -> bool:
        """Whether `value` is on the right side of the threshold (always, without one)."""
        return self.threshold is None or self.sign * value <= self.sign * self.threshold


Rank = tuple[int, float]
"""How many constraints are missed, and the loss."""


class Objectives:
    """The metrics of a study. The default is one, ``loss``, to minimize.

    Parameters
    ----------
    metrics : iterable of Metric, mapping or str, optional
        At least one with strategy ``optimize``; the first of them becomes the loss, with its
        sign turned when it is maximised.

    Raises
    ------
    ConfigurationError
        When names repeat, or nothing is to be optimised.
    """

    __slots__ = ("_plain", "constraints", "metrics", "primary")

    def __init__(self, metrics: Iterable[Metric | Mapping[str, Any] | str] | None = None) -> None:
        if isinstance(metrics, (str, Mapping, Metric)):
            raise ConfigurationError(f"metrics is a list; write [{metrics!r}]")
        made = tuple(_metric(metric) for metric in (metrics or (LOSS,)))
        names = [metric.name for metric in made]
        if len(set(names)) != len(names):
            raise ConfigurationError(f"metric names must differ, got {names}")
        optimized = [metric for metric in made if metric.strategy == "optimize"]
        if not optimized:
            raise ConfigurationError(f"none of the metrics {names} has strategy 'optimize'")
        self.metrics = made
        self.primary = optimized[0]
        self.constraints = tuple(m for m in made if m.strategy == "constraint")
        self._plain = made == (LOSS,)  # the default, looked at for every evaluation

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Objectives) and self.metrics == other.metrics

    def __hash__(self) -> int:
        return hash(self.metrics)

    def __repr__(self) -> str:
        return f"Objectives({list(self.metrics)!r})"

    @property
    def optimized(self) -> tuple[Metric, ...]:
        """The metrics that are optimised, in order; the first is `primary`."""
        return tuple(metric for metric in self.metrics if metric.strategy == "optimize")

    def loss(self, metrics: Mapping[str, Any]) -> float | None:
        """Return what is minimised, given what was reported; None without a finite number."""
        value = metrics.get(self.primary.name)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return None
        return self.primary.sign * value if math.isfinite(value) else None

    def judge(self, outcome: Outcome) -> Outcome:
        """Give an OK outcome its loss, or turn it into a failure that says what is missing."""
        if self._plain and outcome.loss is not None:
            return outcome
        if not outcome.ok:
            return outcome
        returned = dict(outcome.metrics)
        if outcome.loss is not None:
            returned.setdefault("loss", outcome.loss)
        missing = [m.name for m in self.metrics if m.strategy != "store" and m.name not in returned]
        if missing:
            return _fail(
                outcome,
                f"the evaluation returned {sorted(returned)}, but the study needs {missing}: "
                "return a dict with them, or say with `metrics=` what the study goes by",
            )
        loss = self.primary.sign * returned[self.primary.name]
        if not math.isfinite(loss):
            return _fail(outcome, f"{self.primary.name} is {returned[self.primary.name]!r}")
        return replace(outcome, loss=loss, metrics=returned)

    def feasible(self, metrics: Mapping[str, float]) -> bool:
        """Whether all constraints hold (a missing one does not)."""
        return all(m.name in metrics and m.satisfied(metrics[m.name]) for m in self.constraints)

    def counts(self, evaluation: Evaluation) -> bool:
        """Whether it can be the best: it ended well, and all constraints hold."""
        return evaluation.ok and (not self.constraints or self.feasible(evaluation.metrics))

    def rank(self, outcome: Outcome) -> Rank | None:
        """Return what an outcome is ranked by, the lowest best; None for one without a loss.

        Whoever meets all constraints comes before whoever misses one, and so on; then the loss
        decides.
        """
        if not outcome.ok or outcome.loss is None:
            return None
        if not self.constraints:
            return 0, outcome.loss
        metrics = outcome.metrics
        missed = sum(
            m.name not in metrics or not m.satisfied(metrics[m.name]) for m in self.constraints
        )
        return missed, outcome.loss

    def value(self, loss: float) -> float:
        """Return the primary metric's own value, given the loss that was made of it."""
        return self.primary.sign * loss

    def to_data(self) -> list[list[Any]]:
        """Return plain data."""
        return [[m.name, m.strategy, m.objective, m.threshold] for m in self.metrics]

    @classmethod
    def from_data(cls, data: Iterable[Iterable[Any]]) -> Objectives:
        """Rebuild what `to_data` gave."""
        return cls(Metric(*fields) for fields in data)


LOSS = Metric("loss")
"""The default objective."""


def _metric(metric: Metric | Mapping[str, Any] | str) -> Metric:
    if isinstance(metric, Metric):
        return metric
    if isinstance(metric, str):
        return Metric(metric)
    known = {f.name for f in dataclasses.fields(Metric)}
    unknown = sorted(set(metric) - known)
    if unknown or "name" not in metric:
        raise ConfigurationError(f"a metric has the keys {sorted(known)}, got {dict(metric)!r}")
    return Metric(**metric)


def _fail(outcome: Outcome, error: str) -> Outcome:
    return replace(outcome, status=Status.FAILED, loss=None, error=error)
