"""The full grid."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from bandmaster.core.randomness import Key
from bandmaster.errors import ConfigurationError
from bandmaster.optimizers.options import check_least
from bandmaster.optimizers.sequence import SequenceOptimizer

__all__ = ["GridOptimizer"]

_LARGEST_SHUFFLE = 1_000_000


class GridOptimizer(SequenceOptimizer):
    """Proposes every configuration of a finite space once, or every point of a grid.

    Parameters
    ----------
    n_points : int, default 10
        Levels of every number when the space has continuous parameters, evenly spread on the
        parameter's own scale, bounds included. Ignored in finite spaces: all values are taken.
    shuffle : bool, default False
        Visit the grid in an order drawn with the study's seed, instead of the last parameter
        changing fastest. Lists the grid: up to 1,000,000 points.

    Raises
    ------
    ConfigurationError
        When `n_points` is not positive, or a shuffled grid is too large.
    """

    def __init__(self, *, n_points: int = 10, shuffle: bool = False) -> None:
        check_least("n_points", n_points, 1)
        self.n_points = n_points
        self.shuffle = shuffle

    def rows(self, seed: int) -> Iterator[npt.NDArray[np.float64]]:
        """Return the points of the grid."""
        finite = self.space.n_configurations != np.inf
        rows = self.space.enumerate(resolution=None if finite else self.n_points)
        if not self.shuffle:
            return rows
        table = list(itertools.islice(rows, _LARGEST_SHUFFLE + 1))
        if len(table) > _LARGEST_SHUFFLE:
            raise ConfigurationError(
                f"the grid has more than {_LARGEST_SHUFFLE} points: lower n_points, or do not "
                "shuffle it"
            )
        order = Key(seed).block_rng("grid", 0).permutation(len(table))
        return (table[i] for i in order.tolist())
