"""Evaluations in a process of their own, which may die without their worker.

Three processes take part::

    worker ──────── keeper ──────── child
       └── data: jobs, outcomes, reports ──┘

The *keeper* is a fresh interpreter with a single thread and none of the user's code, so it can fork
safely, and in a millisecond. It makes the *child*, which loads the objective and evaluates one job
after the other; it ends it when told to, and whatever the child has left running. When the worker
is gone, however that happened, the keeper's line ends, and the keeper ends all there is.
The worker keeps the time and looks at the memory, because nobody else is sure to get to run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bandmaster.asynccomm.isolation.evaluator import Isolated

__all__ = ["Isolated"]


def __getattr__(name: str) -> Any:
    # On first use: the keeper and the child have no need of it.
    if name != "Isolated":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from bandmaster.asynccomm.isolation.evaluator import Isolated

    return Isolated
