"""What a peer is: an optimizer that keeps its own state, and need not be pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, ClassVar

from bandmaster.core.evaluation import Evaluation
from bandmaster.core.job import Job
from bandmaster.core.randomness import Key
from bandmaster.optimizers.base import Optimizer, Suggestion

__all__ = ["Peer"]


class Peer(Optimizer):
    """Somebody else's optimizer.

    Its `ask` counts as issuing: the harness asks once a trial. What a peer knows about a trial it
    finds under the trial's number.

    Attributes
    ----------
    learns_foreign : bool
        Whether it learns from configurations that it did not propose.
    remote_seconds : float
        CPU that another process has used for it.
    """

    learns_foreign: ClassVar[bool] = True

    def __init__(self, *, seed: int) -> None:
        self.seed = seed
        self.version = ""
        self.remote_seconds = 0.0

    @classmethod
    def missing(cls) -> str:
        """Return what is lacking to run it, or nothing."""
        return ""

    def close(self) -> None:
        """End what it started."""

    def ask(self, budget: float, pending: Collection[Job], key: Key) -> Suggestion:
        """Propose a configuration."""
        return Suggestion(self.propose(key.number, budget), {"model_based_pick": True})

    def tell(self, evaluation: Evaluation) -> None:
        """Hand over a result."""
        self.learn(evaluation.trial, evaluation.config, evaluation.budget, evaluation.loss)

    def propose(self, trial: int, budget: float) -> dict[str, Any]:
        """Return a configuration for a new trial."""
        raise NotImplementedError

    def learn(
        self, trial: int, config: Mapping[str, Any], budget: float, loss: float | None
    ) -> None:
        """Learn how a trial did; None is a failure."""
        raise NotImplementedError
