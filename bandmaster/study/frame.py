"""Evaluations as a pandas data frame."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from bandmaster.core.evaluation import Evaluation

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["build_frame", "timed"]


def timed(evaluation: Evaluation) -> bool:
    """Whether a worker timed it; one that never came back has zeros for its times."""
    return bool(evaluation.started or evaluation.finished) or evaluation.submitted == 0


def build_frame(rows: Sequence[Evaluation], parameters: Iterable[str]) -> pd.DataFrame:
    """Make the frame that `Result.to_dataframe` describes."""
    import pandas as pd

    def of(get: Callable[[Evaluation], Any], dtype: str) -> pd.Series:
        return pd.Series([get(e) for e in rows], dtype=dtype)

    def moment(get: Callable[[Evaluation], float | None]) -> pd.Series:
        seconds = pd.Series([get(e) for e in rows], dtype="float64")
        return pd.to_datetime(seconds, unit="s", utc=True)

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
        "error": of(lambda e: e.error, "object"),
    }
    for name in parameters:
        values = [e.config.get(name) for e in rows]
        columns[f"config.{name}"] = pd.Series(values, dtype=_dtype(values))
    for name in dict.fromkeys(name for e in rows for name in e.metrics):
        columns[f"metric.{name}"] = pd.Series([e.metrics.get(name) for e in rows], dtype="float64")
    return pd.DataFrame(columns)


def _dtype(values: Sequence[Any]) -> str:
    """The type of a parameter's column; None marks where it is inactive."""
    kinds = {type(value) for value in values}
    gaps = type(None) in kinds
    kinds.discard(type(None))
    if kinds == {bool}:
        return "boolean" if gaps else "bool"
    if kinds == {int} and all(abs(v) < 2**63 for v in values if v is not None):
        return "Int64" if gaps else "int64"
    if kinds and kinds <= {int, float}:
        return "float64"
    return "category" if kinds == {str} else "object"
