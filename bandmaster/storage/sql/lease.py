"""The right to write a study: one holder at a time, counted by a fence."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from bandmaster.errors import StorageError, StudyBusyError
from bandmaster.storage.holder import Holder
from bandmaster.storage.sql.backend import Backend
from bandmaster.storage.sql.tables import events, studies

__all__ = ["Lease", "acquire", "find", "lost", "release", "revoke", "until_text"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Lease:
    """What a writer got.

    Parameters
    ----------
    study_id : int
    name : str
    fence : int
        Larger than that of any writer before. Each commit demands that it is still the study's.
    seconds : float
        How long it lasts without a commit or renewal.
    position, check : int
        How many events there are, and their checksum.
    holder : Holder
        The process that got it.
    """

    study_id: int
    name: str
    fence: int
    seconds: float
    position: int
    check: int
    holder: Holder


def find(
    connection: sa.Connection, name: str, where: str, *, lock: bool = False
) -> sa.Row[tuple[object, ...]]:
    """Return the row of a study; `lock` keeps it so until the transaction ends.

    Raises
    ------
    StorageError
        When there is none.
    """
    query = sa.select(studies).where(studies.c.name == name)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        names = connection.execute(sa.select(studies.c.name).order_by(studies.c.name)).scalars()
        raise StorageError(f"there is no study {name!r} in {where}; those there: {list(names)}")
    if any(type(n) is not int for n in (row.fence, row.position, row.checksum)):
        raise StorageError(f"study {name!r} in {where} is damaged: restore a backup, or delete it")
    return row


def acquire(backend: Backend, name: str, holder: Holder, seconds: float) -> Lease:
    """Take a study that is free, whose holder is dead, or whose lease has run out.

    Raises
    ------
    StudyBusyError
        When another one holds it.
    """
    with backend.write() as connection:
        row = find(connection, name, backend.where, lock=True)
        now = connection.execute(sa.select(backend.now)).scalar_one()
        if row.holder is not None:
            other = Holder.from_text(row.holder)
            if row.lease_until > now and not other.surely_dead:
                raise StudyBusyError(
                    f"study {name!r} in {backend.where} is being written by {other}, until "
                    f"{until_text(row.lease_until)} at least; stop that one, wait for it with "
                    "standby=True, or use another name"
                )
            logger.warning("Study %r is taken over from %s, which is gone", name, other)
        connection.execute(
            studies.update()
            .where(studies.c.id == row.id)
            .values(fence=row.fence + 1, holder=holder.to_text(), lease_until=backend.now + seconds)
        )
        return Lease(row.id, name, row.fence + 1, seconds, row.position, row.checksum, holder)


def lost(backend: Backend, lease: Lease, silence: float | None = None) -> StorageError:
    """Return the error that says why a lease is no longer valid.

    Parameters
    ----------
    silence : float, optional
        Seconds for which the holder's process did not run, where that is the reason.
    """
    with backend.read() as connection:
        row = connection.execute(
            sa.select(studies.c.holder, studies.c.fence).where(studies.c.id == lease.study_id)
        ).one_or_none()
    stopped = (
        None
        if silence is None
        else (
            f"this process did not run for {silence:.1f} s, and its lease is {lease.seconds:g} s "
            "(was it stopped? An evaluation that holds the interpreter's lock and waits looks the "
            "same: give a larger lease_seconds then)"
        )
    )
    if row is None:
        why = "it was deleted"
    elif row.fence == lease.fence:
        why = stopped or "another one may take it"
    elif row.holder is None:
        why = "another one wrote it meanwhile, or an operator revoked the lease"
    else:
        unheard = (
            f"this process was not heard of for {lease.seconds:g} s or more, or an operator "
            "revoked its lease"
        )
        why = f"{Holder.from_text(row.holder)} has taken it over: {stopped or unheard}"
    return StorageError(
        f"study {lease.name!r} is no longer ours to write: {why}; load the study again to go on "
        "with it"
    )


def release(backend: Backend, lease: Lease) -> None:
    """Give back what was got, before anything was written with it."""
    mine = sa.and_(studies.c.id == lease.study_id, studies.c.fence == lease.fence)
    with backend.write() as connection:
        connection.execute(studies.update().where(mine).values(holder=None, lease_until=0.0))


def revoke(backend: Backend, name: str, *, delete: bool = False) -> None:
    """Take a study from whoever holds it; `delete` removes it, unless somebody holds it."""
    with backend.write() as connection:
        row = find(connection, name, backend.where, lock=True)
        mine = studies.c.id == row.id
        if not delete:
            connection.execute(
                studies.update()
                .where(mine)
                .values(fence=row.fence + 1, holder=None, lease_until=0.0)
            )
            return
        now = connection.execute(sa.select(backend.now)).scalar_one()
        if row.holder is not None and row.lease_until > now:
            other = Holder.from_text(row.holder)
            if not other.surely_dead:
                raise StudyBusyError(
                    f"study {name!r} cannot be deleted while {other} writes it (until "
                    f"{until_text(row.lease_until)} at least)"
                )
        connection.execute(events.delete().where(events.c.study_id == row.id))
        connection.execute(studies.delete().where(mine))


def until_text(moment: float) -> str:
    """Return a time of the database's clock for a message."""
    return datetime.fromtimestamp(moment).astimezone().isoformat(" ", "seconds")
