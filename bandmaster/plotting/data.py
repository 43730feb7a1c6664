"""The columns of a result that the plots over time read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bandmaster.plotting.canvas import TimeAxis

if TYPE_CHECKING:
    from bandmaster.study.result import Result

__all__ = ["Columns"]


@dataclass(frozen=True, slots=True)
class Columns:
    """The evaluations of a result at one moment, as arrays of shape (n,).

    `known` is when the study knew of each: the latest `finished` until then in the order of the
    history, as in a Trajectory. An evaluation that no worker timed (its worker died) counts from
    when it was submitted, with no duration. `counts` says which can be the best: those that are ok
    and break no constraint.
    """

    budget: np.ndarray
    ok: np.ndarray
    counts: np.ndarray
    loss: np.ndarray
    started: np.ndarray
    finished: np.ndarray
    known: np.ndarray

    @classmethod
    def of(cls, result: Result) -> Columns:
        """Read them from the history."""
        rows = result.evaluations
        table = np.array(
            [
                (e.budget, e.ok, result.objectives.counts(e), np.nan if e.loss is None else e.loss,
                 e.submitted, e.started, e.finished)
                for e in rows
            ],
            dtype=float,
        ).reshape(-1, 7)  # fmt: skip
        budget, ok, counts, loss, submitted, started, finished = table.T
        untimed = (started == 0) & (finished == 0)
        started = np.where(untimed, submitted, started)
        finished = np.where(untimed, submitted, finished)
        known = np.maximum.accumulate(finished) if rows else finished
        return cls(budget, ok.astype(bool), counts.astype(bool), loss, started, finished, known)

    def __len__(self) -> int:
        return len(self.budget)

    @property
    def time(self) -> TimeAxis:
        """The axis from the first start to the last end."""
        if not len(self):
            return TimeAxis.over(0.0, 0.0)
        return TimeAxis.over(float(self.started.min()), float(self.known[-1]))
