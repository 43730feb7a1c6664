"""The Pareto front: evaluations that none beats in every metric."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from bandmaster.core.evaluation import Evaluation
from bandmaster.core.objectives import Metric, Objectives
from bandmaster.errors import ConfigurationError
from bandmaster.optimizers.pareto import undominated as on_front
from bandmaster.study.rows import loss_of

__all__ = ["choose_metrics", "find_front", "metric_value", "undominated"]


def choose_metrics(objectives: Objectives, names: Sequence[str] | None) -> list[Metric]:
    """Return the metrics with these names; by default all that are optimised.

    Raises
    ------
    ConfigurationError
        If there is no such metric, or there are fewer than two.
    """
    if isinstance(names, str):
        raise ConfigurationError(f"metrics is a list of two names or more, got {names!r}")
    known = {metric.name: metric for metric in objectives.metrics}
    if names is None:
        names = [m.name for m in objectives.metrics if m.strategy == "optimize"]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ConfigurationError(f"the study has no metrics {unknown}, but {list(known)}")
    if len(set(names)) < 2:
        raise ConfigurationError(
            f"a Pareto front needs two metrics that differ, got {list(names)}; give the study two "
            "with strategy 'optimize', or name two here"
        )
    return [known[name] for name in dict.fromkeys(names)]


def metric_value(evaluation: Evaluation, metric: Metric, objectives: Objectives) -> float:
    """Return a metric's own value in an evaluation; NaN unless that ended well and has one."""
    loss = loss_of(evaluation)
    if loss is None:
        return math.nan
    value = evaluation.metrics.get(metric.name)
    if value is None and metric == objectives.primary:
        value = objectives.value(loss)
    return math.nan if value is None else value


def find_front(
    rows: Iterable[Evaluation],
    objectives: Objectives,
    metrics: Sequence[Metric],
    budget: float | None = None,
) -> list[Evaluation]:
    """Return the Pareto front at one budget; see `Result.pareto_front`."""
    found: list[tuple[Evaluation, list[float]]] = []
    for e in rows:
        if budget is not None and e.budget != budget:
            continue
        values = [metric.sign * metric_value(e, metric, objectives) for metric in metrics]
        if all(map(math.isfinite, values)) and objectives.counts(e):
            found.append((e, values))
    if budget is None and found:
        budget = max(e.budget for e, _ in found)
        found = [(e, values) for e, values in found if e.budget == budget]
    if not found:
        return []
    return [found[i][0] for i in undominated(np.array([values for _, values in found]))]


def undominated(points: np.ndarray) -> list[int]:
    """Return the rows that no other row dominates, ordered by their columns.

    Parameters
    ----------
    points : ndarray of shape (n, k)
        Smaller is better. A row is dominated by one that is nowhere larger and somewhere smaller;
        equal rows do not dominate each other.
    """
    order = np.lexsort(points.T[::-1])
    return [int(row) for row in order[on_front(points)[order]]]
