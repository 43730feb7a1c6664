"""PostgreSQL that restarts, or is gone, in the middle of a run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from postgres import Server
from programs import Program

from bandmaster.core.events import Noted
from bandmaster.errors import StorageError
from bandmaster.storage import open_storage
from bandmaster.storage.sql.commits import Commits

WRITER = Path(__file__).with_name("storage_writer.py")


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        yield server


def numbers(url: str) -> list[int]:
    """Return what is stored."""
    with open_storage(url) as storage:
        return [int(e.text) for e in storage.read_journal("s").read() if isinstance(e, Noted)]


def test_a_server_that_restarts(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """The writer warns, connects again, and goes on; each event is there exactly once."""
    url = server.new_database()
    waited = 0
    stop = threading.Event()
    with open_storage(url) as storage:
        journal = storage.open_journal("s", create=True)
        reached = threading.Semaphore(0)

        def write() -> None:
            nonlocal waited
            while not stop.is_set():
                journal.wait(journal.append([Noted(0.0, str(waited))]))
                waited += 1
                reached.release()

        thread = threading.Thread(target=write)
        thread.start()
        for _ in range(3):
            for _ in range(50):
                assert reached.acquire(timeout=30)
            server.stop()
            server.start()
        for _ in range(50):
            assert reached.acquire(timeout=30)
        stop.set()
        thread.join()
    assert list(range(waited)) == numbers(url)
    assert "trying again" in caplog.text
    assert "took the" in caplog.text


def test_an_answer_that_is_lost_while_the_server_still_commits(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer waits for the end of its own lost commit before it looks what is there."""
    late: list[threading.Timer] = []
    real = Commits._commit

    def lost(self: Commits) -> None:
        monkeypatch.setattr(Commits, "_commit", real)
        connection, self._connection, self._cursor = self._connection, None, None
        assert connection is not None

        def finish() -> None:
            connection.commit()
            connection.close()

        late.append(threading.Timer(0.5, finish))
        late[0].start()
        raise psycopg.OperationalError("server closed the connection unexpectedly")

    url = server.new_database()
    with open_storage(url) as storage:
        journal = storage.open_journal("s", create=True)
        journal.wait(journal.append([Noted(0.0, "0")]))
        monkeypatch.setattr(Commits, "_commit", lost)
        journal.wait(journal.append([Noted(0.0, "1")]))
        late[0].join()
        journal.wait(journal.append([Noted(0.0, "2")]))
    assert [0, 1, 2] == numbers(url)


def test_a_server_that_does_not_come_back(server: Server) -> None:
    """After the time for trying again, an error that says so; what was acknowledged is kept."""
    url = server.new_database()
    with open_storage(f"{url}&retry=0.5") as storage:
        journal = storage.open_journal("s", create=True, lease_seconds=1)
        journal.wait(journal.append([Noted(0.0, "0")]))
        server.stop()
        with pytest.raises(StorageError, match=r"could not be written.*1 events are durable"):
            journal.wait(journal.append([Noted(0.0, "1")]))
    server.start()
    assert [0] == numbers(url)


def test_nothing_but_the_password_is_hidden(server: Server) -> None:
    """A server that is not there is named in the error, without the password."""
    server.stop()
    url = server.url("gone").replace("test@", "test:geheim@")
    with pytest.raises(StorageError) as caught:
        open_storage(url)
    assert "gone" in str(caught.value)
    assert "geheim" not in str(caught.value)


def test_a_killed_writer_loses_nothing_and_blocks_nobody(server: Server, tmp_path: Path) -> None:
    """After kill -9 all acknowledged events are there, and the next one writes at once."""
    url = server.new_database()
    with Program([WRITER, url, "s", "60"], cwd=tmp_path) as program:
        program.wait_for(lambda p: p.out.count("ack") > 20)
        program.process.kill()
        program.process.wait()
        acknowledged = program.out.count("ack") - (not program.out.endswith("\n"))
        with open_storage(url) as storage:
            storage.open_journal("s", create=False).close()
        found = numbers(url)
        assert list(range(len(found))) == found
        assert acknowledged <= len(found)
