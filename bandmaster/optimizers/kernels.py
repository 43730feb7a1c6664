"""Kernels over a space's rows, as matrices whose product is the log of every kernel at every point.

What a kernel says is relative to the prior: where the kernel or the point is inactive it is 0. It
is linear in features of the two that mostly do not depend on bandwidths, so little is computed
for a kernel, of which there are many; the tables of discrete columns are applied to the points.
"""

from __future__ import annotations

import functools
import math
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from bandmaster.optimizers.axes import Axes, Table

__all__ = ["Features", "Kernels"]

FloatArray = npt.NDArray[np.float64]
SingleArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.intp]

_T = TypeVar("_T", np.float32, np.float64)

_LISTED = 64  # choices of categoricals with more are compared one by one, not multiplied
_KEPT = 64  # tables of a column that are kept: of all bandwidths there are
_MOST_KEPT = 1 << 24  # bytes of them; at least one is kept
_LONG = 256  # of more even cells fewer tables are kept, and they are found by distances
_LEAST_MASS = 1e-12
_LEAST_PRIOR = 1e-300  # a choice of weight 0 keeps next to no probability


class _Group:
    """Tables of one size, side by side in the features.

    Parameters
    ----------
    tables : list of Table
        All with an order, or none.
    start : int
        The first of their features: of every table an indicator of each value, of a long one a
        single one, for whether it is active.
    step : float
        The least bandwidth, in widths of cells.
    """

    def __init__(self, tables: list[Table], start: int, step: float) -> None:
        self._tables, self._step = tables, step
        self._n_cells = _n_cells(tables[0])
        self._columns = [table.column for table in tables]
        self.cells = slice(start, start + self._n_cells * len(tables))
        kept = max(1, min(_KEPT, _MOST_KEPT // (4 * self._n_cells**2)))
        self._ordered = functools.lru_cache(maxsize=kept * len(tables))(self._find_ordered)
        self._chosen = functools.lru_cache(maxsize=4)(self._find_chosen)

    def apply(self, logs: SingleArray, rows: SingleArray) -> SingleArray:
        """Return what tables (q, kernel's cell, cell) make of points given by features."""
        q, k, n = len(self._tables), self._n_cells, rows.shape[1]
        result: SingleArray = (logs @ rows[self.cells].reshape(q, k, n)).reshape(q * k, n)
        return result

    def ordered(self, sigma: FloatArray) -> SingleArray:
        """Return the logs of probabilities over the prior's, (q, kernel's cell, cell)."""
        return np.array([self._ordered(i, s) for i, s in enumerate(sigma[self._columns].tolist())])

    def chosen(self, smoothing: float) -> SingleArray:
        """Return the same of choices; of long tables what other choices than the kernel's are."""
        return self._chosen(smoothing)

    def _find_ordered(self, i: int, sigma: float) -> SingleArray:
        table = self._tables[i]
        if table.even and table.size > _LONG:
            return _slid(table, max(sigma, self._step / table.size))
        middles = (table.edges[1:] + table.edges[:-1])[:, None] / 2
        scale = np.maximum(sigma, self._step * table.widths)[:, None]
        below = _ndtr((table.edges - middles) / scale)
        mass = np.maximum(below[:, 1:] - below[:, :-1], _LEAST_MASS)
        mass /= mass.sum(axis=1, keepdims=True) * table.widths
        logs: SingleArray = np.log(mass).astype(np.float32)
        return logs

    def _find_chosen(self, smoothing: float) -> SingleArray:
        n = self._n_cells
        logs = np.full((len(self._tables), n, n), math.log(smoothing), dtype=np.float32)
        for table, part in zip(self._tables, logs, strict=True):
            if n == table.size:
                np.fill_diagonal(part, part[0, 0] + _gain(table.prior, smoothing))
        return logs


class Features:
    """What of a row does not depend on bandwidths, a column a row.

    Of every float its distance to the middle; of those that are not always active whether they
    are; the cells of all tables; 1; sums that kernels fill in; then the choice itself of every
    categorical with many, NaN where it is inactive.

    Parameters
    ----------
    axes : Axes

    Attributes
    ----------
    n : int
        How many features are multiplied: all but those of long categoricals.
    long : list of Table
        Categoricals with many choices.
    """

    def __init__(self, axes: Axes) -> None:
        self.axes = axes
        self.n_floats = len(axes.floats)
        self.n_loose = int(axes.space.is_conditional[axes.floats].sum())
        self.n_fixed = self.n_floats - self.n_loose
        start = self.n_floats + self.n_loose
        self.active = slice(self.n_floats, start)
        self.long = [table for table in axes.weighted if table.size > _LISTED]
        kinds: dict[tuple[bool, int], list[Table]] = {}
        for table in axes.tables:
            kinds.setdefault((table.ordered, _n_cells(table)), []).append(table)
        self.ordered, self.choices = list[_Group](), list[_Group]()
        for (ordered, _), tables in kinds.items():
            group = _Group(tables, start, axes.step)
            (self.ordered if ordered else self.choices).append(group)
            start = group.cells.stop
        self.one, self.sum = start, start + 1
        self.sums = slice(start + 2, start + 2 + self.n_loose)
        self.n = self.sums.stop
        self._long = np.array([table.column for table in self.long], dtype=np.intp)
        self._find_cells([table for tables in kinds.values() for table in tables])

    def _find_cells(self, tables: list[Table]) -> None:
        """Find how to come from codes to cells: the product with a factor, or a search."""
        self._columns: IntArray = np.array([table.column for table in tables], dtype=np.intp)
        sizes = np.array([_n_cells(table) for table in tables], dtype=np.intp)
        self._first = (self.active.stop + np.cumsum(sizes) - sizes)[:, None]
        factors = [
            float(table.size) if table.ordered else float(table.size == size)
            for table, size in zip(tables, sizes, strict=True)
        ]
        self._factors = np.array(factors)[:, None]
        self._uneven = [(i, table) for i, table in enumerate(tables) if not table.even]

    def of(self, unit: FloatArray) -> SingleArray:
        """Return the features of rows as `Axes.to_unit` gives them, (n + long ones, rows)."""
        n = len(unit)
        result = np.zeros((self.n + len(self.long), n), dtype=np.float32)
        if self.n_floats:
            x = unit.T[self.axes.floats]
            x -= 0.5
            if self.n_loose:
                active = ~np.isnan(x[self.n_fixed :])
                result[self.active] = active
                x[self.n_fixed :][~active] = 0.0
            result[: self.n_floats] = x
        if len(self._columns):
            x = unit.T[self._columns]
            cell = np.floor(x * self._factors)
            for i, table in self._uneven:
                cell[i] = table.inner.searchsorted(x[i], side="right")
            cell += self._first
            if not self.axes.all_active:
                cell[np.isnan(x)] = self.one  # which is 1 for all
            result.reshape(-1)[(cell * n + np.arange(n)).astype(np.intp)] = 1.0
        result[self.one] = 1.0
        if self.long:
            result[self.n :] = unit.T[self._long]
        return result


class Kernels:
    """Kernels of given bandwidths, around any rows.

    Parameters
    ----------
    features : Features
    sigma : float64 (dim,)
        Bandwidths.
    """

    def __init__(self, features: Features, sigma: FloatArray) -> None:
        self.features, self.sigma = features, sigma
        scale = sigma[features.axes.floats, None]
        self._inverse = (1.0 / scale).astype(np.float32)
        self._norm = np.log(scale * math.sqrt(2 * math.pi)).astype(np.float32)

    def around(self, rows: SingleArray) -> SingleArray:
        """Return the factors of kernels around rows given by features, which are overwritten."""
        f = self.features
        if not f.n_floats:
            return rows
        away = rows[: f.n_floats] * self._inverse
        half = 0.5 * self._inverse
        # What is cut off is less than two thirds, so single precision does.
        below, above = _tail(np.array([half + away, half - away]))
        above += below
        logs = np.log(np.subtract(1.0, above, out=above), out=above)
        logs += self._norm
        away *= away
        away *= 0.5
        logs += away
        np.negative(logs[: f.n_fixed].sum(axis=0), out=rows[f.sum])
        if f.n_loose:
            rows[f.sums] = logs[f.n_fixed :] * -rows[f.active]
        return rows

    def at(self, rows: SingleArray) -> SingleArray:
        """Return the factors of points given by features, without those of choices."""
        f = self.features
        points = np.zeros((f.n, rows.shape[1]), dtype=np.float32)
        if f.n_floats:
            away = rows[: f.n_floats] * self._inverse
            np.multiply(away, self._inverse, out=points[: f.n_floats])
            away *= away
            away *= -0.5
            away[: f.n_fixed].sum(axis=0, out=points[f.one])
            points[f.active] = away[f.n_fixed :]
            points[f.sums] = rows[f.active]
        points[f.sum] = 1.0
        for group in f.ordered:
            points[group.cells] = group.apply(group.ordered(self.sigma), rows)
        return points

    def choosing(self, points: SingleArray, rows: SingleArray, smoothing: float) -> SingleArray:
        """Return the factors of points with those of choices; what `at` gave stays as it is.

        Parameters
        ----------
        points : float32 (n, m)
        rows : float32 (n + long ones, m)
            Features of the points.
        smoothing : float
            The prior's share of a kernel.
        """
        if not self.features.choices:
            return points
        result = points.copy()
        for group in self.features.choices:
            result[group.cells] = group.apply(group.chosen(smoothing), rows)
        return result

    def add_long(
        self, logs: SingleArray, rows: SingleArray, factors: SingleArray, smoothing: float
    ) -> None:
        """Add to logs of kernels at points, (m, n), what the same choice of many is worth."""
        f = self.features
        for i, table in enumerate(f.long, f.n):
            mine = rows[i]
            worth = _gain(table.prior, smoothing).take(np.nan_to_num(mine).astype(np.intp))
            logs += (mine[:, None] == factors[i]) * worth[:, None]


def _gain(prior: FloatArray, smoothing: float) -> SingleArray:
    """Return the log of how much more a kernel of a choice says of it than of another."""
    other = smoothing * np.maximum(prior, _LEAST_PRIOR)
    result: SingleArray = np.log1p((1.0 - smoothing) / other).astype(np.float32)
    return result


def _slid(table: Table, sigma: float) -> SingleArray:
    """Return what `_Group` finds for even cells, where only distances of two cells count."""
    n = table.size
    below = _ndtr((np.arange(-n, n, dtype=np.float64) + 0.5) / (n * sigma))
    mass = np.maximum(np.diff(below), _LEAST_MASS)
    up_to = np.concatenate([[0.0], np.cumsum(mass)])
    whole = (up_to[n:] - up_to[:n])[::-1]  # of the first cell's kernel first
    logs = np.lib.stride_tricks.sliding_window_view(np.log(mass), n)[::-1]
    result = np.empty((n, n), dtype=np.float32)
    np.subtract(logs, np.log(whole / n)[:, None], out=result, casting="same_kind")
    return result


def _n_cells(table: Table) -> int:
    return table.size if table.ordered or table.size <= _LISTED else 1


def _ndtr(x: FloatArray) -> FloatArray:
    """Return the standard normal's distribution function."""
    tail = _tail(np.abs(x))
    return np.where(x > 0.0, 1.0 - tail, tail)


def _tail(x: npt.NDArray[_T]) -> npt.NDArray[_T]:
    """Return the standard normal's mass above x >= 0 to 7.5e-8 (Abramowitz, Stegun 26.2.17).

    scipy.special has it too, at the price of its import.
    """
    t = 1.0 / (1.0 + 0.2316419 * x)
    tail = 1.330274429 * t - 1.821255978
    for coefficient in (1.781477937, -0.356563782, 0.319381530):
        tail *= t
        tail += coefficient
    tail *= t
    tail *= np.exp(x * x * -0.5)
    tail *= 0.3989422804014327
    return tail
