"""One commit of a writer: the fence is checked, the position noted, the rows inserted."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from bandmaster.storage.sql.backend import Backend
from bandmaster.storage.sql.lease import Lease, lost
from bandmaster.storage.sql.tables import events, studies

__all__ = ["Commits"]

Row = tuple[int, bytes]


class Commits:
    """The connection of a writer, and the statements that it runs all the time.

    Not thread-safe: one thread uses it.

    Parameters
    ----------
    backend : Backend
    lease : Lease
    """

    def __init__(self, backend: Backend, lease: Lease) -> None:
        self._backend = backend
        self._lease = lease
        self._connection: sa.Connection | None = None
        mine = sa.and_(studies.c.id == lease.study_id, studies.c.fence == lease.fence)
        until = backend.now + lease.seconds
        self._advance = (
            studies.update()
            .where(mine)
            .values(
                position=sa.bindparam("new_position"),
                checksum=sa.bindparam("new_checksum"),
                lease_until=until,
            )
        )
        self._renew = studies.update().where(mine).values(lease_until=until)
        self._release = studies.update().where(mine).values(holder=None, lease_until=0.0)
        self._where_we_are = sa.select(studies.c.position, studies.c.checksum).where(mine)
        insert = events.insert().compile(dialect=backend.engine.dialect)
        self._insert = str(insert)
        # None: the driver wants a mapping for each row, not a tuple.
        self._columns: list[str] | None = insert.positiontup

    def commit(self, rows: list[Row], position: int, check: int) -> None:
        """Make rows durable, which brings the study to `position`.

        Raises
        ------
        StorageError
            When the lease is lost: nothing was written.
        sqlalchemy.exc.DBAPIError
            When the database refused, or was not reached; whether it has the rows is open.
        """
        connection = self._open()
        with self._backend.begin_write(connection):
            done = connection.execute(
                self._advance, {"new_position": position, "new_checksum": check}
            )
            if done.rowcount != 1:
                raise lost(connection, self._lease)
            connection.exec_driver_sql(self._insert, [self._parameters(row) for row in rows])

    def renew(self) -> None:
        """Make the lease last from now. Raises as `commit`."""
        connection = self._open()
        with self._backend.begin_write(connection):
            if connection.execute(self._renew).rowcount != 1:
                raise lost(connection, self._lease)

    def has(self, position: int, check: int) -> bool:
        """Whether a commit whose answer was lost was made. Raises as `commit`."""
        connection = self._open()
        with connection.begin():
            found = connection.execute(self._where_we_are).one_or_none()
            if found is None:
                raise lost(connection, self._lease)
            return (found.position, found.checksum) == (position, check)

    def release(self) -> None:
        """Let the next one have the study. Raises as `commit`."""
        connection = self._open()
        with self._backend.begin_write(connection):
            connection.execute(self._release)

    def disconnect(self) -> None:
        """Close the connection, in whatever state it is."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.invalidate()
            connection.close()

    def close(self) -> None:
        """Close the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _open(self) -> sa.Connection:
        if self._connection is None:
            self._connection = self._backend.connect()
        return self._connection

    def _parameters(self, row: Row) -> Any:
        values = {"study_id": self._lease.study_id, "seq": row[0], "data": row[1]}
        return values if self._columns is None else tuple(values[c] for c in self._columns)
