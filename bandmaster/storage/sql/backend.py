"""What differs between databases."""

from __future__ import annotations

import abc
import enum
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from bandmaster.errors import ConfigurationError, StorageError
from bandmaster.storage.sql.mark import Mark

__all__ = ["Backend", "Failure", "seconds"]

RETRY_SECONDS = 60.0


class Failure(enum.Enum):
    """What to do about an error of the database."""

    AGAIN = "again"  # it may pass: locked, full, connection lost
    FINAL = "final"


class Backend(abc.ABC):
    """A database of one kind: how to connect, lock, tell the time and judge errors.

    Connections are made when they are asked for and closed after use; only a journal's writer
    keeps one. The clock of leases is the database's, so that writers need not agree on the time.

    Parameters
    ----------
    url : sqlalchemy.URL
        Without our own options.
    options : mapping of str to str
        What the user wrote behind the question mark that is ours.
    connect_args : mapping
        For the driver.

    Attributes
    ----------
    where : str
        The database for messages; no password in it.
    retry_seconds : float
        How long a commit is tried again before the journal gives up.
    """

    options: tuple[str, ...] = ("retry",)
    begin_statement = ""  # what begins a transaction that will write; empty: the driver begins
    now: sa.ColumnElement[float]

    def __init__(
        self, url: sa.URL, options: Mapping[str, str], connect_args: Mapping[str, Any]
    ) -> None:
        self.where = url.render_as_string(hide_password=True)
        self.retry_seconds = seconds(options, "retry", RETRY_SECONDS)
        self.engine = sa.create_engine(url, poolclass=NullPool, connect_args=dict(connect_args))

    @abc.abstractmethod
    def demand(self) -> None:
        """Look whether the database is there, where to connect would make it.

        Raises
        ------
        StorageError
            When it is not.
        """

    @abc.abstractmethod
    def judge(self, error: BaseException) -> Failure:
        """Return whether it is worth trying again after an error of the driver."""

    @abc.abstractmethod
    def lock_schema(self, connection: sa.Connection) -> None:
        """Keep others from making tables until the transaction ends."""

    @abc.abstractmethod
    def add_study(self, connection: sa.Connection, table: sa.Table, values: dict[str, Any]) -> None:
        """Insert a row unless its name is there."""

    def mark(self, identity: str) -> Mark | None:
        """Return where positions are noted beside the database, if they are."""
        return None

    @property
    def file(self) -> Path | None:
        """The database as a file, if it is one."""
        return None

    def connect(self) -> sa.Connection:
        """Return a new connection; the caller closes it."""
        return self.engine.connect()

    def begin_write(self, connection: sa.Connection) -> sa.RootTransaction:
        """Begin a transaction that will write."""
        return connection.begin()

    @property
    def driver_errors(self) -> type[Exception]:
        """The root of the driver's errors."""
        return self.engine.dialect.loaded_dbapi.Error

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """Run one writing transaction on a connection of its own."""
        with self.errors(), self.connect() as connection, self.begin_write(connection):
            yield connection

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Run one reading transaction on a connection of its own."""
        with self.errors(), self.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn the database's errors into ours."""
        try:
            yield
        except sa.exc.DBAPIError as error:
            raise self.storage_error(error.orig or error) from error
        except sa.exc.SQLAlchemyError as error:
            raise StorageError(f"{self.where}: {error}") from error

    def storage_error(self, error: BaseException) -> StorageError:
        """Return our error for the driver's, with a hint where there is one."""
        text = " ".join(str(error).split())
        hint = self.hint(text)
        return StorageError(f"{self.where}: {text}{f' ({hint})' if hint else ''}")

    def hint(self, text: str) -> str:
        """Return what the user may do about an error, or nothing."""
        return ""

    def close(self) -> None:
        """Close what is open."""
        self.engine.dispose()


def seconds(options: Mapping[str, str], name: str, default: float) -> float:
    """Return an option that is a time.

    Raises
    ------
    ConfigurationError
        When it is none.
    """
    text = options.get(name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise ConfigurationError(f"{name}={text!r} in a storage's URL must be seconds, e.g. 60")
    return value
