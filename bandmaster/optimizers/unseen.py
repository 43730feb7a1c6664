"""Drawing configurations that were never issued."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bandmaster.errors import SpaceExhaustedError
from bandmaster.optimizers.base import Optimizer

__all__ = ["draw_unseen"]

_BATCHES, _BATCHES_OF_INFINITE = 4, 64
_BATCH = 64
_LISTED = 100_000  # up to so many configurations are listed to draw uniformly among the unseen


def draw_unseen(optimizer: Optimizer, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Draw a legal configuration at random that was not issued yet.

    Parameters
    ----------
    optimizer : Optimizer
        Its `space` is drawn from, its `seen` asked.
    rng : numpy.random.Generator

    Returns
    -------
    float64 (dim,)
        The encoded configuration.

    Raises
    ------
    SpaceExhaustedError
        When every configuration of a finite space was issued.

    Notes
    -----
    A few hundred tries find an unseen one as long as more than some percent of the space are left.
    Then what is left is listed: O(configurations) an ask, in the last part of a finite space only.
    An infinite space may have finite branches that are used up; where thousands of draws come from
    these alone, the continuous rest is too unlikely to wait for, and a seen one is returned.
    """
    optimizer.check_not_exhausted()
    space = optimizer.space
    finite = space.n_configurations != np.inf
    row: npt.NDArray[np.float64]
    for _ in range(_BATCHES if finite else _BATCHES_OF_INFINITE):
        for row in space.sample(_BATCH, rng):
            if not optimizer.seen(row):
                return row
    if not finite:
        return row
    unseen = (row for row in space.enumerate() if not optimizer.seen(row))
    if space.n_configurations > _LISTED:
        found = next(unseen, None)
    else:
        left = list(unseen)
        found = left[int(rng.integers(len(left)))] if left else None
    if found is None:  # the number of configurations is an upper bound in some large spaces
        raise SpaceExhaustedError(f"all {optimizer.n_seen} configurations were proposed")
    return found
