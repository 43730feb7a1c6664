"""A disk that is full or read-only: nothing acknowledged is lost, and the error is clear."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from disks import mounted, read_only

from bandmaster.core.events import Noted
from bandmaster.errors import StorageError
from bandmaster.storage import Journal, open_storage

KB = 1024


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 1 MB."""
    with mounted(tmp_path / "small", 1) as disk:
        yield disk


def fill(journal: Journal) -> tuple[int, StorageError]:
    """Append until it fails; return how many events were acknowledged, and the error."""
    for number in range(1000):
        try:
            journal.wait(journal.append([Noted(float(number), "x" * 4 * KB)]))
        except StorageError as error:
            return number, error
    raise AssertionError("a disk of 1 MB took 4 MB")


def numbers(url: str) -> list[int]:
    """Return what is stored."""
    with open_storage(url) as storage:
        return [int(e.time) for e in storage.read_journal("s").read() if isinstance(e, Noted)]


def test_a_full_disk(small_disk: Path) -> None:
    """The error says that the disk is full; what was acknowledged is there, and it goes on."""
    url = f"sqlite:///{small_disk}/a.db?retry=0.2"
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 300 * KB)
    with open_storage(url) as storage:
        journal = storage.open_journal("s", create=True)
        acknowledged, error = fill(journal)
        assert "full" in str(error)
        assert "make room" in str(error)
        with pytest.raises(StorageError, match="full"):
            journal.append([Noted(0.0, "more")])
    assert acknowledged > 10
    ballast.unlink()
    assert list(range(acknowledged)) == numbers(url)
    with open_storage(url) as storage:
        journal = storage.open_journal("s", create=False)
        journal.wait(journal.append([Noted(float(acknowledged), "")]))
    assert list(range(acknowledged + 1)) == numbers(url)


def test_room_that_is_made_in_time(small_disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    """While the disk is full the writer warns and tries again; with room it goes on."""
    url = f"sqlite:///{small_disk}/a.db?retry=60"
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 700 * KB)
    warned = threading.Event()
    handler = _Calls(warned.set)
    logging.getLogger("bandmaster.storage").addHandler(handler)
    try:
        with open_storage(url) as storage:
            journal = storage.open_journal("s", create=True)

            def make_room() -> None:
                warned.wait(30)
                ballast.unlink()

            thread = threading.Thread(target=make_room)
            thread.start()
            position = 0
            for number in range(100):
                position = journal.append([Noted(float(number), "x" * 4 * KB)])
            journal.wait(position)
            thread.join()
    finally:
        logging.getLogger("bandmaster.storage").removeHandler(handler)
    assert warned.is_set()
    assert "trying again" in caplog.text
    assert list(range(100)) == numbers(url)


def test_a_disk_that_turns_read_only(small_disk: Path) -> None:
    """Remounted read-only, as the kernel does after errors: a clear error, nothing lost."""
    url = f"sqlite:///{small_disk}/a.db?retry=0.2"
    with open_storage(url) as storage:
        journal = storage.open_journal("s", create=True)
        journal.wait(journal.append([Noted(0.0, "")]))
    with (
        read_only(small_disk),
        pytest.raises(StorageError, match="write"),
        open_storage(url) as storage,
    ):
        storage.open_journal("s", create=False)
    assert [0] == numbers(url)


def test_a_file_that_may_not_be_written(tmp_path: Path) -> None:
    """A user without the right to write gets an error that says so, not a traceback of SQLite."""
    path = tmp_path / "a.db"
    with open_storage(f"sqlite:///{path}") as storage:
        storage.open_journal("s", create=True).close()
    program = (
        "import sys\n"
        "from bandmaster.errors import StorageError\n"
        "from bandmaster.storage import open_storage\n"
        "try:\n"
        "    open_storage(sys.argv[1]).open_journal('s', create=False)\n"
        "except StorageError as error:\n"
        "    print('refused:', error)\n"
    )
    path.chmod(0o444)
    path.parent.chmod(0o555)
    try:
        done = _without_privileges(program, f"sqlite:///{path}")
    finally:
        path.parent.chmod(0o755)
    assert "refused:" in done
    assert "write" in done


def _without_privileges(program: str, url: str) -> str:
    """Run Python as a user whom file modes bind (they don't bind root)."""
    bind = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    return subprocess.run(
        [*(bind if os.geteuid() == 0 else []), sys.executable, "-c", program, url],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


class _Calls(logging.Handler):
    """Calls a function for each warning."""

    def __init__(self, function: object) -> None:
        super().__init__(logging.WARNING)
        self._function = function

    def emit(self, record: logging.LogRecord) -> None:
        self._function()  # type: ignore[operator]  # a callable
