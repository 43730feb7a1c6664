"""Old files open, and newer ones are refused."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bandmaster.core import codec
from bandmaster.core import events as ev
from bandmaster.errors import StorageError, StudyBusyError
from bandmaster.multifidelity import FlatIterGenerator
from bandmaster.optimizers import RandomOptimizer
from bandmaster.storage import open_storage
from bandmaster.study import Study

GOLDEN = Path(__file__).parents[2] / "golden"
FILES = sorted((GOLDEN / "storage").glob("schema-*.db"))
EVENTS = [
    ev.from_data(codec.unpack(bytes.fromhex(row)))
    for row in json.loads((GOLDEN / "storage" / "events.json").read_text())
]


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def old(request, tmp_path):
    """Return a copy of a file that an old version wrote."""
    return shutil.copy(request.param, tmp_path / "old.db")


def test_there_is_a_golden_file_of_each_schema():
    """One file a schema version, from the first to the present one."""
    assert ["schema-1", "schema-2"] == [path.stem for path in FILES]


def test_an_old_file_still_opens(old):
    """Its events are those that were written; it can be written on, and loaded as a study."""
    with open_storage(f"sqlite:///{old}") as storage:
        assert [("empty", 0), ("golden", len(EVENTS))] == [
            (s.name, s.n_events) for s in storage.list_studies()
        ]
        journal = storage.open_journal("golden", create=False)
        assert EVENTS == list(journal.read())
        journal.wait(journal.append([ev.Noted(11.0, "goes on")]))
    with open_storage(f"sqlite:///{old}") as storage:
        journal = storage.open_journal("golden", create=False)
        study = Study(
            {"x": {"_type": "uniform", "_value": [0.0, 1.0]}},
            optimizer=RandomOptimizer(),
            generator=FlatIterGenerator(),
            journal=journal,
        )
        assert (1, "enough") == (study.n_jobs, study.stopped)


def test_what_the_present_version_writes_is_the_golden_file(tmp_path):
    """The rows to the byte: a change of their form needs a new schema version and a migration."""
    path = tmp_path / "new.db"
    with open_storage(f"sqlite:///{path}") as storage:
        storage.open_journal("golden", create=True).append(EVENTS)
    query = "SELECT seq, data FROM bandmaster_events WHERE study_id = 1 ORDER BY seq"
    found = []
    for file in (FILES[-1], path):
        with closing(sqlite3.connect(f"file:{file}?mode=ro&immutable=1", uri=True)) as connection:
            found.append(connection.execute(query).fetchall())
    assert found[0] == found[1]


def test_a_newer_file_is_refused(tmp_path):
    """Tables that a later version made are left alone; the error says to upgrade."""
    path = tmp_path / "new.db"
    open_storage(f"sqlite:///{path}").close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE bandmaster_schema SET version = 99")
        connection.commit()
    with pytest.raises(StorageError, match=r"version 99.*upgrade"):
        open_storage(f"sqlite:///{path}")


def test_an_old_file_that_is_being_written_is_left_alone(tmp_path):
    """No migration under the feet of an older version's writer; the error names the study."""
    path = shutil.copy(FILES[0], tmp_path / "old.db")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "UPDATE bandmaster_studies SET holder = '{}', lease_until = 1e12 WHERE id = 1"
        )
        connection.commit()
    with pytest.raises(StudyBusyError, match="'golden'"):
        open_storage(f"sqlite:///{path}")
