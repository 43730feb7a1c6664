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
        self.edges = np.empty(0) if edges is None else edges
        self.inner = self.edges[1:-1].copy()
        self.widths = np.diff(self.edges)
        self.diagonal = np.diag_indices(self.size)
        # A choice of weight 0 keeps probability 0.
        self.log_prior = np.log(np.maximum(prior, 1e-300))

    @property
    def distances(self) -> FloatArray:
        """From every cell's middle to every edge, flat."""
        if not self.ordered:
            return np.empty(0)
        middles = (self.edges[1:] + self.edges[:-1]) / 2
        return np.ravel(self.edges - middles[:, None])


class Axes:
    """The columns that a density models, on [0, 1], as floats and tables.

    Constants, and whatever else has a single value, are left out.

    Attributes
    ----------
    floats : intp (f,)
        Columns with Gaussian kernels evaluated by their density.
    tables : list of Table
    n_features : int
        Columns of `features`: three a float, one a value of every table.
    all_active : bool
        Whether no parameter depends on another.
    distances, distance_columns : float64 and intp (c,)
        From the middles to the edges of the cells of all ordered tables, and whose they are.
    distance_least : float64 (c,)
        The least bandwidth of each of these.
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
        self.floats: IntArray = np.array(floats, dtype=np.intp)
        self.modelled: IntArray = np.array(
            sorted(floats + [t.column for t in self.tables]), dtype=np.intp
        )
        self.ordinals: IntArray = np.array(ordinals, dtype=np.intp)
        self.weighted = [t for t in self.tables if not t.ordered]
        self.offsets = 3 * len(floats) + np.cumsum([0, *(t.size for t in self.tables)])
        self.n_features = int(self.offsets[-1])
        # Of all ordered tables together, with the column of each.
        self.distances = np.concatenate([np.empty(0), *(t.distances for t in self.tables)])
        columns = [np.full(len(t.distances), t.column) for t in self.tables]
        self.distance_columns = np.concatenate([np.empty(0, dtype=np.intp), *columns])
        self._bound_bandwidths()
        self._skewed = _quantiles(space)
        self._conditional = space.is_conditional.tolist()
        self.all_active = not space.is_conditional.any()

    def _bound_bandwidths(self) -> None:
        """Find how wide kernels are at least."""
        ordered = [table for table in self.tables if table.ordered]
        share = _STEP * math.sqrt(_FEW_COARSE / max(len(ordered), _FEW_COARSE))
        least = [np.repeat(share * table.widths, table.size + 1) for table in ordered]
        self.distance_least = np.concatenate([np.empty(0), *least])
        self.least = np.zeros(self.space.dim)
        self._uneven = list[tuple[Table, FloatArray]]()
        for table in ordered:
            widths = share * table.widths
            self.least[table.column] = widths.min()
            if np.ptp(table.widths) > _EVEN:
                self._uneven.append((table, widths))

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
            bounds = np.cumsum(table.prior[:-1])
            rows[:, j] = np.searchsorted(bounds, rows[:, j], side="right")
        return rows

    def indices(self, unit: FloatArray) -> IntArray:
        """Return the index of every table column's value, the table's size where inactive.

        Shape (number of tables, n).
        """
        result = np.empty((len(self.tables), len(unit)), dtype=np.intp)
        for i, table in enumerate(self.tables):
            x = unit[:, table.column]
            if table.ordered:
                result[i] = table.inner.searchsorted(x, side="right")
            if not self._conditional[table.column]:
                if not table.ordered:
                    result[i] = x
                continue
            known = ~np.isnan(x)
            if not table.ordered:
                result[i] = np.where(known, x, 0)
            result[i, ~known] = table.size
        return result

    def features(self, unit: FloatArray) -> FloatArray:
        """Return what the log density of a kernel is linear in; shape (n, n_features).

        Of a float x, active or not: ``x², x, 1`` or zeros; of a discrete value: its indicator.
        """
        n, f = len(unit), len(self.floats)
        result = np.zeros((n, self.n_features))
        if f:
            x = unit[:, self.floats]
            active = ~np.isnan(x)
            x = np.where(active, x, 0.0)
            result[:, :f] = x * x
            result[:, f : 2 * f] = x
            result[:, 2 * f : 3 * f] = active
        rows = np.arange(n)
        for i, index in enumerate(self.indices(unit)):
            if self.all_active:
                result[rows, self.offsets[i] + index] = 1.0
                continue
            active = index < self.tables[i].size
            result[rows[active], self.offsets[i] + index[active]] = 1.0
        return result


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
