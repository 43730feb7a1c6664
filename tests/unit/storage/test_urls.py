"""Storage URLs: what they may be, and what is said of those that are wrong."""

import contextlib
import sqlite3
import subprocess
import sys

import pytest

from bandmaster.errors import ConfigurationError, StorageError
from bandmaster.storage import open_storage


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("search.db", "sqlite:///search.db"),
        ("/data/search.db", "'sqlite:////data/search.db'"),
        ("sqlite://", "memory://"),
        ("sqlite:///:memory:", "memory://"),
        ("mysql://host/db", "mysql"),
        ("postgresql+psycopg2://host/db", "postgresql.psycopg"),
        ("sqlite:///a.db?synchronous=off", "full, normal"),
        ("sqlite:///a.db?retry=soon", "retry='soon'"),
        ("sqlite:///a.db?retry=-1", "retry='-1'"),
        ("sqlite:///a.db?retyr=1&synchronous=normal", "'retyr'; there are retry, synchronous"),
        ("sqlite:///a.db?retry=1&retry=2", "'retry'.*each once"),
        (None, "URL"),
    ],
)
def test_a_wrong_url_says_what_is_right(url, found):
    """The error shows what was meant, or what there is to choose from."""
    with pytest.raises(ConfigurationError, match=found):
        open_storage(url)


def test_a_folder_that_is_not_there(tmp_path):
    """A path into nowhere is named."""
    with pytest.raises(StorageError, match=r"there is no .*nowhere"):
        open_storage(f"sqlite:///{tmp_path}/nowhere/a.db")


def test_what_is_only_looked_at_is_not_made(tmp_path):
    """A mistyped name makes no file, and no tables in a file of something else."""
    with pytest.raises(StorageError, match=r"no file .*a\.db"):
        open_storage(f"sqlite:///{tmp_path}/a.db", create=False)
    assert [] == list(tmp_path.iterdir())
    path = tmp_path / "b.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE mine (x)")
    with pytest.raises(StorageError, match="holds no studies"):
        open_storage(f"sqlite:///{path}", create=False)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert [("mine",)] == connection.execute("SELECT name FROM sqlite_master").fetchall()


def test_a_file_that_is_no_database(tmp_path):
    """Another kind of file is refused, and left as it was."""
    path = tmp_path / "a.db"
    path.write_text("my notes " * 100)
    with pytest.raises(StorageError, match="not a database"):
        open_storage(f"sqlite:///{path}")
    assert "my notes " * 100 == path.read_text()


@pytest.mark.parametrize("seconds", [0, -1.0])
def test_a_lease_of_no_time(tmp_path, seconds):
    """A lease lasts some time."""
    with (
        open_storage(f"sqlite:///{tmp_path}/a.db") as storage,
        pytest.raises(ConfigurationError, match="lease_seconds"),
    ):
        storage.open_journal("s", create=True, lease_seconds=seconds)


def test_what_was_acknowledged_survives_a_power_cut_by_default(tmp_path):
    """WAL with synchronous FULL; NORMAL only by option."""
    for option, expected in (("", 2), ("?synchronous=normal", 1), ("?synchronous=FULL", 2)):
        with (
            open_storage(f"sqlite:///{tmp_path}/a.db{option}") as storage,
            storage._backend.read() as connection,
        ):
            found = [
                connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous")
            ]
        assert ["wal", expected] == found


def test_importing_storage_leaves_sqlalchemy_alone():
    """Only a database costs its import."""
    program = "import sys, bandmaster.storage; assert 'sqlalchemy' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
