"""SQLite: one file, for the processes of one machine."""

from __future__ import annotations

import os
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
_HEADER = 100  # bytes at the beginning of a database
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
        if url.query:  # a mistyped option would be taken for the default
            raise ConfigurationError(
                f"an SQLite storage has no option {', '.join(map(repr, sorted(url.query)))}; there "
                f"are {', '.join(self.options)}, each once"
            )
        synchronous = options.get("synchronous", "full").lower()
        if synchronous not in _SYNCHRONOUS:
            raise ConfigurationError(
                f"synchronous={synchronous!r}: choose one of {', '.join(_SYNCHRONOUS)}"
            )
        super().__init__(url, options, {"check_same_thread": False, "timeout": _BUSY_SECONDS})
        self._path = Path(url.database)
        self._synchronous = _SYNCHRONOUS[synchronous]
        self._may_convert = True
        self._refuse_a_cut_file()
        sa.event.listen(self.engine, "connect", self._connected)
        sa.event.listen(self.engine, "begin", _begin)

    def demand(self) -> None:
        """Refuse a file that is not there: SQLite makes what it is to open.

        One that is may be somebody else's, so it stays in the mode that it is in.
        """
        self._may_convert = False
        if not self._path.exists():
            raise StorageError(f"there is no file {self._path}")

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
        """Insert a row unless its name is there.

        A study that is new may be an old one whose name a broken disk has changed; the index of
        names then differs from the table. Only these two are looked at, as the events may be many
        (SQLite before 3.33 looks at all of it).
        """
        added = connection.execute(insert(table).values(values).on_conflict_do_nothing())
        if added.rowcount:
            found = connection.exec_driver_sql(f"PRAGMA integrity_check({table.name})").scalar()
            if found != "ok":
                raise StorageError(f"{self.where} is damaged: {found}; restore it from a backup")

    def mark(self, identity: str) -> Mark:
        """Return the mark beside the file."""
        return Mark(self._path.with_name(self._path.name + "-mark"), identity)

    @property
    def file(self) -> Path:
        """The database."""
        return self._path

    def begin_write(self, connection: sa.Connection) -> sa.RootTransaction:
        """Begin with the lock."""
        return connection.execution_options(bandmaster_write=True).begin()

    def _connected(self, connection: Any, record: object) -> None:
        connection.isolation_level = None  # it is us who begin transactions
        cursor = connection.cursor()
        try:
            mode = cursor.execute("PRAGMA journal_mode").fetchone()
            if mode != ("wal",) and self._may_convert:
                cursor.execute("PRAGMA journal_mode = WAL")
            cursor.execute(f"PRAGMA synchronous = {self._synchronous}")
        finally:
            cursor.close()

    def _refuse_a_cut_file(self) -> None:
        """Look before SQLite does.

        It takes an empty file for a new database and deletes the WAL beside it, and reads zeros
        where a page is cut.
        """
        wal = self._path.with_name(self._path.name + "-wal")
        try:  # in this order: another process may be moving the WAL into the file
            has_wal = wal.exists() and wal.stat().st_size > 0
            with self._path.open("rb") as file:
                head = file.read(_HEADER)
                size = os.fstat(file.fileno()).st_size
        except OSError:
            return  # not there yet, or SQLite will say why
        if size < _HEADER and (size > 0 or has_wal):
            beside = f", but {wal.name} beside it is not" if has_wal and not size else ""
            raise StorageError(
                f"{self._path} has only {size} bytes{beside}: the file was cut. Restore it from a "
                "backup, or move it away to start anew"
            )
        if size == 0 or has_wal:  # pages that are not in the file may be in the WAL
            return
        page_size, n_pages = int.from_bytes(head[16:18], "big"), int.from_bytes(head[28:32], "big")
        expected = (65536 if page_size == 1 else page_size) * n_pages
        if head[24:28] == head[92:96] and size < expected:
            raise StorageError(
                f"{self._path} has {size} bytes, but {expected} were written: the file was cut. "
                "Restore it from a backup"
            )


def _begin(connection: sa.Connection) -> None:
    write = connection.get_execution_options().get("bandmaster_write")
    connection.exec_driver_sql(SqliteBackend.begin_statement if write else "BEGIN")
