"""Keyed randomness: every draw comes from a generator named by (seed, stream, number).

There is no generator state to save, so a study that is loaded again draws what it would have
drawn (the idea of counter-based generators, Salmon et al. 2011, as JAX uses it).
"""

from __future__ import annotations

import secrets
import zlib
from typing import TYPE_CHECKING, SupportsIndex

from msgspec import Struct

from bandmaster.errors import ConfigurationError

if TYPE_CHECKING:
    import numpy as np

__all__ = ["DEFAULT_SEED", "DefaultSeed", "Key", "make_seed"]


class DefaultSeed(int):
    """A seed that nobody insists on: a new study gets it, a stored one keeps its own."""

    __slots__ = ()


DEFAULT_SEED = DefaultSeed(0)
"""The seed of a search that is given none."""


def make_seed(random_state: SupportsIndex | None) -> int:
    """Return the seed that an argument means; None draws one from the system.

    Raises
    ------
    ConfigurationError
        When it is no whole number ≥ 0.
    """
    if random_state is None:
        return DefaultSeed(secrets.randbits(63))
    if isinstance(random_state, DefaultSeed):
        return random_state
    if (
        isinstance(random_state, bool)
        or not hasattr(random_state, "__index__")
        or random_state.__index__() < 0
    ):
        raise ConfigurationError(
            f"random_state must be a whole number ≥ 0 or None, got {random_state!r}"
        )
    return random_state.__index__()


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
