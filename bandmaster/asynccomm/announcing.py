"""What a master says to its workers of its own accord."""

from __future__ import annotations

import logging

from bandmaster.asynccomm.addresses import Address
from bandmaster.asynccomm.control import (
    call_worker,
    call_workers,
    in_background,
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

    def stop(self, session: Session, held: Held, at_once: bool) -> None:
        """Tell a worker that an evaluation is to stop, or to end it; returns before that was done.

        Who cannot be reached hears it with its next report.
        """
        if not session.hello.control:
            return
        try:
            address = self._entrance.secured(Address.parse(session.hello.control))
            key = self._entrance.key
            in_background(
                lambda: call_worker(
                    address, key, "cancel" if at_once else "stop", [held.job, held.attempt]
                ),
                f"cancel-{held.job}",
            )
        except (BandmasterError, RuntimeError) as error:  # no address; no more threads
            logger.debug("%s cannot be told to stop job %d: %s", session, held.job, error)

    def tell_all(self, method: str, argument: object) -> None:
        """Say a word to all workers that are registered, connected or not; within some seconds."""
        try:
            address, key = self._entrance.find()
            with Names(address, key=key) as names:
                workers = names.addresses(f"bandmaster.{self._run_id}.worker.")
        except BandmasterError as error:
            logger.debug("the workers of run %s cannot be told to %s: %s",
                         self._run_id, method, error)  # fmt: skip
            return
        call_workers(workers, key, method, argument)
