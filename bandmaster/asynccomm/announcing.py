"""What a master says to its workers of its own accord."""

from __future__ import annotations

import logging

from bandmaster.asynccomm.addresses import Address
from bandmaster.asynccomm.control import (
    call_worker,
    call_workers,
    in_background,
    registered_workers,
)
from bandmaster.asynccomm.entrance import Entrance
from bandmaster.asynccomm.naming import Names
from bandmaster.asynccomm.sessions import Held, Session
from bandmaster.errors import BandmasterError

__all__ = ["Announcer"]

logger = logging.getLogger(__name__)


class Announcer:
    """Calls the workers of a run. Who cannot be reached hears the same with his next call.

    Parameters
    ----------
    run_id : str
    entrance : Entrance
    """

    def __init__(self, run_id: str, entrance: Entrance) -> None:
        self._run_id = run_id
        self._entrance = entrance

    def stop(self, session: Session, held: Held) -> None:
        """Tell a worker's evaluation to stop; returns before that was done."""
        if session.hello.control:
            address = self._entrance.secured(Address.parse(session.hello.control))
            key = self._entrance.key
            in_background(
                lambda: call_worker(address, key, "cancel", [held.job, held.attempt]),
                f"cancel-{held.job}",
            )

    def tell_all(self, method: str, argument: object) -> None:
        """Say a word to all workers that are registered, connected or not."""
        try:
            address, key = self._entrance.find()
            with Names(address, key=key) as names:
                workers = registered_workers(names, f"bandmaster.{self._run_id}.worker.")
        except BandmasterError as error:
            logger.debug("the workers of run %s cannot be told to %s: %s",
                         self._run_id, method, error)  # fmt: skip
            return
        call_workers(workers, key, method, argument)
