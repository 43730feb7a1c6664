"""The thread that drives a run: shows what finished, keeps the time, says what is amiss."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from bandmaster.asynccomm.dispatcher import Dispatcher
from bandmaster.asynccomm.sessions import Session
from bandmaster.asynccomm.silence import Trouble, clock_time, explain_silence
from bandmaster.errors import StudyPoisonedError
from bandmaster.study.follower import Follower

__all__ = ["Driver"]

logger = logging.getLogger(__name__)

_SHOW_EVERY = 0.02  # seconds; finished evaluations are shown in bundles when they come fast


class Driver:
    """Waits until a dispatcher's study is over.

    Parameters
    ----------
    dispatcher : Dispatcher
    follower : Follower
        Sees each evaluation once, in order.
    timeout : float, optional
        Seconds after which nothing is issued any more. Evaluations that are running are asked to
        stop, and end with status STOPPED after `grace` more seconds.
    grace : float or None, default 5.0
        None lets what is running end.
    give_up : callable, optional
        Gets each Session whose evaluation was ended that way.
    warn_after : float, default 30.0
        Seconds without any news after which a warning says why.
    trouble : callable, optional
        As in `explain_silence`.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        follower: Follower,
        *,
        timeout: float | None = None,
        grace: float | None = 5.0,
        give_up: Callable[[Session], None] | None = None,
        warn_after: float = 30.0,
        trouble: Callable[[], Trouble | None] | None = None,
    ) -> None:
        self._dispatcher = dispatcher
        self._study = dispatcher.study
        self._follower = follower
        self._timeout = timeout
        self._grace = grace
        self._give_up = give_up
        self._warn_after = warn_after
        self._trouble = trouble

    def run(self) -> None:
        """Return when nothing is out and nothing will start, or the dispatcher drained or closed.

        All that the run did is stored then.

        Raises
        ------
        Exception
            What the user's optimizer, generator or callback raised.
        StorageError
            When the storage will not keep the last of it.
        """
        study, dispatcher, started = self._study, self._dispatcher, time.monotonic()
        deadline = None if self._timeout is None else started + self._timeout
        kill_at: float | None = None
        quiet_since, patience = started, self._warn_after
        seen = study.position
        while True:
            position, before = study.position, seen
            seen = position
            shown = self._follower.catch_up()
            self._raise_failure()
            if study.finished or dispatcher.drained or dispatcher.closed:
                dispatcher.note_drain()  # who drained may not have come to it
                self._follower.catch_up()
                self._wait_for_storage()
                return
            dispatcher.wake()
            now = time.monotonic()
            if deadline is not None and now >= deadline:
                study.stop(f"timeout of {self._timeout:g} s", cause="timeout")
                for _, held in dispatcher.sessions.running():
                    dispatcher.ask_to_stop(held.job, held.attempt)
                deadline, kill_at = None, None if self._grace is None else now + self._grace
                continue
            if kill_at is not None and now >= kill_at:
                self._abandon_all()
                kill_at = None
                continue
            if now - quiet_since >= patience:
                silence = explain_silence(dispatcher, now - quiet_since, trouble=self._trouble)
                logger.warning("%s", silence)
                patience *= 2
            moments = (deadline, kill_at, quiet_since + patience)
            until = min(moment for moment in moments if moment is not None)
            if shown or position != before:
                # Busy: to be woken by every event would cost as much as dispatching does.
                time.sleep(min(_SHOW_EVERY, max(0.0, until - time.monotonic())))
                changed = True
            else:
                changed = self._wait(position, until - time.monotonic())
            if changed:
                quiet_since, patience = time.monotonic(), self._warn_after

    def _wait_for_storage(self) -> None:
        """Whoever gets the result may rely on it; the workers' own answers may still be waiting."""
        study, run = self._study, self._dispatcher.run_id or "local"
        if not study.waits_for_storage:
            return
        since = time.monotonic()

        def complain() -> None:
            logger.warning(
                "Run %r is over, but since %s the storage has not confirmed the last of it",
                run, clock_time(time.monotonic() - since),
            )  # fmt: skip

        timer = threading.Timer(self._warn_after, complain)
        timer.start()
        try:
            study.wait_durable(study.position)
        finally:
            timer.cancel()
            timer.join()

    def _wait(self, position: int, seconds: float) -> bool:
        study, dispatcher = self._study, self._dispatcher
        return study.wait_for(
            lambda: (
                study.position != position or dispatcher.failure is not None or dispatcher.closed
            ),
            max(0.0, seconds),
        )

    def _raise_failure(self) -> None:
        if self._dispatcher.failure is not None:
            raise self._dispatcher.failure
        try:
            _ = self._study.ready
        except StudyPoisonedError as error:
            raise (error.__cause__ or error) from None

    def _abandon_all(self) -> None:
        """End what is still out: jobs at our workers, and those of workers that never came back."""
        holders = {held.job: session for session, held in self._dispatcher.sessions.running()}
        for entry in self._study.open_jobs:
            reason = self._study.stopped or "the run was stopped"
            self._dispatcher.cancel(entry.job, reason)
            session = holders.get(entry.job.number)
            if session is not None and self._give_up is not None:
                self._give_up(session)
