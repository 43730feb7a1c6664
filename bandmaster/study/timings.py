"""How long a study takes to decide."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bandmaster.study.proposing import Proposal, propose

if TYPE_CHECKING:
    from bandmaster.study.state import StudyState

__all__ = ["Timings"]


class Timings:
    """Sums up what proposals cost in this process; nothing of it is stored.

    Attributes
    ----------
    seconds : float
        Spent in the iteration generator and the optimizer for what `Study.ask` was asked.
    n_proposals : int
        How many that were, those with nothing to propose included.
    """

    __slots__ = ("n_proposals", "seconds")

    def __init__(self) -> None:
        self.seconds = 0.0
        self.n_proposals = 0

    def propose(self, state: StudyState) -> Proposal | str | None:
        """Return what `propose` gives, and note how long it took; under the study's lock."""
        began = time.perf_counter()
        try:
            return propose(state)
        finally:
            self.seconds += time.perf_counter() - began
            self.n_proposals += 1
