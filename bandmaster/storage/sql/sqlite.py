"""SQLite: one file, for the processes of one machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from bandmaster.errors import ConfigurationError, StorageError
from bandmaster.storage.sql.backend import Backend, Failure
from bandmaster.storage.sql.mark import Mark

__all__ = ["SqliteBackend"]

_BUSY_SECONDS = 5.0
_SYNCHRONOUS = {"full": "FULL", "normal": "NORMAL"}


class SqliteBackend(Backend):
    """A file in WAL mode: readers never wait for the writer.

    Options: ``synchronous=full`` (default: what was acknowledged survives a power cut) or
    ``normal`` (survives the death of processes, not a power cut).
    """

    options = ("retry", "synchronous")
    begin_statement = "BEGIN IMMEDIATE"  # a reader that turns writer later could only fail
    now = sa.literal_column("((julianday('now') - 2440587.5) * 86400.0)", sa.Float)

    def __init__(self, url: sa.URL, options: Mapping[str, str]) -> None:
        if not url.database or url.database == ":memory:":
            raise ConfigurationError(
                "an SQLite storage needs a file, e.g. sqlite:///search.db; for one in memory "
                "give memory://"
            )
        synchronous = options.get("synchronous", "full").lower()
        if synchronous not in _SYNCHRONOUS:
            raise ConfigurationError(
                f"synchronous={synchronous!r}: choose one of {', '.join(_SYNCHRONOUS)}"
            )
        super().__init__(url, options, {"check_same_thread": False, "timeout": _BUSY_SECONDS})
        self._path = Path(url.database)
        self._synchronous = _SYNCHRONOUS[synchronous]
        self._refuse_what_sqlite_would_wipe()
        sa.event.listen(self.engine, "connect", self._connected)
        sa.event.listen(self.engine, "begin", _begin)

    def judge(self, error: BaseException) -> Failure:
        """Locks end, and room may be made."""
        text = str(error)
        return Failure.AGAIN if "is locked" in text or "is full" in text else Failure.FINAL

    def hint(self, text: str) -> str:
        """Return what the user may do about an error, or nothing."""
        if "is locked" in text:
            return f"another program has kept it locked for {_BUSY_SECONDS:g} s"
        if "unable to open" in text:
            folder = self._path.absolute().parent
            return "may this user write there?" if folder.is_dir() else f"there is no {folder}"
        if "readonly" in text:
            return "make the file and its folder writable"
        if "malformed" in text or "not a database" in text or "disk I/O" in text:
            return "the file is damaged: restore it from a backup"
        return (
            "make room, then start again: what was acknowledged is kept" if "full" in text else ""
        )

    def lock_schema(self, connection: sa.Connection) -> None:
        """Nothing to do: a writing transaction keeps all others out."""

    def add_study(self, connection: sa.Connection, table: sa.Table, values: dict[str, Any]) -> None:
        """Insert a row unless its name is there."""
        connection.execute(insert(table).values(values).on_conflict_do_nothing())

    def mark(self, identity: str) -> Mark:
        """Return the mark beside the file."""
        return Mark(self._path.with_name(self._path.name + "-mark"), identity)

    def begin_write(self, connection: sa.Connection) -> sa.RootTransaction:
        """Begin with the lock."""
        return connection.execution_options(bandmaster_write=True).begin()

    def _connected(self, connection: Any, record: object) -> None:
        connection.isolation_level = None  # it is us who begin transactions
        cursor = connection.cursor()
        try:
            if cursor.execute("PRAGMA journal_mode").fetchone() != ("wal",):
                cursor.execute("PRAGMA journal_mode = WAL")
            cursor.execute(f"PRAGMA synchronous = {self._synchronous}")
        finally:
            cursor.close()

    def _refuse_what_sqlite_would_wipe(self) -> None:
        """SQLite takes an empty file for a new database and deletes the WAL beside it."""
        wal = self._path.with_name(self._path.name + "-wal")
        try:
            if self._path.stat().st_size == 0 and wal.stat().st_size > 0:
                raise StorageError(
                    f"{self._path} is empty, but {wal.name} beside it is not: the file was cut. "
                    "Restore it from a backup, or move both away to start anew"
                )
        except FileNotFoundError:
            return


def _begin(connection: sa.Connection) -> None:
    write = connection.get_execution_options().get("bandmaster_write")
    connection.exec_driver_sql(SqliteBackend.begin_statement if write else "BEGIN")
