"""Proposing configurations that were never issued."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bandmaster.errors import SpaceExhaustedError
from bandmaster.optimizers.base import Optimizer, Suggestion

__all__ = ["draw_unseen", "first_unseen", "propose_unseen"]

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


def first_unseen(
    optimizer: Optimizer, rows: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64] | None:
    """Return the first row that is legal and was never issued, as the study will encode it."""
    space = optimizer.space
    if space.forbidden:
        rows = rows[space.legal(rows)]
    for row in rows:
        if optimizer.seen(row):
            continue
        # A float's code may change in its last bit when its value is encoded again.
        canonical = space.encode_one(space.decode_one(row))
        if not optimizer.seen(canonical):
            return canonical
    return None


def propose_unseen(
    optimizer: Optimizer,
    row: npt.NDArray[np.float64] | None,
    rng: np.random.Generator,
    *,
    modelled: bool,
) -> Suggestion:
    """Suggest a row, or a random one that was never issued where there is none.

    Parameters
    ----------
    optimizer : Optimizer
    row : float64 (dim,), optional
        Legal and unseen.
    rng : numpy.random.Generator
    modelled : bool
        Whether `row` comes from a model.

    Raises
    ------
    SpaceExhaustedError
        As `draw_unseen`.
    """
    info = {"model_based_pick": modelled and row is not None}
    if row is None:
        row = draw_unseen(optimizer, rng)
    return Suggestion(optimizer.space.decode_one(row), info)
