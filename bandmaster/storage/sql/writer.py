"""Who commits what a journal was handed: whoever waits for it, or else a thread."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable

from bandmaster.errors import StorageError
from bandmaster.storage.sql.backend import Backend, Failure
from bandmaster.storage.sql.commits import Commits, Row
from bandmaster.storage.sql.lease import Lease, lost
from bandmaster.storage.sql.mark import Mark
from bandmaster.storage.sql.pulse import Pulse

__all__ = ["Writer"]

logger = logging.getLogger(__name__)

_RENEWALS = 3  # a lease's time
_FIRST_DELAY, _LAST_DELAY = 0.05, 2.0  # s between attempts, doubling
_LINGER = 0.05  # s for which rows may lie that nobody waits for


class Writer:
    """Commits all that is pending in one transaction, again and again; renews the lease.

    Who waits for rows commits all that is pending itself, unless somebody is at it: no thread has
    to be woken. While one commit is under way the next rows gather, so the more there is to do the
    larger the groups become. A thread commits rows that nobody waits for, and renews the lease
    when nothing else does.

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
        self._committing = threading.Lock()  # guards what uses the database
        self._commits = Commits(backend, lease)
        self._mark = mark
        self._in_doubt = False  # whether the database may have what is pending
        self._pulse = Pulse(lease.seconds)  # felt when we are at the database
        self._lock = threading.Lock()  # guards the rest; taken after the other, if both
        self._work = threading.Condition(self._lock)
        self._pending: list[Row] = []
        self._handed = lease.position  # after all that is pending
        self._check = lease.check  # likewise
        self._durable = lease.position
        self._called = False  # whether the thread knows of what is pending
        self._error: StorageError | None = None
        self._told = False  # whether anyone has got the error
        self._on_failure: Callable[[StorageError], None] | None = None
        self._closing, self._ended = threading.Event(), threading.Event()
        self._pid: int | None = None  # where the thread is
        self._thread = threading.Thread(target=self._run, name=f"journal {lease.name}", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()
        self._pid = os.getpid()

    def put(self, rows: list[Row], check: int) -> None:
        """Take rows over; `check` is the checksum after them.

        Raises
        ------
        StorageError
            When nothing can be written any more.
        """
        with self._lock:
            if self._error is not None:
                raise self._failure()
            if self._closing.is_set():
                raise StorageError(f"the journal of study {self._lease.name!r} is closed")
            self._pending += rows
            self._handed += len(rows)
            self._check = check
            if not self._called:
                self._called = True
                self._work.notify()

    def wait(self, position: int) -> None:
        """Return when everything before `position` is durable.

        Raises
        ------
        StorageError
            When it will never be.
        """
        if self._durable >= position:  # it only grows, so a look needs no lock
            return
        with self._committing:
            if self._durable < position:
                self._commit_pending()
        if self._durable < position:
            raise self._failure()

    def watch(self, on_failure: Callable[[StorageError], None]) -> None:
        """Have `on_failure` called, without our locks but `_committing`, when nothing can be done.

        At once if that is so already.
        """
        with self._lock:
            self._on_failure, error = on_failure, self._error
        if error is not None:
            on_failure(error)

    def rewind(self, position: int, check: int) -> None:
        """Go on from an earlier position than the lease said (nothing is pending yet)."""
        with self._lock:
            self._handed = self._durable = position
            self._check = check

    def close(self) -> None:
        """Commit what is pending, release the lease, end the thread.

        Raises
        ------
        StorageError
            When something that was handed over is not durable, and nobody was told yet.
        """
        with self._lock:
            self._closing.set()
            self._work.notify()
        # A join that Ctrl-C ends takes the thread for ended, so that the next returns at once.
        if self._pid == os.getpid():  # a fork has no such thread
            self._ended.wait()
        self._thread.join()
        if self._durable < self._handed and not self._told:
            raise self._failure()

    # -- in the thread ----------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while not self._closing.is_set() and self._error is None:
                self._step()
            with self._committing:
                self._commit_pending()
                if self._error is None:
                    self._guarded(self._release)
        finally:
            try:
                self._let_go()
            finally:
                self._ended.set()

    def _let_go(self) -> None:
        self._lease.holder.retire()
        with self._committing:
            self._commits.disconnect()
            if self._mark is not None:
                self._mark.close()

    def _step(self) -> None:
        """Wait until there is something to commit, or for the time to renew; see to it."""
        interval = self._lease.seconds / _RENEWALS
        with self._lock:
            if not self._called and not self._closing.is_set():
                self._work.wait(interval)
            called, self._called = self._called, False
            handed = self._handed
        if called:
            self._closing.wait(min(_LINGER, interval))  # somebody may be about to wait for it
            if self._durable < handed:
                with self._committing:
                    self._commit_pending()
        elif time.monotonic() - self._pulse.last >= interval / 2:
            with self._committing:
                self._guarded(self._renew)

    # -- `_committing` is held --------------------------------------------------------------------

    def _commit_pending(self) -> None:
        """Make durable what was handed over by now, or fail for good."""
        with self._lock:
            if not self._pending or self._error is not None:
                return
            rows, check = self._pending[:], self._check
        self._guarded(lambda: self._commit(rows, check))

    def _guarded(self, action: Callable[[], None]) -> None:
        """Work with the database; an error ends the writer."""
        try:
            self._check_awake()
            action()
        except StorageError as error:
            self._fail(error)
        except Exception as error:
            logger.exception("The writer of study %r failed", self._lease.name)
            self._fail(StorageError(f"the writer of study {self._lease.name!r} failed: {error!r}"))
        except BaseException:  # Ctrl-C: this may be any thread
            self._in_doubt = True
            self._commits.disconnect()
            raise

    def _check_awake(self, *, planned: float = 0.0) -> None:
        """Refuse to go on after a lease's time in which this process did not run."""
        stopped = self._pulse.feel(planned=planned)
        if stopped is not None:
            raise lost(self._backend, self._lease, stopped)

    def _commit(self, rows: list[Row], check: int) -> None:
        position = rows[-1][0] + 1
        started, delay = self._pulse.last, _FIRST_DELAY
        attempts = 0
        while True:
            try:
                self._attempt(rows, position, check)
                break
            except self._backend.driver_errors as error:
                self._in_doubt = True
                self._commits.disconnect()
                attempts += 1
                self._give_up_or_warn(error, attempts, started, len(rows))
            self._pulse.feel()  # to wait for a database is not to be stopped
            time.sleep(delay)
            self._check_awake(planned=delay)
            delay = min(2 * delay, _LAST_DELAY)
        if attempts:
            logger.warning(
                "Study %r: %s took the %d events after %.1f s",
                self._lease.name,
                self._backend.where,
                len(rows),
                time.monotonic() - started,
            )
        if self._mark is not None:
            self._mark.write(self._lease.study_id, position, check)
        with self._lock:
            self._durable = position  # first: an interrupt in between loses nothing
            del self._pending[: len(rows)]

    def _attempt(self, rows: list[Row], position: int, check: int) -> None:
        if self._in_doubt:  # the answer to a commit was lost, or not waited for
            found = self._commits.position()
            rows = [row for row in rows if row[0] >= found]
            self._in_doubt = False
        if rows:
            self._commits.commit(rows, position, check)

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

    def _release(self) -> None:
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

    # -- errors -----------------------------------------------------------------------------------

    def _fail(self, error: StorageError) -> None:
        logger.error("%s", error)
        with self._lock:
            self._error = error
            self._work.notify()
            tell = self._on_failure
        if tell is not None:
            tell(error)

    def _failure(self) -> StorageError:
        """Return the error for one who asks for what will not be."""
        self._told = True
        failure = StorageError(str(self._error))
        failure.__cause__ = self._error
        return failure
