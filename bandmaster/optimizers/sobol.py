"""Scrambled Sobol points."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from bandmaster.core.randomness import Key
from bandmaster.optimizers.sequence import SequenceOptimizer
from bandmaster.optimizers.unseen import draw_unseen

__all__ = ["SobolOptimizer"]

_CHUNK = 256  # a power of two, as the sequence wants it
_CHUNKS = 64  # of a finite space, at most; what they miss is drawn at random


class SobolOptimizer(SequenceOptimizer):
    """Fills the space evenly with a scrambled Sobol sequence (Owen 1998).

    Points go through the parameters' quantile functions, so weights and distributions hold.
    Forbidden points are left out; in finite spaces so are points that were issued already.
    """

    def rows(self, seed: int) -> Iterator[npt.NDArray[np.float64]]:
        """Return the legal points of the sequence."""
        from scipy.stats import qmc

        sequence = qmc.Sobol(self.space.dim, scramble=True, seed=Key(seed).block_rng("sobol", 0))
        chunks = 0
        while self.space.n_configurations == np.inf or chunks < _CHUNKS:
            points = self.space.from_unit(np.minimum(sequence.random(_CHUNK), 1 - 2**-53))
            yield from points[self.space.legal(points)]
            chunks += 1

    def exhausted(self, key: Key) -> npt.NDArray[np.float64]:
        """Return a random configuration among those that the sequence did not meet."""
        return draw_unseen(self, key.rng("sobol-unseen"))
