"""The thread that commits what a journal was handed."""

from __future__ import annotations

import logging
import threading
import time

from bandmaster.errors import StorageError
from bandmaster.storage.sql.backend import Backend, Failure
from bandmaster.storage.sql.commits import Commits, Row
from bandmaster.storage.sql.lease import Lease
from bandmaster.storage.sql.mark import Mark

__all__ = ["Writer"]

logger = logging.getLogger(__name__)

_RENEWALS = 3  # a lease's time
_FIRST_DELAY, _LAST_DELAY = 0.05, 2.0  # s between attempts, doubling


class Writer:
    """Commits all that is pending in one transaction, again and again; renews the lease.

    While one commit is under way the next rows gather, so the more there is to do the larger the
    groups become. Threads wait on one condition; nothing polls.

    Parameters
    ----------
    backend : Backend
    lease : Lease
    mark : Mark, optional
        Where to note positions; already open.
    """

    def __init__(self, backend: Backend, lease: Lease, mark: Mark | None) -> None:
        self._backend = backend
        self._lease = lease
        self._mark = mark
        self._commits = Commits(backend, lease)
        self._changed = threading.Condition()
        self._pending: list[Row] = []
        self._check = lease.check  # after all that is pending
        self._durable = lease.position
        self._waiting: list[tuple[int, threading.Lock]] = []  # a waiter each, woken on its own
        self._error: StorageError | None = None
        self._told = False  # whether anyone has got the error
        self._closing = False
        self._thread = threading.Thread(target=self._run, name=f"journal {lease.name}", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def put(self, rows: list[Row], check: int) -> None:
        """Take rows over; `check` is the checksum after them.

        Raises
        ------
        StorageError
            When nothing can be written any more.
        """
        with self._changed:
            self._raise_if_failed()
            if self._closing:
                raise StorageError(f"the journal of study {self._lease.name!r} is closed")
            self._pending.extend(rows)
            self._check = check
            self._changed.notify()

    def wait(self, position: int) -> None:
        """Return when everything before `position` is durable.

        Raises
        ------
        StorageError
            When it will never be.
        """
        if self._durable >= position:  # it only grows, so a look needs no lock
            return
        with self._changed:
            if self._durable >= position:
                return
            self._raise_if_failed()
            signal = threading.Lock()
            signal.acquire()
            self._waiting.append((position, signal))
        signal.acquire()  # released when it is durable, or never will be
        if self._durable < position:
            with self._changed:
                self._raise_if_failed()

    def rewind(self, position: int, check: int) -> None:
        """Go on from an earlier position than the lease said (nothing is pending yet)."""
        with self._changed:
            self._durable, self._check = position, check

    def close(self) -> None:
        """Commit what is pending, release the lease, end the thread.

        Raises
        ------
        StorageError
            When something that was handed over is not durable, and nobody was told yet.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()
        with self._changed:
            if self._pending and not self._told:
                self._raise_if_failed()

    # -- in the thread ----------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while self._step():
                pass
            self._try_to_release()
        except StorageError as error:
            self._fail(error)
        except Exception as error:
            logger.exception("The writer of study %r failed", self._lease.name)
            self._fail(StorageError(f"the writer of study {self._lease.name!r} failed: {error!r}"))
        finally:
            self._lease.holder.retire()
            self._commits.disconnect()
            if self._mark is not None:
                self._mark.close()

    def _step(self) -> bool:
        """Wait for work and do it; False when the journal is closed and nothing is left."""
        with self._changed:
            if not self._pending and not self._closing:
                self._changed.wait(self._lease.seconds / _RENEWALS)
            rows, check = list(self._pending), self._check
            if not rows and self._closing:
                return False
        if rows:
            position = rows[-1][0] + 1
            self._commit(rows, position, check)
            if self._mark is not None:
                self._mark.write(self._lease.study_id, position, check)
            with self._changed:
                del self._pending[: len(rows)]
                self._durable = position
                self._wake(position)
        else:
            self._renew()
        return True

    def _commit(self, rows: list[Row], position: int, check: int) -> None:
        started = delay = 0.0
        attempts = 0
        while True:
            try:
                if not attempts or not self._commits.has(position, check):
                    self._commits.commit(rows, position, check)
                break
            except self._backend.driver_errors as error:
                self._commits.disconnect()
                attempts += 1
                if attempts == 1:
                    started, delay = time.monotonic(), _FIRST_DELAY
                self._give_up_or_warn(error, attempts, started, len(rows))
            with self._changed:
                # Not woken by new rows: they do not make the database come back.
                self._changed.wait_for(lambda: self._error is not None, delay)
            delay = min(2 * delay, _LAST_DELAY)
        if attempts:
            logger.warning(
                "Study %r: %s took the %d events after %.1f s",
                self._lease.name,
                self._backend.where,
                len(rows),
                time.monotonic() - started,
            )

    def _give_up_or_warn(
        self, error: Exception, attempts: int, started: float, n_rows: int
    ) -> None:
        ours = self._backend.storage_error(error)
        left = self._backend.retry_seconds - (time.monotonic() - started)
        if self._backend.judge(error) is Failure.FINAL or left <= 0:
            raise StorageError(
                f"study {self._lease.name!r} could not be written: {ours}; "
                f"{self._durable} events are durable, {n_rows} are lost"
            ) from error
        if attempts == 1 or attempts % 10 == 0:
            logger.warning(
                "Study %r could not be written: %s; trying again for %.0f s",
                self._lease.name,
                ours,
                left,
            )

    def _renew(self) -> None:
        try:
            self._commits.renew()
        except self._backend.driver_errors as error:
            self._commits.disconnect()
            if self._backend.judge(error) is Failure.FINAL:
                raise self._backend.storage_error(error) from error
            logger.warning(
                "Study %r: the lease could not be renewed: %s; trying again",
                self._lease.name,
                self._backend.storage_error(error),
            )

    def _try_to_release(self) -> None:
        try:
            self._commits.release()
        except self._backend.driver_errors as error:
            self._commits.disconnect()
            logger.warning(
                "Study %r: the lease could not be released: %s; it runs out in %g s",
                self._lease.name,
                self._backend.storage_error(error),
                self._lease.seconds,
            )

    def _fail(self, error: StorageError) -> None:
        logger.error("%s", error)
        with self._changed:
            self._error = error
            self._wake(None)

    def _wake(self, position: int | None) -> None:
        """Wake who waits for no more than `position` (None: all), and nobody else."""
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            if position is None or waiter[0] <= position:
                waiter[1].release()
            else:
                self._waiting.append(waiter)

    def _raise_if_failed(self) -> None:
        if self._error is not None:
            self._told = True
            raise StorageError(str(self._error)) from self._error
