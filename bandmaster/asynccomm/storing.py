"""Answers that leave when the journal has what they tell of."""

from __future__ import annotations

import time
from collections.abc import Callable

from bandmaster.asynccomm.wire import Peer
from bandmaster.errors import MasterLostError
from bandmaster.study.study import Study

__all__ = ["Storing"]


class Storing:
    """Holds answers back until the study's storage has confirmed what they acknowledge.

    Parameters
    ----------
    study : Study
    guarded : callable
        Calls a function, and returns False when that raised.
    """

    def __init__(self, study: Study, guarded: Callable[[Callable[[], bool]], bool]) -> None:
        self._study = study
        self._guarded = guarded
        self._since: dict[int, float] = {}

    @property
    def since(self) -> list[float]:
        """Since when the storage lets answers wait, by `time.monotonic`."""
        return list(self._since.values())

    def hold(self, peer: Peer) -> None:
        """Hold back the answer to the call that is being handled; none leaves if storing fails."""
        study = self._study
        if not study.waits_for_storage:
            return
        position = study.position

        def wait() -> bool:
            self._since[peer.id] = time.monotonic()
            try:
                study.wait_durable(position)
            finally:
                self._since.pop(peer.id, None)
            return True

        def until() -> None:
            if not self._guarded(wait):
                # No answer: it keeps the outcome, for the master that comes after this one.
                raise MasterLostError("the master cannot store what it is told")

        peer.hold(until)
