"""Every storage keeps the rules of the suite; PostgreSQL is a real server."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from postgres import Server

from bandmaster.storage.sql import storage as sql
from bandmaster.testing.storage import StorageSuite


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


class TestMemory(StorageSuite):
    kind = "memory"
    reopens = False

    @pytest.fixture
    def url(self) -> str:
        return "memory://"


class TestSqlite(StorageSuite):
    kind = "sqlite"

    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path}/a b.db"


class TestSqliteNormal(StorageSuite):
    kind = "sqlite"

    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path}/a.db?synchronous=normal&retry=5"


class TestPostgresql(StorageSuite):
    kind = "postgresql+psycopg"

    @pytest.fixture
    def url(self, server: Server) -> str:
        return server.new_database()


def test_every_kind_of_storage_has_a_suite() -> None:
    """A kind that `open_storage` knows is tested by some subclass of the suite in this file."""
    suites = [
        value
        for value in vars(sys.modules[__name__]).values()
        if isinstance(value, type) and issubclass(value, StorageSuite) and value is not StorageSuite
    ]
    assert {"memory", *sql.BACKENDS} == {suite.kind for suite in suites}
