"""PostgreSQL: a server, for several machines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from bandmaster.errors import MissingExtraError
from bandmaster.storage.sql.backend import Backend, Failure

__all__ = ["PostgresBackend"]

_SCHEMA_LOCK = 0x62616E646D  # a number that nobody else uses, for pg_advisory_xact_lock
_DEFAULTS = {
    "connect_timeout": "10",
    # A connection whose other end is gone without a word breaks within 15 s.
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "5",
    "tcp_user_timeout": "15000",
    # A writer that is stopped within a transaction must not lock out the next one.
    "options": "-c lock_timeout=5000 -c idle_in_transaction_session_timeout=15000",
}
# Classes of SQLSTATE that may pass: connection, resources, operator intervention, conflicts.
_PASSING = ("08", "25P03", "40", "53", "55", "57")
_CONNECTION = ("OperationalError", "InterfaceError", "ConnectionTimeout")


class PostgresBackend(Backend):
    """A database on a PostgreSQL server, through psycopg.

    libpq's parameters may stand in the URL; ours are defaults only.
    """

    now = sa.literal_column(
        "CAST(extract(epoch FROM clock_timestamp()) AS double precision)", sa.Float
    )

    def __init__(self, url: sa.URL, options: Mapping[str, str]) -> None:
        try:
            import psycopg  # noqa: F401 - to say what to install before anything else fails
        except ImportError:
            raise MissingExtraError("a PostgreSQL storage", "postgresql") from None
        defaults = {name: value for name, value in _DEFAULTS.items() if name not in url.query}
        super().__init__(url, options, defaults)

    def demand(self) -> None:
        """Nothing to do: to connect makes no database."""

    def judge(self, error: BaseException) -> Failure:
        """A lost connection comes back, a restarting server too."""
        state = getattr(error, "sqlstate", None)
        if state is None:  # it did not come from the server: the connection
            return Failure.AGAIN if type(error).__name__ in _CONNECTION else Failure.FINAL
        return Failure.AGAIN if state.startswith(_PASSING) else Failure.FINAL

    def lock_schema(self, connection: sa.Connection) -> None:
        """Keep others from making tables until the transaction ends."""
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_SCHEMA_LOCK)))

    def add_study(self, connection: sa.Connection, table: sa.Table, values: dict[str, Any]) -> None:
        """Insert a row unless its name is there."""
        connection.execute(insert(table).values(values).on_conflict_do_nothing())
