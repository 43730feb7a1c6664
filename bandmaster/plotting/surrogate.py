"""The evaluations at a budget, and a forest on them, that plots of parameters share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from bandmaster.core.evaluation import Evaluation
from bandmaster.core.formatting import format_budget
from bandmaster.models.dependence import partial_dependence
from bandmaster.models.fanova import Fanova
from bandmaster.models.forest import Forest
from bandmaster.plotting.canvas import why_no_loss
from bandmaster.study.importance import default_budget, fit_fanova, scale_losses, to_unit
from bandmaster.study.parameter_table import ParameterTable
from bandmaster.study.rows import loss_of

if TYPE_CHECKING:
    from bandmaster.study.result import Result

__all__ = ["Landscape", "Surrogate"]

_TREES: Final = 16
_LEAST: Final = 4  # evaluations for a forest
_LARGEST: Final = 1e250  # matplotlib computes with differences and margins, which must be finite


@dataclass(frozen=True, slots=True)
class Landscape:
    """The evaluations at one budget.

    Parameters
    ----------
    budget : float or None
        None if nothing has finished.
    rows : list of Evaluation
        All of them, failed ones too.
    table : ParameterTable
        Their configurations.
    ok : bool (n,)
        Which have a loss.
    value : float64 (n,)
        The metric that is optimised, NaN without one.
    best : int or None
        The row of the best that counts.
    why_empty : str or None
        Why there is nothing to draw.
    n_budgets : int
        How many the result has.
    """

    budget: float | None
    rows: list[Evaluation]
    table: ParameterTable
    ok: np.ndarray
    value: np.ndarray
    best: int | None
    why_empty: str | None
    n_budgets: int

    @property
    def at(self) -> str:
        """Words for the title: which budget, if there are several."""
        if self.budget is None or self.n_budgets < 2:
            return ""
        return f" at budget {format_budget(self.budget)}"

    @classmethod
    def of(cls, result: Result, budget: float | None) -> Landscape:
        """Read them from a result; by default at the largest budget with ten successes."""
        evaluations = result.evaluations
        good = [e for e in evaluations if loss_of(e) is not None]
        if budget is None and good:
            budget = default_budget(good)
        rows = [e for e in evaluations if e.budget == budget]
        losses = [loss_of(e) for e in rows]
        ok = np.array([loss is not None for loss in losses], dtype=bool)
        loss = np.array([np.nan if loss is None else loss for loss in losses], dtype=float)
        loss = np.clip(loss, -_LARGEST, _LARGEST)
        counts = np.array([result.objectives.counts(e) for e in rows], dtype=bool) & ok
        best = int(np.argmin(np.where(counts, loss, np.inf))) if counts.any() else None
        why = None
        if not ok.any():
            why = why_no_loss(len(rows if good else evaluations))
            if good and not rows:
                why = f"There are no evaluations at budget {format_budget(float(budget or 0))}"
        table = ParameterTable.of(rows, result.space)
        if why is None and not table.searched:
            why = "No parameter has more than one value"
        sign = result.objectives.primary.sign
        return cls(budget, rows, table, ok, sign * loss, best, why, len(result.budgets))


class Surrogate:
    """A forest on a landscape.

    Attributes
    ----------
    forest : Forest or None
        None with fewer than four losses, or if all are equal.
    """

    def __init__(self, landscape: Landscape) -> None:
        self.landscape = landscape
        self.forest: Forest | None = None
        self._fanova: Fanova | None = None
        ok = landscape.ok
        value = landscape.value[ok]
        if len(value) < _LEAST or value.min() == value.max() or landscape.why_empty is not None:
            return
        y, scale = scale_losses(value)
        self._is_log = scale == "log"
        self._factor = 1.0 if self._is_log else float(np.abs(value).max() / np.abs(y).max())
        table = ParameterTable(landscape.table.columns, landscape.table.codes[ok])
        self.forest, self._fanova, searched = fit_fanova(table, y, n_trees=_TREES)
        self._place = {table.names[j]: i for i, j in enumerate(searched)}
        self._columns = [table.columns[j] for j in searched]
        self._rows = table.codes[:, searched].copy()
        for i, column in enumerate(self._columns):
            self._rows[:, i] = to_unit(column, self._rows[:, i])

    def ranked(self) -> list[str]:
        """Return the parameters, those first that explain most, alone or below a condition."""
        if self.forest is None or self._fanova is None:
            return list(self.landscape.table.searched)
        explained = self._fanova.single().mean(axis=0)
        # What matters only together with others is split nevertheless.
        splits = np.array([np.sum(self.forest.trees.feature == i) for i in self._place.values()])
        score = explained + 0.1 * splits / max(splits.sum(), 1)
        names = list(self._place)
        return [names[i] for i in np.argsort(-score, kind="stable")]

    def curve(
        self, names: tuple[str, ...], codes: np.ndarray, *, n_rows: int = 100
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        """Return the mean prediction at codes of some parameters, shape (k, len(names)).

        It is the mean over at most `n_rows` of the configurations where these are active.

        Returns
        -------
        middle, low, high : float64 (k,)
            The mean and one standard deviation over the trees to both sides, in units of the
            metric. None if there is no forest, if one of them is a constant, which the forest does
            not know, or if they are never active together.
        """
        if self.forest is None or not all(name in self._place for name in names):
            return None
        places = [self._place[name] for name in names]
        active = ~np.isnan(self._rows[:, places]).any(axis=1)
        rows = self._rows[active]
        if not len(rows):
            return None
        rows = rows[np.unique(np.linspace(0, len(rows) - 1, n_rows).round().astype(int))]
        points = np.stack(
            [to_unit(self._columns[p], codes[:, i]) for i, p in enumerate(places)], axis=1
        )
        each = partial_dependence(self.forest, rows, places, points)
        middle, spread = each.mean(axis=0), each.std(axis=0)
        return (
            self._unscaled(middle),
            self._unscaled(middle - spread),
            self._unscaled(middle + spread),
        )

    def _unscaled(self, y: np.ndarray) -> np.ndarray:
        scaled: np.ndarray = 10.0**y if self._is_log else y * self._factor
        return scaled
