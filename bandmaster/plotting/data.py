"""The columns of a result that the plots over time read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bandmaster.plotting.canvas import TimeAxis
from bandmaster.study.rows import own, stamps_of

if TYPE_CHECKING:
    from bandmaster.core.evaluation import Evaluation
    from bandmaster.study.result import Result

__all__ = ["HUGE", "Columns"]


HUGE = 1e100
"""Losses beyond it are cut down to it: axes need room, and logarithmic ones overflow."""


@dataclass(frozen=True, slots=True)
class Columns:
    """The evaluations of a search at one moment, as arrays of shape (n,).

    What was borrowed from another study is left out: no worker of this search ran it. `known` is
    when the study knew of each: the latest `finished` until then in the order of the history, as in
    a Trajectory. An evaluation that no worker timed (its worker died, or its times are no finite
    numbers) counts from when it was submitted, with no duration. `counts` says which can be the
    best: those that are ok, have a finite loss and break no constraint. A `loss` is at most `HUGE`.
    `value` is the metric that is optimised, with its own sign.
    """

    rows: tuple[Evaluation, ...]
    trial: np.ndarray
    bracket: np.ndarray
    budget: np.ndarray
    ok: np.ndarray
    counts: np.ndarray
    loss: np.ndarray
    value: np.ndarray
    started: np.ndarray
    finished: np.ndarray
    known: np.ndarray

    @classmethod
    def of(cls, result: Result) -> Columns:
        """Read them from the history."""
        rows = tuple(filter(own, result.evaluations))
        objectives = result.objectives
        table = np.array(
            [
                (e.trial, e.bracket, e.budget, e.ok, objectives.counts(e),
                 np.nan if e.loss is None else e.loss, stamps["started"], stamps["finished"])
                for e, stamps in ((e, stamps_of(e)) for e in rows)
            ],
            dtype=float,
        ).reshape(-1, 8)  # fmt: skip
        trial, bracket, budget, ok, counts, loss, started, finished = table.T
        finite = np.isfinite(loss)
        loss = np.clip(loss, -HUGE, HUGE)
        known = np.maximum.accumulate(finished) if rows else finished
        return cls(
            rows, trial.astype(int), bracket.astype(int), budget, (ok > 0) & finite,
            (counts > 0) & finite, loss, objectives.primary.sign * loss, started, finished, known,
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def budgets(self) -> tuple[float, ...]:
        """The budgets that occur, ascending."""
        return tuple(np.unique(self.budget).tolist())

    def improvements(self, mask: np.ndarray) -> np.ndarray:
        """The rows, among those of a mask, whose loss counts and is lower than all before."""
        rows = np.flatnonzero(mask & self.counts)
        before = np.append(np.inf, np.minimum.accumulate(self.loss[rows]))[:-1]
        improved: np.ndarray = rows[self.loss[rows] < before]
        return improved

    @property
    def time(self) -> TimeAxis:
        """The axis from the first start to the last end."""
        if not len(self):
            return TimeAxis.over(0.0, 0.0)
        return TimeAxis.over(float(self.started.min()), float(self.known[-1]))
