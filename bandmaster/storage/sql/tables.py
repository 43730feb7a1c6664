"""The tables, and how older ones become these."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable

import sqlalchemy as sa

from bandmaster.core import codec
from bandmaster.core.events import from_data
from bandmaster.errors import StorageError, StudyBusyError
from bandmaster.storage.compact import Compactor
from bandmaster.storage.sql.backend import Backend

__all__ = ["SCHEMA_VERSION", "events", "prepare", "schema", "studies"]

logger = logging.getLogger(__name__)

SCHEMA_VERSION = 2

_metadata = sa.MetaData()

schema = sa.Table(
    "bandmaster_schema",
    _metadata,
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("identity", sa.String(32), nullable=False),  # of this database, for its mark
)

studies = sa.Table(
    "bandmaster_studies",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("name", sa.String(200), nullable=False, unique=True),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("fence", sa.BigInteger, nullable=False, default=0),  # grows with each new writer
    sa.Column("holder", sa.Text),  # Holder.to_text; NULL: free
    sa.Column("lease_until", sa.Float, nullable=False, default=0.0),
    sa.Column("position", sa.BigInteger, nullable=False, default=0),  # events that are durable
    sa.Column("checksum", sa.BigInteger, nullable=False, default=0),  # of all of them
    sqlite_autoincrement=True,  # the number of a deleted study is not given again
)

# No rowid: the rows lie in the order of the key, once.
events = sa.Table(
    "bandmaster_events",
    _metadata,
    sa.Column("study_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("data", sa.LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)


def prepare(backend: Backend, *, create: bool = True) -> str:
    """Make the tables, or bring older ones up to date; return the database's identity.

    Raises
    ------
    StorageError
        When a newer version made them, a study is being written by an older one, or there are
        none and `create` is false.
    """
    with backend.read() as connection:
        found = _version(connection, backend)
    if found is None and not create:
        raise StorageError(f"{backend.where} holds no studies")
    if found is None or found[0] < SCHEMA_VERSION:
        with backend.write() as connection:
            backend.lock_schema(connection)
            found = _version(connection, backend)  # another process may have been first
            if found is None:
                found = _create(connection)
            elif found[0] < SCHEMA_VERSION:
                _migrate(connection, found[0], backend)
                found = (SCHEMA_VERSION, found[1])
    version, identity = found
    if version > SCHEMA_VERSION:
        raise StorageError(
            f"{backend.where} has tables of version {version}; this version of bandmaster knows "
            f"them up to {SCHEMA_VERSION}: upgrade bandmaster"
        )
    return identity


def _version(connection: sa.Connection, backend: Backend) -> tuple[int, str] | None:
    if not sa.inspect(connection).has_table(schema.name):
        return None
    row = connection.execute(sa.select(schema.c.version, schema.c.identity)).one_or_none()
    if row is None or type(row.version) is not int or type(row.identity) is not str:
        raise StorageError(
            f"{backend.where} is damaged: its version cannot be read; restore it from a backup"
        )
    return row.version, row.identity


def _create(connection: sa.Connection) -> tuple[int, str]:
    _metadata.create_all(connection)
    identity = secrets.token_hex(16)
    connection.execute(schema.insert().values(version=SCHEMA_VERSION, identity=identity))
    return SCHEMA_VERSION, identity


def _migrate(connection: sa.Connection, version: int, backend: Backend) -> None:
    busy = connection.execute(
        sa.select(studies.c.name).where(
            studies.c.holder.is_not(None), studies.c.lease_until > backend.now
        )
    ).scalar()
    if busy is not None:
        raise StudyBusyError(
            f"{backend.where} has to be brought up to date, but study {busy!r} is being written "
            "by an older version of bandmaster: let it finish first"
        )
    while version < SCHEMA_VERSION:
        logger.warning(
            "%s: the tables are brought from version %d to %d", backend.where, version, version + 1
        )
        _MIGRATIONS[version](connection)
        version += 1
    connection.execute(schema.update().values(version=version))


def _from_1(connection: sa.Connection) -> None:
    """Version 1 kept plain events, without checksums and positions."""
    quote = connection.dialect.identifier_preparer.format_table(studies)
    for column in ("position", "checksum"):
        connection.exec_driver_sql(
            f"ALTER TABLE {quote} ADD COLUMN {column} BIGINT NOT NULL DEFAULT 0"
        )
    for study_id in connection.execute(sa.select(studies.c.id)).scalars().all():
        mine = events.c.study_id == study_id
        compactor = Compactor()
        rows = connection.execute(
            sa.select(events.c.data).where(mine).order_by(events.c.seq)
        ).scalars()
        stored = compactor.encode([from_data(codec.unpack(row)) for row in rows])
        connection.execute(events.delete().where(mine))
        if stored:
            connection.execute(
                events.insert(),
                [
                    {"study_id": study_id, "seq": seq, "data": data}
                    for seq, data in enumerate(stored)
                ],
            )
        connection.execute(
            studies.update()
            .where(studies.c.id == study_id)
            .values(position=compactor.position, checksum=compactor.check)
        )


_MIGRATIONS: dict[int, Callable[[sa.Connection], None]] = {1: _from_1}
