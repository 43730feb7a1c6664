"""Independent random draws."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from bandmaster.core.evaluation import Evaluation
from bandmaster.core.job import Job
from bandmaster.core.randomness import Key
from bandmaster.optimizers.base import Optimizer, Suggestion
from bandmaster.optimizers.unseen import draw_unseen

__all__ = ["RandomOptimizer"]

_BLOCK = 256


class RandomOptimizer(Optimizer):
    """Draws every configuration independently, by the parameters' distributions.

    No configuration is drawn twice. Trial k is row k mod 256 of the block
    k // 256, which is drawn and decoded in one go: an ask costs a few microseconds.
    """

    trusted: ClassVar[bool] = True

    def setup(self) -> None:
        """Forget the cached block of another space."""
        self._block: tuple[tuple[int, int], npt.NDArray[np.float64], list[dict[str, Any]]] | None
        self._block = None

    def ask(self, budget: float, pending: Collection[Job], key: Key) -> Suggestion:
        """Propose the configuration that `key` names; see `Optimizer.ask`."""
        number, row = divmod(key.number, _BLOCK)
        block = self._block
        if block is None or block[0] != (key.seed, number):
            vectors = self.space.sample(_BLOCK, key.block_rng("random", number))
            block = self._block = ((key.seed, number), vectors, self.space.decode(vectors))
        vector = block[1][row]
        if self.seen(vector):
            vector = draw_unseen(self, key.rng("random-unseen"))
            return Suggestion(self.space.decode_one(vector), {"model_based_pick": False})
        return Suggestion(block[2][row].copy(), {"model_based_pick": False})

    def tell(self, evaluation: Evaluation) -> None:
        """Learn nothing."""
