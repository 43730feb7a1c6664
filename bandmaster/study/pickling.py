"""What a pickled Result holds: plain data with a version, so that old pickles open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bandmaster.core.evaluation import Evaluation
from bandmaster.core.history import History
from bandmaster.core.outcome import Status
from bandmaster.errors import CodecError
from bandmaster.study.trainings import dump_trainings, load_trainings

if TYPE_CHECKING:
    from bandmaster.space import Space

__all__ = ["VERSION", "dump_result", "load_result"]

VERSION = 2
"""1 where no trial reported anything."""
_FIELDS = [n for n in Evaluation.__struct_fields__ if n not in ("vector", "status")]
# What a row of an older version lacks. A new field of Evaluation needs a line here.
_DEFAULTS: Mapping[str, Any] = {}


def dump_result(history: History, space: Space | None, budgets: Sequence[float]) -> dict[str, Any]:
    """Return the state of a result as plain data, without the classes of this version."""
    rows = list(history)
    vectors = history.vectors[: len(rows)]
    trainings = dump_trainings(history)
    state: dict[str, Any] = {"trainings": trainings} if trainings else {}
    return {
        **state,
        "version": VERSION if trainings else 1,
        "budgets": tuple(budgets),
        "space": None if space is None else space.to_dict(),
        "rows": [_dump_row(row) for row in rows],
        "dim": history.dim,
        # Bytes, since numpy 2 pickles its arrays in a way that numpy 1 cannot read.
        "vectors": np.ascontiguousarray(vectors, dtype="<f8").tobytes(),
    }


def load_result(state: Mapping[str, Any]) -> tuple[History, Space | None, tuple[float, ...]]:
    """Rebuild the history, space and budgets that `dump_result` saved.

    Raises
    ------
    CodecError
        If a later version of Bandmaster wrote it.
    """
    if state["version"] > VERSION:
        raise CodecError(
            f"this result was saved in format {state['version']}, and this Bandmaster reads up to "
            f"format {VERSION}: update it"
        )
    history = History(state["dim"])
    vectors = np.frombuffer(state["vectors"], dtype="<f8").reshape(len(state["rows"]), state["dim"])
    for number, row in enumerate(state["rows"]):
        fields = {name: row[name] if name in row else _DEFAULTS[name] for name in _FIELDS}
        vector = None if np.isnan(vectors[number]).all() else vectors[number].astype(float)
        history.append(Evaluation(**fields, status=Status(row["status"]), vector=vector))
    history.reported = load_trainings(state.get("trainings", ()))
    from bandmaster.space import Space

    space = None if state["space"] is None else Space.from_dict(state["space"])
    return history, space, tuple(state["budgets"])


def _dump_row(row: Evaluation) -> dict[str, Any]:
    plain = {name: getattr(row, name) for name in _FIELDS}
    for name in ("config", "metrics", "config_info"):
        plain[name] = dict(plain[name])
    return {**plain, "status": row.status.value}
