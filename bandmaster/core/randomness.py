"""Keyed randomness: every draw comes from a generator named by (seed, stream, number).

There is no generator state to save, so a study that is loaded again draws what it would have
drawn (the idea of counter-based generators, Salmon et al. 2011, as JAX uses it).
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Key"]


class Key(Struct, frozen=True, gc=False):
    """What names a generator.

    Parameters
    ----------
    seed : int
        The study's seed, not negative.
    number : int
        The trial number, or whatever else counts the draws.
    """

    seed: int
    number: int = 0

    def rng(self, stream: str = "ask") -> np.random.Generator:
        """Return a fresh generator; the same key and stream always give the same one."""
        return self.block_rng(stream, self.number)

    def block_rng(self, stream: str, block: int) -> np.random.Generator:
        """Return the generator of a block of numbers (to draw for many trials in one go)."""
        import numpy as np

        return np.random.Generator(
            np.random.PCG64(np.random.SeedSequence([self.seed, zlib.crc32(stream.encode()), block]))
        )
