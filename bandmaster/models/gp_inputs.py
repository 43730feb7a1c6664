"""How a Gaussian process sees the rows of a space."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bandmaster.space import Space

__all__ = ["Inputs"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]


class Inputs:
    """Maps encoded rows to features whose Euclidean distances a kernel may take.

    A number is itself, in [0, 1] on its own (log) scale, an ordinal its middle in [0, 1]. A
    categorical is an indicator of each choice over √2, so two choices differ by 1 and the kernel
    is one of the Hamming distance. Inactive numbers are in the middle, inactive categoricals half
    way to each choice: the same for all rows that lack them, and what tells the branches apart is
    the parameter that the condition speaks about. Columns with a single value are left out.

    Attributes
    ----------
    numbers : intp (p,)
        Columns of numbers and ordinals; their features come first, in this order.
    groups : intp (f,)
        Of every feature: which column, counted among those that are modelled.
    n_groups : int
    """

    def __init__(self, space: Space) -> None:
        free = space.n_values > 1
        ordered = np.flatnonzero(free & (space.is_numeric | space.is_ordinal))
        self.numbers: IntArray = ordered.astype(np.intp)
        self._shift = np.where(space.is_ordinal[ordered], 0.5, 0.0)
        self._scale = np.where(space.is_ordinal[ordered], 1 / space.n_values[ordered], 1.0)
        self._categoricals = np.flatnonzero(free & space.is_categorical).tolist()
        sizes = [int(space.n_choices[j]) for j in self._categoricals]
        p = len(ordered)
        self.n_groups = p + len(sizes)
        self.groups: IntArray = np.concatenate(
            [np.arange(p), np.repeat(np.arange(p, self.n_groups), sizes)]
        ).astype(np.intp)
        self._offsets = (p + np.cumsum([0, *sizes])).tolist()

    def features(self, rows: FloatArray) -> FloatArray:
        """Return the features of encoded rows, NaN where inactive; shape (n, f)."""
        n, p = len(rows), len(self.numbers)
        result = np.zeros((n, len(self.groups)))
        numbers = (rows[:, self.numbers] + self._shift) * self._scale
        result[:, :p] = np.where(np.isnan(numbers), 0.5, numbers)
        for j, offset in zip(self._categoricals, self._offsets, strict=False):
            x = rows[:, j]
            known = np.flatnonzero(~np.isnan(x))
            result[known, offset + x[known].astype(np.intp)] = 0.5**0.5
        return result

    def by_numbers(self, gradient: FloatArray) -> FloatArray:
        """Return a gradient by features (m, f) as one by the columns `numbers`, (m, p)."""
        return gradient[:, : len(self.numbers)] * self._scale
