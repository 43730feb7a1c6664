"""From a URL to a storage."""

from __future__ import annotations

from bandmaster.errors import ConfigurationError
from bandmaster.storage.base import Storage
from bandmaster.storage.memory import MemoryStorage

__all__ = ["open_storage"]


def open_storage(url: str, *, create: bool = True) -> Storage:
    """Open the place where studies are kept.

    Parameters
    ----------
    url : str
        ``memory://``; ``sqlite:///relative.db`` or ``sqlite:////absolute.db``, made when it is
        not there; ``postgresql+psycopg://user:password@host/database``. Options follow a question
        mark: ``retry=60`` (seconds for which a commit is tried again), for SQLite
        ``synchronous=full`` (default) or ``normal``, for PostgreSQL what libpq knows.
    create : bool, default True
        Whether to make the file or the tables when they are not there.

    Returns
    -------
    Storage
        To be closed.

    Raises
    ------
    ConfigurationError
        When the URL is wrong.
    StorageError
        When the database cannot be used, or is not there and shall not be made.

    Examples
    --------
    >>> with open_storage("memory://") as storage:
    ...     journal = storage.open_journal("mine", create=True)
    ...     storage.list_studies()[0].n_events
    0
    """
    if not isinstance(url, str):
        raise ConfigurationError(f"a storage is given as a URL, e.g. sqlite:///a.db, got {url!r}")
    if url == "memory://":
        return MemoryStorage()
    if "://" not in url:
        raise ConfigurationError(f"{url!r} is no storage URL; for a file write 'sqlite:///{url}'")
    from bandmaster.storage.sql import SqlStorage  # SQLAlchemy takes 0.2 s to import

    return SqlStorage(url, create=create)
