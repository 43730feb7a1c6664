"""Many studies in one database."""

from __future__ import annotations

import logging
import threading
from contextlib import ExitStack
from pathlib import Path

import sqlalchemy as sa

from bandmaster.core.seconds import check_seconds
from bandmaster.errors import ConfigurationError, StorageError, StudyBusyError
from bandmaster.storage.base import LEASE_SECONDS, Journal, Storage, StudySummary, check_name
from bandmaster.storage.holder import Holder
from bandmaster.storage.sql.backend import Backend, Failure
from bandmaster.storage.sql.journal import SqlJournal, SqlReader
from bandmaster.storage.sql.lease import Lease, acquire, find, release, revoke
from bandmaster.storage.sql.mark import Mark
from bandmaster.storage.sql.postgresql import PostgresBackend
from bandmaster.storage.sql.sqlite import SqliteBackend
from bandmaster.storage.sql.tables import prepare, studies
from bandmaster.storage.sql.writer import Writer

__all__ = ["BACKENDS", "SqlStorage"]

logger = logging.getLogger(__name__)

BACKENDS: dict[str, type[SqliteBackend] | type[PostgresBackend]] = {
    "sqlite": SqliteBackend,
    "postgresql+psycopg": PostgresBackend,
}
_STANDBY_SECONDS = 1.0  # how often one that stands by looks, at most


class SqlStorage(Storage):
    """Studies in SQLite or PostgreSQL.

    Parameters
    ----------
    url : str
        SQLAlchemy's form; see `open_storage` for the options.
    create : bool, default True
        Whether to make what is not there.

    Raises
    ------
    ConfigurationError
        When the URL is wrong.
    StorageError
        When the database cannot be used.
    """

    def __init__(self, url: str, *, create: bool = True) -> None:
        self._backend = _backend(url)
        if not create:
            self._backend.demand()
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._journals: set[SqlJournal] = set()
        self._identity = prepare(self._backend, create=create)

    @property
    def file(self) -> Path | None:
        """The file in which all of it is, of SQLite."""
        return self._backend.file

    def open_journal(
        self,
        name: str,
        *,
        create: bool,
        lease_seconds: float = LEASE_SECONDS,
        owner: str = "",
        standby: bool = False,
    ) -> Journal:
        """Become the writer of a study; see `Storage.open_journal`."""
        self._check()
        check_seconds("lease_seconds", lease_seconds, optional=False, zero=False)
        if create:
            self._create(check_name(name))
        with ExitStack() as undo:  # a lease that is left behind would stand until we end
            holder = Holder.me(owner)
            undo.callback(holder.retire)
            lease = self._acquire(name, holder, float(lease_seconds), standby)
            undo.callback(release, self._backend, lease)
            mark = self._backend.mark(self._identity)
            if mark is not None:
                mark.open()
                undo.callback(mark.close)
                self._compare(lease, mark)
            writer = Writer(self._backend, lease, mark)
            journal = SqlJournal(self._backend, lease, writer, self._forget)
            writer.start()
            undo.pop_all()  # from here on it is the writer's
        with self._lock:
            self._journals.add(journal)
        return journal

    def read_journal(self, name: str) -> Journal:
        """Return a journal that only reads."""
        self._check()
        with self._backend.read() as connection:
            row = find(connection, name, self._backend.where)
        return SqlReader(self._backend, row.id, name)

    def list_studies(self) -> list[StudySummary]:
        """Return what is there, by name."""
        self._check()
        with self._backend.read() as connection:
            now = connection.execute(sa.select(self._backend.now)).scalar_one()
            rows = connection.execute(sa.select(studies).order_by(studies.c.name)).all()
        return [
            StudySummary(
                row.name, row.created, row.position, _writer(row.holder, row.lease_until, now)
            )
            for row in rows
        ]

    def delete_study(self, name: str) -> None:
        """Remove a study with all its events."""
        self._check()
        revoke(self._backend, name, delete=True)

    def revoke(self, name: str) -> None:
        """Take the study from whoever writes it."""
        self._check()
        revoke(self._backend, name)

    def close(self) -> None:
        """Close what is open, journals included; one that stands by gives up."""
        self._closed.set()
        with self._lock:
            journals = list(self._journals)
        with ExitStack() as stack:  # all are closed, even when one cannot keep its events
            stack.callback(self._backend.close)
            for journal in journals:
                stack.callback(journal.close)

    def _check(self) -> None:
        if self._closed.is_set():
            raise StorageError(f"the storage {self._backend.where} is closed")

    def _create(self, name: str) -> None:
        with self._backend.write() as connection:
            self._backend.add_study(
                connection,
                studies,
                {
                    "name": name,
                    "created": connection.execute(sa.select(self._backend.now)).scalar_one(),
                    "fence": 0,
                    "lease_until": 0.0,
                    "position": 0,
                    "checksum": 0,
                },
            )

    def _acquire(self, name: str, holder: Holder, seconds: float, standby: bool) -> Lease:
        waited = False
        while True:
            try:
                return acquire(self._backend, name, holder, seconds)
            except StorageError as error:
                if not standby or not (isinstance(error, StudyBusyError) or self._passes(error)):
                    raise
                if not waited:
                    logger.warning("Standing by: %s", error)
                waited = True
            # No event reaches us from another machine; a look costs one short transaction.
            self._closed.wait(min(_STANDBY_SECONDS, seconds / 4))
            self._check()

    def _passes(self, error: StorageError) -> bool:
        """Whether the database is only locked, or not reached, at present."""
        cause = error.__cause__
        if not isinstance(cause, sa.exc.DBAPIError) or cause.orig is None:
            return False
        return self._backend.judge(cause.orig) is Failure.AGAIN

    def _compare(self, lease: Lease, mark: Mark) -> None:
        """Report when the database has less than was acknowledged."""
        noted = mark.read(lease.study_id)
        if noted is not None and noted[0] > lease.position:
            logger.warning(
                "Study %r in %s has %d events, but %d had been committed: the last %d are lost "
                "(a damaged disk, or an older copy of the file?); it goes on from event %d",
                lease.name, self._backend.where, lease.position, noted[0],
                noted[0] - lease.position, lease.position,
            )  # fmt: skip
        elif noted is not None and noted[0] == lease.position and noted[1] != lease.check:
            logger.warning(
                "Study %r in %s has other events than were committed here before: was the file "
                "replaced?",
                lease.name, self._backend.where,
            )  # fmt: skip
        mark.write(lease.study_id, lease.position, lease.check)

    def _forget(self, journal: SqlJournal) -> None:
        with self._lock:
            self._journals.discard(journal)


def _writer(holder: str | None, lease_until: float, now: float) -> str | None:
    if holder is None or lease_until <= now:
        return None
    other = Holder.from_text(holder)
    return None if other.surely_dead else str(other)


def _backend(text: str) -> Backend:
    try:
        url = sa.make_url(text)
    except sa.exc.ArgumentError as error:
        raise ConfigurationError(f"{text!r} is no storage URL: {error}") from error
    kind = BACKENDS.get(url.drivername)
    if kind is None:
        raise ConfigurationError(
            f"no storage for {url.drivername!r}; there are {', '.join(BACKENDS)} and memory"
        )
    options = {n: v for n, v in url.query.items() if n in kind.options and isinstance(v, str)}
    return kind(url.difference_update_query(list(options)), options)
