"""The first trials of a search that a model is to learn from."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from bandmaster.core.randomness import Key
from bandmaster.optimizers.base import Optimizer
from bandmaster.optimizers.unseen import first_unseen

__all__ = ["startup_row"]


def startup_row(
    optimizer: Optimizer, key: Key, n: int, stream: str
) -> npt.NDArray[np.float64] | None:
    """Return the trial's point of a Latin hypercube of `n`, None where it is illegal or seen."""
    space = optimizer.space
    design = key.block_rng(stream, key.number // n)
    strata = np.array([design.permutation(n) for _ in range(space.dim)])
    cube = (strata.T + design.random((n, space.dim))) / n
    row = optimizer.start_from(cube[[key.number % n]], key.number)
    return first_unseen(optimizer, row)
