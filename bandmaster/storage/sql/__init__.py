"""Journals in an SQL database: SQLite or PostgreSQL. Importing this imports SQLAlchemy."""

from bandmaster.storage.sql.storage import SqlStorage

__all__ = ["SqlStorage"]
