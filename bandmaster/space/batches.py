"""The columns of a matrix by kind, so that one call of NumPy serves many of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from bandmaster.space.columns import Choice, Column, Grid, LinearFloat

__all__ = ["Batches"]

FloatArray = npt.NDArray[np.float64]
Where = int | slice | list[int]
Map = Callable[[FloatArray], FloatArray]


class Batches:
    """Does to each column of a matrix what its codec does, exactly.

    Parameters
    ----------
    columns : sequence of Column
    """

    def __init__(self, columns: Sequence[Column]) -> None:
        floats, grids, choices, weighted, others = [], [], [], [], []
        for j, column in enumerate(columns):
            if isinstance(column, LinearFloat):
                floats.append(j)
            elif type(column) is Grid:
                grids.append(j)
            elif not isinstance(column, Choice):
                others.append(j)
            elif column.weights is None:
                choices.append(j)
            else:
                weighted.append(j)
        n = np.array([float(column.n_values) for column in columns])
        numbers: list[tuple[Where, Map]] = [
            (_where(floats), _clipped),
            (_where(grids), _gridded(n[grids])),
        ]
        self._snaps: list[tuple[Where, Map]] = [
            *numbers,
            (_where(choices + weighted), _nearest(n[choices + weighted])),
            *((j, columns[j].snap_many) for j in others),
        ]
        self._draws: list[tuple[Where, Map]] = [
            *numbers,
            (_where(choices), _drawn(n[choices])),
            *((j, columns[j].from_unit_many) for j in others + weighted),
        ]

    def snap(self, X: FloatArray) -> FloatArray:
        """Return what `Column.snap_many` makes of each column, (n, dim)."""
        return _applied(self._snaps, X)

    def from_unit(self, U: FloatArray) -> FloatArray:
        """Return what `Column.from_unit_many` makes of each column, (n, dim)."""
        return _applied(self._draws, U)


def _applied(maps: Sequence[tuple[Where, Map]], X: FloatArray) -> FloatArray:
    result = np.empty(X.shape)
    for where, change in maps:
        if where != []:
            result[:, where] = change(X[:, where])
    return result


def _where(columns: list[int]) -> Where:
    """Return the columns as a slice, which makes no copy, if they are side by side."""
    if columns and columns == list(range(columns[0], columns[-1] + 1)):
        return slice(columns[0], columns[-1] + 1)
    return columns


def _clipped(x: FloatArray) -> FloatArray:
    return x.clip(0.0, 1.0)


def _gridded(n: FloatArray) -> Map:
    def codes(x: FloatArray) -> FloatArray:
        index = (x * n).clip(0.0, n - 1.0)
        result: FloatArray = (np.floor(index, out=index) + 0.5) / n
        return result

    return codes


def _nearest(n: FloatArray) -> Map:
    return lambda x: np.rint(x).clip(0.0, n - 1.0)


def _drawn(n: FloatArray) -> Map:
    return lambda u: np.minimum(np.floor(u * n), n - 1.0)
