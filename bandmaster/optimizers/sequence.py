"""Optimizers that walk through a fixed sequence of configurations."""

from __future__ import annotations

import abc
from collections.abc import Collection, Iterator
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from bandmaster.core.evaluation import Evaluation
from bandmaster.core.job import Job
from bandmaster.core.randomness import Key
from bandmaster.errors import SpaceExhaustedError
from bandmaster.optimizers.base import Optimizer, Suggestion

__all__ = ["SequenceOptimizer"]


class SequenceOptimizer(Optimizer):
    """Proposes the first configuration of a sequence that was not issued yet.

    What was issued moves it on, whoever proposed it: a user's own point is not proposed again.
    The position is a function of the sequence and of what was issued, remembered here between
    asks and found again by a study that is loaded. Subclasses say what the sequence is.
    """

    trusted: ClassVar[bool] = True

    @abc.abstractmethod
    def rows(self, seed: int) -> Iterator[npt.NDArray[np.float64]]:
        """Return the sequence: encoded legal rows of shape (dim,), a function of the seed."""

    def exhausted(self, key: Key) -> npt.NDArray[np.float64]:
        """Return what comes after the end of the sequence. Default: raise SpaceExhaustedError."""
        raise SpaceExhaustedError(f"all configurations were proposed, {self.n_seen} in number")

    def setup(self) -> None:
        """Forget the position in the sequence of another space."""
        self._seed: int | None = None
        self._rest: Iterator[npt.NDArray[np.float64]] = iter(())
        self._head: npt.NDArray[np.float64] | None = None

    def ask(self, budget: float, pending: Collection[Job], key: Key) -> Suggestion:
        """Propose the next configuration; see `Optimizer.ask`."""
        self.check_not_exhausted()
        if self._seed != key.seed:
            self._seed, self._rest = key.seed, self.rows(key.seed)
            self._head = self._canonical(next(self._rest, None))
        while self._head is not None and self.seen(self._head):
            self._head = self._canonical(next(self._rest, None))
        vector = self.exhausted(key) if self._head is None else self._head
        return Suggestion(self.space.decode_one(vector), {"model_based_pick": False})

    def _canonical(self, row: npt.NDArray[np.float64] | None) -> npt.NDArray[np.float64] | None:
        # A float's code may change in the last bit when its value is encoded again, as the
        # study does; what is compared with `seen` must be that one.
        return None if row is None else self.space.encode_one(self.space.decode_one(row))

    def tell(self, evaluation: Evaluation) -> None:
        """Learn nothing."""
