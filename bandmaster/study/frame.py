"""Evaluations as pandas data frames."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from bandmaster.core.evaluation import Evaluation
from bandmaster.core.objectives import Objectives
from bandmaster.core.retried import Retried
from bandmaster.study.rows import own, timed
from bandmaster.study.segments import ReportedStep

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["attempts_frame", "build_frame", "config_frame", "steps_frame"]

_CALENDAR = 2**63 / 1e9  # seconds from 1970; pandas counts nanoseconds
_NUMBERS = (int, float, bool)


def build_frame(
    rows: Sequence[Evaluation], parameters: Iterable[str], objectives: Objectives
) -> pd.DataFrame:
    """Make the frame that `Result.to_dataframe` describes."""
    import pandas as pd

    def of(get: Callable[[Evaluation], Any], dtype: str) -> pd.Series:
        return pd.Series([get(e) for e in rows], dtype=dtype)

    def moment(get: Callable[[Evaluation], float | None]) -> pd.Series:
        return _moments([get(e) for e in rows])

    columns = {
        "job": of(lambda e: e.job, "int64"),
        "attempt": of(lambda e: e.attempt, "int64"),
        "trial": of(lambda e: e.trial, "int64"),
        "bracket": of(lambda e: e.bracket, "int64"),
        "rung": of(lambda e: e.rung, "int64"),
        "budget": of(lambda e: e.budget, "float64"),
        "status": of(lambda e: e.status.value, "category"),
        "loss": of(lambda e: e.loss, "float64"),
        "worker": of(lambda e: e.worker, "category"),
        "submitted": moment(lambda e: e.submitted),
        "started": moment(lambda e: e.started if timed(e) else None),
        "finished": moment(lambda e: e.finished if timed(e) else None),
        "duration": of(lambda e: e.finished - e.started if timed(e) else None, "float64"),
        "wait": of(lambda e: e.started - e.submitted if timed(e) and own(e) else None, "float64"),
        "model_based": of(lambda e: _flag(e.config_info.get("model_based_pick")), "boolean"),
        "error": of(lambda e: e.error, "object"),
    }
    for name in parameters:
        values = [e.config.get(name) for e in rows]
        columns[f"config.{name}"] = pd.Series(values, dtype=_dtype(values))
    for name in dict.fromkeys(name for e in rows for name in e.metrics):
        columns[f"metric.{name}"] = pd.Series(
            [_float(e.metrics.get(name)) for e in rows], dtype="float64"
        )
    if objectives.constraints:
        columns["feasible"] = of(
            lambda e: objectives.feasible(e.metrics) if e.ok else None, "boolean"
        )
    for metric in objectives.constraints:
        met = [
            metric.name in e.metrics and metric.satisfied(e.metrics[metric.name]) if e.ok else None
            for e in rows
        ]
        columns[f"met.{metric.name}"] = pd.Series(met, dtype="boolean")
    return pd.DataFrame(columns)


def attempts_frame(
    rows: Sequence[Evaluation],
    retries: Sequence[Retried],
    parameters: Iterable[str],
    objectives: Objectives,
) -> pd.DataFrame:
    """Make the frame that `Result.to_dataframe` describes for ``attempts=True``."""
    import pandas as pd

    before: dict[int, list[Retried]] = {}
    for retried in retries:
        before.setdefault(retried.job.number, []).append(retried)
    merged: list[Evaluation] = []
    kinds: list[str | None] = []

    def add(attempts: Iterable[Retried]) -> None:
        for retried in attempts:
            merged.append(retried.as_evaluation())
            kinds.append("failed" if retried.failed else "lost")

    for row in rows:
        add(before.pop(row.job, ()))
        merged.append(row)
        kinds.append(None)
    for attempts in before.values():  # of jobs that have not ended
        add(attempts)
    frame = build_frame(merged, parameters, objectives)
    statuses = [kind or e.status.value for kind, e in zip(kinds, merged, strict=True)]
    frame["status"] = pd.Series(statuses, dtype="category")
    again = pd.Series([kind is not None for kind in kinds], dtype="bool")
    frame.insert(frame.columns.get_loc("attempt") + 1, "tried_again", again)
    return frame


def config_frame(
    rows: Sequence[Evaluation], y: Sequence[float], *, with_budget: bool
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Make the two frames that `Result.get_pandas_dataframe` describes."""
    import pandas as pd

    columns = {}
    for name in dict.fromkeys(name for e in rows for name in e.config):
        values = [e.config.get(name) for e in rows]
        columns[name] = pd.Series(values, dtype=_dtype(values))
    if with_budget and "budget" not in columns:
        columns["budget"] = pd.Series([e.budget for e in rows], dtype="float64")
    x = pd.DataFrame(columns, index=range(len(rows)))
    return x, pd.DataFrame({"loss": pd.Series(list(y), dtype="float64")})


def steps_frame(steps: Sequence[ReportedStep], objectives: Objectives) -> pd.DataFrame:
    """Make the frame that `History.__call__` describes."""
    import pandas as pd

    columns = {
        "trial": pd.Series([s.trial for s in steps], dtype="int64"),
        "step": pd.Series([s.step for s in steps], dtype="int64"),
        "job": pd.Series([s.job for s in steps], dtype="int64"),
        "attempt": pd.Series([s.attempt for s in steps], dtype="int64"),
        "time": _moments([s.time for s in steps]),
        "loss": pd.Series([s.loss for s in steps], dtype="float64"),
        "checkpoint": pd.Series([s.checkpoint for s in steps], dtype="object"),
        "exploited_from": pd.Series([s.exploited_from for s in steps], dtype="Int64"),
    }
    metrics = dict.fromkeys(name for s in steps for name in s.metrics)
    if objectives.primary.name == "loss":
        metrics.pop("loss", None)  # the column loss
    for name in metrics:
        values = [s.metrics.get(name) for s in steps]
        if all(value is None or type(value) in _NUMBERS for value in values):
            columns[f"metric.{name}"] = pd.Series([_float(v) for v in values], dtype="float64")
        else:
            columns[f"metric.{name}"] = pd.Series(values, dtype="object")
    for name in dict.fromkeys(name for s in steps for name in s.config):
        values = [s.config.get(name) for s in steps]
        columns[f"config.{name}"] = pd.Series(values, dtype=_dtype(values))
    return pd.DataFrame(columns)


def _moments(times: Sequence[float | None]) -> pd.Series:
    import pandas as pd

    seconds = pd.Series(times, dtype="float64")
    # pandas before 3 raises for what is far beyond its calendar, coerce or not.
    seconds = seconds.where(seconds.abs() < _CALENDAR)
    return pd.to_datetime(seconds, unit="s", utc=True, errors="coerce")


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _float(value: float | None) -> float | None:
    """Make an integer, which a metric may be too, a float; too large a one is infinite."""
    try:
        return None if value is None else float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf  # type: ignore[operator]  # it is a number


def _dtype(values: Sequence[Any]) -> str:
    """The type of a parameter's column; None marks where it is inactive."""
    kinds = {type(value) for value in values}
    gaps = type(None) in kinds
    kinds.discard(type(None))
    if kinds == {bool}:
        return "boolean" if gaps else "bool"
    if int in kinds and any(type(v) is int and not -(2**63) <= v < 2**63 for v in values):
        return "object"
    if kinds == {int}:
        return "Int64" if gaps else "int64"
    if kinds and kinds <= {int, float}:
        return "float64"
    return "category" if kinds == {str} else "object"
