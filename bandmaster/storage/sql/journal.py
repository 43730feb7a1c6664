"""The journal of one study in an SQL database."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence

import sqlalchemy as sa

from bandmaster.core.events import Event
from bandmaster.errors import StorageError
from bandmaster.storage.base import Journal
from bandmaster.storage.compact import Compactor
from bandmaster.storage.sql.backend import Backend
from bandmaster.storage.sql.lease import Lease
from bandmaster.storage.sql.tables import events, studies
from bandmaster.storage.sql.writer import Writer

__all__ = ["SqlJournal", "SqlReader"]

logger = logging.getLogger(__name__)

_CHUNK = 10_000  # rows a query


class SqlReader(Journal):
    """Reads a study beside whoever writes it.

    Parameters
    ----------
    backend : Backend
    study_id : int
    name : str
    """

    def __init__(self, backend: Backend, study_id: int, name: str) -> None:
        self._backend = backend
        self._study_id = study_id
        self._name = name
        self._lock = threading.Lock()
        self._compactor: Compactor | None = None  # at the end of the last reading

    def append(self, events: Sequence[Event]) -> int:
        """Refuse."""
        raise StorageError(f"this journal of study {self._name!r} only reads")

    def wait(self, position: int) -> None:
        """Return if there are so many events; refuse if not, since nobody here writes them."""
        with self._backend.read() as connection:
            found = connection.execute(
                sa.select(studies.c.position).where(studies.c.id == self._study_id)
            ).scalar()
        if found is None or found < position:
            raise StorageError(
                f"this journal of study {self._name!r} only reads; {found or 0} events are durable"
            )

    def read(self, since: int = 0) -> Iterator[Event]:
        """Yield the durable events from position `since` on, each checked."""
        with self._lock:
            compactor, self._compactor = self._compactor, None
        if compactor is None or compactor.position > since:
            compactor = Compactor()
        while rows := self._chunk(compactor.position):
            for seq, data in rows:
                position = compactor.position
                if seq != position:
                    raise self._damaged(position, f"event {position} is missing")
                try:
                    event = compactor.decode(data)
                except StorageError as error:
                    raise self._damaged(position, str(error)) from error
                if position >= since:
                    yield event
        self._ended(compactor)
        with self._lock:
            self._compactor = compactor

    def close(self) -> None:
        """Do nothing."""

    def _ended(self, compactor: Compactor) -> None:
        """Take notice of the end."""

    def _chunk(self, position: int) -> Sequence[tuple[int, bytes]]:
        statement = (
            sa.select(events.c.seq, events.c.data)
            .where(events.c.study_id == self._study_id, events.c.seq >= position)
            .order_by(events.c.seq)
            .limit(_CHUNK)
        )
        with self._backend.read() as connection:
            cursor = connection.execute(statement).cursor
            assert cursor is not None, "a query has rows"
            return cursor.fetchall()  # the driver's tuples: rows as objects take twice as long

    def _damaged(self, position: int, what: str) -> StorageError:
        return StorageError(
            f"study {self._name!r} in {self._backend.where} is damaged: {what}; the {position} "
            "events before it are whole. Restore a backup, or delete the study"
        )


class SqlJournal(SqlReader):
    """Writes a study, as long as nobody takes it over.

    Parameters
    ----------
    backend : Backend
    lease : Lease
    writer : Writer
        Started; closed by `close`.
    on_close : callable
        Called when it was closed.
    """

    def __init__(
        self,
        backend: Backend,
        lease: Lease,
        writer: Writer,
        on_close: Callable[[SqlJournal], None],
    ) -> None:
        super().__init__(backend, lease.study_id, lease.name)
        self._position = lease.position
        self._writer = writer
        self._on_close = on_close
        self._appending = threading.Lock()
        self._encoder: Compactor | None = None  # known once the journal was read to its end
        self._pid = os.getpid()

    def append(self, events: Sequence[Event]) -> int:
        """Hand over events, all of them or none; return the position after the last."""
        if os.getpid() != self._pid:
            raise StorageError(
                f"the journal of study {self._name!r} belongs to process {self._pid}; a fork "
                "cannot write it"
            )
        if self._encoder is None:
            for _ in self.read():
                pass
        with self._appending:
            encoder = self._encoder
            assert encoder is not None, "set at the end of reading"
            first = encoder.position
            self._writer.put(list(enumerate(encoder.encode(events), first)), encoder.check)
            self._position = encoder.position
            return self._position

    def wait(self, position: int) -> None:
        """Return when everything before `position` is durable."""
        if position > self._position:
            raise StorageError(
                f"position {position} of study {self._name!r} will never be durable: "
                f"{self._position} events were handed over"
            )
        self._writer.wait(position)

    def watch(self, on_failure: Callable[[StorageError], None]) -> None:
        """Have `on_failure` called once nothing can be written any more."""
        self._writer.watch(on_failure)

    def close(self) -> None:
        """Make durable what was handed over, and release the study; twice does nothing."""
        if os.getpid() != self._pid:
            return
        self._writer.close()
        self._on_close(self)

    def _ended(self, compactor: Compactor) -> None:
        with self._appending:
            if self._encoder is not None:
                return
            found, expected = compactor.position, self._position
            if found > expected:
                raise self._damaged(
                    expected, f"{found} events are there, but {expected} were counted"
                )
            if found < expected:
                logger.warning(
                    "Study %r in %s has %d events, but %d were committed: %d are lost (a damaged "
                    "disk?); it goes on from event %d",
                    self._name, self._backend.where, found, expected, expected - found, found,
                )  # fmt: skip
                self._position = found
            self._writer.rewind(found, compactor.check)
            self._encoder = compactor.copy()
