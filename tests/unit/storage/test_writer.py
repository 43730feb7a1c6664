"""The writer's thread: groups, second attempts, answers that were lost, failures."""

import logging
import sqlite3
import threading

import pytest

from bandmaster.core import events as ev
from bandmaster.errors import StorageError, StudyPoisonedError
from bandmaster.multifidelity import FlatIterGenerator
from bandmaster.optimizers import RandomOptimizer
from bandmaster.storage import open_storage
from bandmaster.storage.sql.commits import Commits
from bandmaster.storage.sql.mark import Mark
from bandmaster.study import Study

LOCKED = sqlite3.OperationalError("database is locked")


def note(number):
    return ev.Noted(0.0, str(number))


@pytest.fixture
def storage(tmp_path):
    with open_storage(f"sqlite:///{tmp_path}/a.db?retry=5") as storage:
        yield storage


@pytest.fixture
def commit(monkeypatch):
    """Return a list of what the next commits do before (callables) or instead (errors)."""
    plan = []
    real = Commits.commit

    def planned(self, rows, position, check):
        step = plan.pop(0) if plan else None
        if isinstance(step, BaseException):
            raise step
        if step is not None:
            step()
        real(self, rows, position, check)
        if step is not None and getattr(step, "after", None):
            raise step.after

    monkeypatch.setattr(Commits, "commit", planned)
    return plan


def test_what_is_pending_is_committed_together(storage, monkeypatch):
    """Rows that come while a commit is under way go into the next one, all of them."""
    groups, begun, go = [], threading.Event(), threading.Event()
    real = Commits.commit

    def slow(self, rows, position, check):
        groups.append([seq for seq, _ in rows])
        begun.set()
        assert go.wait(10)
        real(self, rows, position, check)

    monkeypatch.setattr(Commits, "commit", slow)
    journal = storage.open_journal("s", create=True)
    journal.append([note(0)])
    assert begun.wait(10)
    for number in range(1, 6):
        position = journal.append([note(number)])
    go.set()
    journal.wait(position)
    assert [[0], [1, 2, 3, 4, 5]] == groups


def test_a_locked_database_is_tried_again(storage, commit, caplog):
    """What may pass is tried again, with a warning at first and one when it has passed."""
    journal = storage.open_journal("s", create=True)
    commit.extend([LOCKED, LOCKED])
    journal.wait(journal.append([note(0)]))
    assert [note(0)] == list(journal.read())
    texts = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert 2 == len(texts)
    assert "trying again" in texts[0]
    assert "took the 1 events" in texts[1]


def test_a_commit_whose_answer_was_lost_is_not_made_twice(storage, commit):
    """After an error that came behind the commit, the writer finds its rows there."""

    def step():
        pass

    step.after = LOCKED
    journal = storage.open_journal("s", create=True)
    commit.append(step)
    journal.wait(journal.append([note(0), note(1)]))
    journal.wait(journal.append([note(2)]))
    assert [note(0), note(1), note(2)] == list(journal.read())


@pytest.mark.parametrize("error", [sqlite3.OperationalError("disk I/O error"), ValueError("bug")])
def test_after_a_failure_nothing_is_taken_or_awaited(storage, commit, error):
    """Who waits hears of it, and so does each later append; what was durable stays so."""
    journal = storage.open_journal("s", create=True)
    first = journal.append([note(0)])
    journal.wait(first)
    commit.append(error)
    second = journal.append([note(1)])
    with pytest.raises(StorageError, match=str(error)):
        journal.wait(second)
    journal.wait(first)
    with pytest.raises(StorageError, match=str(error)):
        journal.append([note(2)])
    journal.close()
    again = storage.open_journal("s", create=False)
    assert [note(0)] == list(again.read())


def test_close_says_what_nobody_heard(storage, commit):
    """Events that were handed over, not waited for and lost are an error of close."""
    journal = storage.open_journal("s", create=True)
    commit.append(sqlite3.OperationalError("disk I/O error"))
    journal.append([note(0)])
    with pytest.raises(StorageError, match="disk I/O error"):
        journal.close()


def test_a_study_whose_journal_fails_is_poisoned(storage, commit):
    """After the first failed commit every call says that the study must be loaded again."""
    journal = storage.open_journal("s", create=True)
    space = {"x": {"_type": "uniform", "_value": [0.0, 1.0]}}
    study = Study(
        space, optimizer=RandomOptimizer(), generator=FlatIterGenerator(), journal=journal
    )
    study.wait_durable(study.position)
    commit.append(sqlite3.OperationalError("disk I/O error"))
    with pytest.raises(StorageError, match="disk I/O error"):
        study.ask()
    with pytest.raises(StudyPoisonedError, match="disk I/O error"):
        study.ask()


def test_the_lease_is_renewed_when_nothing_happens(storage, monkeypatch):
    """A writer with nothing to write still says that it is there."""
    renewed = threading.Event()
    real = Commits.renew

    def renew(self):
        real(self)
        renewed.set()

    monkeypatch.setattr(Commits, "renew", renew)
    storage.open_journal("s", create=True, lease_seconds=0.6)
    assert renewed.wait(10)


def test_a_mark_that_is_ahead_is_a_loss(tmp_path, caplog):
    """When fewer events are there than were acknowledged, the warning says how many are lost."""
    url, path = f"sqlite:///{tmp_path}/a.db", tmp_path / "a.db"
    with open_storage(url) as storage:
        journal = storage.open_journal("s", create=True)
        journal.append([note(0), note(1)])
        journal.close()
        old = path.read_bytes()
        journal = storage.open_journal("s", create=True)
        journal.append([note(2), note(3), note(4)])
    assert [] == caplog.records
    path.write_bytes(old)
    with open_storage(url) as storage:
        journal = storage.open_journal("s", create=True)
        assert "2 events, but 5 had been committed: the last 3 are lost" in caplog.text
        assert [note(0), note(1)] == list(journal.read())
        caplog.clear()
        journal.close()
        storage.open_journal("s", create=True)
    assert [] == caplog.records


def test_a_mark_of_another_database_is_begun_anew(tmp_path, caplog):
    """A mark keeps what was written for its own database only."""
    path = tmp_path / "mark"
    for identity, expected in (("a" * 32, None), ("a" * 32, (7, 8)), ("b" * 32, None)):
        mark = Mark(path, identity)
        mark.open()
        assert expected == mark.read(3)
        mark.write(3, 7, 8)
        mark.close()
    assert "begun anew" in caplog.text


def test_a_torn_mark_is_none(tmp_path):
    """Bytes that were not written whole are no position."""
    mark = Mark(tmp_path / "mark", "a" * 32)
    mark.open()
    mark.write(1, 700, 8)
    with (tmp_path / "mark").open("r+b") as file:
        file.seek(64 + 16 + 7)
        file.write(b"\xff")
    assert mark.read(1) is None
    assert mark.read(99) is None
    mark.close()


def test_ctrl_c_in_a_commit_loses_nothing(storage, commit, monkeypatch):
    """An interrupt before or behind a commit leaves its rows to the next one, once each."""
    # The thread, in which there is no Ctrl-C, shall not be faster.
    monkeypatch.setattr("bandmaster.storage.sql.writer._LINGER", 3600)
    journal = storage.open_journal("s", create=True, lease_seconds=36000)
    journal.wait(journal.append([note(0)]))

    def behind():
        pass

    behind.after = KeyboardInterrupt()
    for number, step in enumerate([KeyboardInterrupt(), behind], start=1):
        position = journal.append([note(number)])
        commit.append(step)
        with pytest.raises(KeyboardInterrupt):
            journal._writer.wait(position)
    journal.wait(journal.append([note(3)]))
    assert [note(n) for n in range(4)] == list(journal.read())


def test_what_nobody_waits_for_is_committed_too(storage):
    """Events that were only handed over become durable by themselves."""
    journal = storage.open_journal("s", create=True)
    reader = storage.read_journal("s")
    committed = threading.Event()
    real = journal._writer._commits.commit

    def told(*args):
        real(*args)
        committed.set()

    journal._writer._commits.commit = told
    journal.append([note(0)])
    assert committed.wait(10)
    assert [note(0)] == list(reader.read())


def test_a_writer_that_did_not_run_for_longer_than_its_lease_writes_no_more(storage):
    """Its fence may still be the study's; that nobody else came was luck."""
    journal = storage.open_journal("s", create=True, lease_seconds=60)
    journal.wait(journal.append([note(0)]))
    shift(journal, 61)
    with pytest.raises(StorageError, match=r"did not run for 61.*load the study again"):
        journal.wait(journal.append([note(1)]))
    assert [note(0)] == list(storage.read_journal("s").read())


def shift(journal, seconds, used=0.0):
    """Let time pass in which the journal was not looked at, and the processor was used so long."""
    pulse = journal._writer._pulse
    pulse._last -= seconds
    pulse._read -= seconds
    pulse._used_then -= used


def test_a_writer_that_computed_for_longer_than_its_lease_goes_on(storage):
    """An evaluation that holds the interpreter's lock keeps a lease from being renewed."""
    journal = storage.open_journal("s", create=True, lease_seconds=60)
    journal.wait(journal.append([note(0)]))
    shift(journal, 300, used=200)
    journal.wait(journal.append([note(1)]))
    assert [note(0), note(1)] == list(storage.read_journal("s").read())


def test_a_writer_that_computed_too_long_and_was_replaced_writes_no_more(storage):
    """Whoever took over meanwhile has the study."""
    journal = storage.open_journal("s", create=True, lease_seconds=60)
    journal.wait(journal.append([note(0)]))
    storage.revoke("s")
    second = storage.open_journal("s", create=False, owner="the second")
    shift(journal, 300, used=200)
    with pytest.raises(StorageError, match=r"the second.* has taken it over"):
        journal.wait(journal.append([note(1)]))
    second.wait(second.append([note(2)]))
    assert [note(0), note(2)] == list(second.read())


def test_the_reason_is_what_happened(storage):
    """A writer whose study was deleted or revoked is not said to have been silent."""
    for deleted, reason in ((True, "it was deleted"), (False, "an operator revoked")):
        journal = storage.open_journal("s", create=True)
        storage.revoke("s")
        if deleted:
            storage.delete_study("s")
        with pytest.raises(StorageError, match=reason) as caught:
            journal.wait(journal.append([note(1)]))
        assert "not heard" not in str(caught.value)


@pytest.mark.parametrize("where", ["Mark.open", "Writer.start"])
def test_a_study_that_could_not_be_opened_is_free(storage, monkeypatch, where):
    """Whatever fails after the lease was got, the next one has it at once."""

    def fail(self):
        raise RuntimeError("no room")

    monkeypatch.setattr(
        f"bandmaster.storage.sql.{'mark' if where == 'Mark.open' else 'writer'}.{where}", fail
    )
    with pytest.raises(RuntimeError, match="no room"):
        storage.open_journal("s", create=True)
    assert [None] == [study.writer for study in storage.list_studies()]
    monkeypatch.undo()
    journal = storage.open_journal("s", create=False)
    journal.wait(journal.append([note(0)]))


def test_closing_waits_for_the_last_commit_even_if_a_join_was_cut_off(storage, monkeypatch, commit):
    """Python takes a thread for ended when Ctrl-C ends its join; what was appended is kept."""
    begun, go = threading.Event(), threading.Event()

    def held():
        begun.set()
        assert go.wait(10)

    commit.append(held)
    journal = storage.open_journal("s", create=True)
    monkeypatch.setattr(journal._writer._thread, "join", lambda: None)
    journal.append([note(0)])
    closing = threading.Thread(target=journal.close)
    closing.start()
    assert begun.wait(10)
    assert closing.is_alive()
    go.set()
    closing.join(10)
    assert not closing.is_alive()
    assert [note(0)] == list(storage.read_journal("s").read())
