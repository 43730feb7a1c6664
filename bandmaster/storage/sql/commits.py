"""One commit of a writer: the fence is checked, the position noted, the rows inserted."""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.pool import PoolProxiedConnection

from bandmaster.storage.sql.backend import Backend
from bandmaster.storage.sql.lease import Lease, lost
from bandmaster.storage.sql.tables import events, studies

__all__ = ["Commits", "Row"]

Row = tuple[int, bytes]


class Commits:
    """The connection of a writer, and the statements that it runs all the time.

    They are compiled once and run on the driver's cursor: SQLAlchemy's execution would take
    longer than the database itself. Not thread-safe: one thread uses it. The driver's errors pass
    through (`Backend.driver_errors`).

    Parameters
    ----------
    backend : Backend
    lease : Lease
    """

    def __init__(self, backend: Backend, lease: Lease) -> None:
        self._backend = backend
        self._lease = lease
        self._connection: PoolProxiedConnection | None = None
        self._cursor: DBAPICursor | None = None
        self._mine = {"my_study": lease.study_id, "my_fence": lease.fence}
        self._until = {**self._mine, "my_seconds": lease.seconds}
        mine = sa.and_(
            studies.c.id == sa.bindparam("my_study"), studies.c.fence == sa.bindparam("my_fence")
        )
        until = backend.now + sa.bindparam("my_seconds", type_=sa.Float)
        update = studies.update().where(mine)
        self._advance = _Statement(
            backend,
            update.values(
                position=sa.bindparam("new_position"),
                checksum=sa.bindparam("new_checksum"),
                lease_until=until,
            ),
        )
        self._renew = _Statement(backend, update.values(lease_until=until))
        self._release = _Statement(
            backend, update.values(holder=sa.null(), lease_until=sa.literal_column("0"))
        )
        # Locked (where rows can be): a commit that the server is still at has to be over first.
        position = sa.select(studies.c.position).where(mine).with_for_update()
        self._position = _Statement(backend, position)
        self._insert = _Statement(backend, events.insert())
        self._row = self._insert.binder("study_id", "seq", "data")

    def commit(self, rows: list[Row], position: int, check: int) -> None:
        """Make rows durable, which brings the study to `position`.

        Raises
        ------
        StorageError
            When the lease is lost: nothing was written.
        Exception
            The driver's, when the database refused or was not reached; whether it has the rows is
            open.
        """
        cursor = self._begin()
        self._advance.run(cursor, {**self._until, "new_position": position, "new_checksum": check})
        self._demand(cursor)
        bind, study = self._row, self._lease.study_id
        self._insert.run_many(cursor, [bind((study, seq, data)) for seq, data in rows])
        self._commit()

    def renew(self) -> None:
        """Make the lease last from now. Raises as `commit`."""
        cursor = self._begin()
        self._renew.run(cursor, self._until)
        self._demand(cursor)
        self._commit()

    def position(self) -> int:
        """Return how many events the database has. Raises as `commit`."""
        cursor = self._begin()
        self._position.run(cursor, self._mine)
        found = cursor.fetchone()
        self._commit()
        if found is None:
            raise lost(self._backend, self._lease)
        return int(found[0])

    def release(self) -> None:
        """Let the next one have the study. Raises as `commit`."""
        cursor = self._begin()
        self._release.run(cursor, self._mine)
        self._commit()

    def disconnect(self) -> None:
        """Give the connection up, in whatever state it is."""
        connection, self._connection = self._connection, None
        cursor, self._cursor = self._cursor, None
        if cursor is not None:
            # The traceback of an error may keep it, and it SQLite's file open.
            with contextlib.suppress(self._backend.driver_errors):
                cursor.close()
        if connection is not None:
            connection.invalidate()
            connection.close()

    def _begin(self) -> DBAPICursor:
        if self._connection is None:
            self._connection = self._backend.engine.raw_connection()
        if self._cursor is None:
            self._cursor = self._connection.cursor()
        if self._backend.begin_statement:
            self._cursor.execute(self._backend.begin_statement)
        return self._cursor

    def _commit(self) -> None:
        assert self._connection is not None, "begun"
        self._connection.commit()

    def _demand(self, cursor: DBAPICursor) -> None:
        """Go on only if the study's fence is ours."""
        if cursor.rowcount != 1:
            self.disconnect()
            raise lost(self._backend, self._lease)


class _Statement:
    """A compiled statement in the driver's own words."""

    def __init__(self, backend: Backend, statement: Any) -> None:
        compiled = statement.compile(dialect=backend.engine.dialect)
        self._text = str(compiled)
        self._order: list[str] | None = compiled.positiontup  # None: parameters go by name

    def run(self, cursor: DBAPICursor, values: Mapping[str, Any]) -> None:
        bound = values if self._order is None else tuple(values[name] for name in self._order)
        cursor.execute(self._text, bound)

    def run_many(self, cursor: DBAPICursor, rows: list[Any]) -> None:
        cursor.executemany(self._text, rows)

    def binder(self, *names: str) -> Callable[[tuple[Any, ...]], Any]:
        """Return what makes the driver's parameters of values that come in the order of names."""
        if self._order is None:
            return lambda values: dict(zip(names, values, strict=True))
        return operator.itemgetter(*(names.index(name) for name in self._order))
