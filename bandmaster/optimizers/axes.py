"""How kernel densities see the columns of a space."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from bandmaster.space import Space
from bandmaster.space.columns import make_column

__all__ = ["Axes", "Table"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]

_LARGEST_TABLE = 32  # finer grids are taken for continuous: their cells are below a bandwidth
# A kernel of a coarse column is at least as wide as its cell, else the other values are never drawn
# again. With more than so many such columns less: not all of them are to change at once.
_STEP = 1.0
_FEW_COARSE = 4
_LEVELS = 8  # of the bandwidths of ordered tables, in an octave
_EVEN = 1e-9  # cells that differ by less are of one width


class Table:
    """A discrete column whose kernels are tables of probabilities.

    Parameters
    ----------
    column : int
    prior : float64 (k,)
        The probability of every value where nothing is known.
    edges : float64 (k + 1,), optional
        The cells of values that have an order, on [0, 1]; None for categoricals.
    """

    def __init__(self, column: int, prior: FloatArray, edges: FloatArray | None = None) -> None:
        self.column = column
        self.prior = prior
        self.size = len(prior)
        self.ordered = edges is not None
        self.edges = np.linspace(0.0, 1.0, self.size + 1) if edges is None else edges
        self.inner = self.edges[1:-1].copy()
        self.widths = np.diff(self.edges)
        self.even = bool(np.ptp(self.widths) <= _EVEN)
        self.bounds = np.cumsum(prior[:-1])


class Axes:
    """The columns that a density models, on [0, 1], as floats and tables.

    Constants, and whatever else has a single value, are left out.

    Attributes
    ----------
    floats : intp (f,)
        Columns with Gaussian kernels evaluated by their density; those that are always active come
        first.
    tables : list of Table
    weighted : list of Table
        Those of categoricals.
    modelled : intp (p,)
        All these columns.
    all_active : bool
        Whether no parameter depends on another.
    step : float
        The least bandwidth of ordered tables, in widths of their cells.
    least : float64 (dim,)
        The least bandwidth of every column: of its smallest cell; 0 where there are none.
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        floats, self.tables = [], list[Table]()
        ordinals = []
        for j in range(space.dim):
            n = space.n_values[j]
            if n <= 1:
                continue
            if space.is_numeric[j] and n > _LARGEST_TABLE:
                floats.append(j)
                continue
            size = int(n)
            if space.is_categorical[j]:
                weights = space.weights[j]
                prior = np.full(size, 1 / size) if weights is None else np.asarray(weights)
                self.tables.append(Table(j, prior))
            else:
                if space.is_ordinal[j]:
                    ordinals.append(j)
                    edges = np.linspace(0.0, 1.0, size + 1)
                else:
                    edges = _edges(space, j, size)
                self.tables.append(Table(j, np.diff(edges), edges))
        floats.sort(key=lambda j: bool(space.is_conditional[j]))
        self.floats: IntArray = np.array(floats, dtype=np.intp)
        self.modelled: IntArray = np.array(
            sorted(floats + [t.column for t in self.tables]), dtype=np.intp
        )
        self.ordinals: IntArray = np.array(ordinals, dtype=np.intp)
        self.weighted = [t for t in self.tables if not t.ordered]
        self.choices: IntArray = np.array([t.column for t in self.weighted], dtype=np.intp)
        self._bound_bandwidths()
        self._skewed = _quantiles(space)
        self.all_active = not space.is_conditional.any()

    def _bound_bandwidths(self) -> None:
        """Find how wide kernels are at least."""
        ordered = [table for table in self.tables if table.ordered]
        self._stepped = np.array([table.column for table in ordered], dtype=np.intp)
        self.step = _STEP * math.sqrt(_FEW_COARSE / max(len(ordered), _FEW_COARSE))
        self.least = np.zeros(self.space.dim)
        self._uneven = list[tuple[Table, FloatArray]]()
        for table in ordered:
            widths = self.step * table.widths
            self.least[table.column] = widths.min()
            if not table.even:
                self._uneven.append((table, widths))

    def rounded(self, sigma: FloatArray) -> FloatArray:
        """Return bandwidths of which those of ordered tables are of few, by steps of 9 %.

        So what was found for one bandwidth is of use again.
        """
        if not len(self._stepped):
            return sigma
        result = sigma.copy()
        levels = np.rint(_LEVELS * np.log2(sigma[self._stepped])) / _LEVELS
        result[self._stepped] = np.maximum(np.exp2(levels), self.least[self._stepped])
        return result

    def scales(self, unit: FloatArray, sigma: FloatArray) -> FloatArray:
        """Return the bandwidths of kernels around points, (n, dim) or (dim,) if all are alike.

        Parameters
        ----------
        unit : float64 (n, dim)
        sigma : float64 (dim,)
            Not below `least`.
        """
        if not self._uneven:
            return sigma
        result = np.repeat(sigma[None], len(unit), axis=0)
        for table, widths in self._uneven:
            cell = table.inner.searchsorted(unit[:, table.column], side="right")
            np.maximum(result[:, table.column], widths[cell], out=result[:, table.column])
        return result

    def to_unit(self, rows: FloatArray) -> FloatArray:
        """Return encoded rows with the codes of ordinals on [0, 1]; NaN stays."""
        if not len(self.ordinals):
            return rows
        unit = rows.copy()
        unit[:, self.ordinals] += 0.5
        unit[:, self.ordinals] /= self.space.n_values[self.ordinals]
        return unit

    def from_unit(self, unit: FloatArray) -> FloatArray:
        """Undo `to_unit` for numbers that need not be on the grid, and repair the rows."""
        rows = unit
        if len(self.ordinals):
            rows = unit.copy()
            rows[:, self.ordinals] *= self.space.n_values[self.ordinals]
            rows[:, self.ordinals] = np.floor(rows[:, self.ordinals])
        repaired: FloatArray = self.space.repair(rows)
        return repaired

    def draw(self, n: int, rng: np.random.Generator) -> FloatArray:
        """Draw rows from the prior with every column filled, active or not; shape (n, dim).

        Categorical columns hold the index, all others a number in [0, 1].
        """
        rows = rng.random((n, self.space.dim))
        for j, quantile in self._skewed:
            rows[:, j] = quantile(rows[:, j])
        for table in self.weighted:
            j = table.column
            rows[:, j] = table.bounds.searchsorted(rows[:, j], side="right")
        return rows


def _edges(space: Space, j: int, size: int) -> FloatArray:
    """Return the bounds of a discrete number's cells, whose middles are its codes."""
    edges = np.linspace(0.0, 1.0, size + 1)
    if space.is_log[j]:
        column = make_column(space.parameters[j])
        for k in range(size - 1):
            edges[k + 1] = 2 * column.code(k) - edges[k]
    return edges


def _quantiles(space: Space) -> list[tuple[int, Callable[[FloatArray], FloatArray]]]:
    skewed = [
        (j, parameter)
        for j, parameter in enumerate(space.parameters)
        if getattr(parameter, "distribution", None) is not None
    ]
    if not skewed:
        return []
    from bandmaster.space.distributions import quantiles

    return [(j, quantiles(make_column(parameter))) for j, parameter in skewed]
