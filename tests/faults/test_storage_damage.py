"""What a broken disk does: files cut at any byte, bytes changed, files gone."""

from __future__ import annotations

import logging
import random
import shutil
from pathlib import Path

import pytest

from bandmaster.core import events as ev
from bandmaster.core.outcome import Outcome, Status
from bandmaster.errors import StorageError
from bandmaster.storage import open_storage

N_COMMITS = 60


def _events() -> list[list[ev.Event]]:
    """Return the events of each commit."""
    groups: list[list[ev.Event]] = []
    for n in range(N_COMMITS):
        config = {"rate": n / 7, "layers": n, "text": "x" * (n % 5) * 40}
        issued = ev.JobIssued(float(n), n, 0, "w", n, 1.0, config, {}, 0, 0, None, False)
        finished = ev.JobFinished(n + 0.5, n, 0, Outcome(Status.OK, n / 3, {"a": 1.0}, worker="w"))
        groups.append([issued, finished])
    return groups


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a database, half of it in the WAL, as a kill -9 leaves it."""
    folder, copy = tmp_path_factory.mktemp("live"), tmp_path_factory.mktemp("written")
    with open_storage(f"sqlite:///{folder}/a.db") as storage:
        journal = storage.open_journal("s", create=True)
        for n, group in enumerate(_events()):
            if n == N_COMMITS // 2:
                journal.close()  # the last to close moves the WAL into the file
                journal = storage.open_journal("s", create=True)
            journal.wait(journal.append(group))
        for name in ("a.db", "a.db-wal", "a.db-mark"):
            shutil.copy(folder / name, copy)
    return copy


def opened(folder: Path, caplog: pytest.LogCaptureFixture) -> tuple[list[ev.Event] | None, bool]:
    """Return what can be read and still be written (None: refused), and whether a loss was told."""
    caplog.clear()
    found: list[ev.Event] | None
    try:
        with open_storage(f"sqlite:///{folder}/a.db") as storage:
            journal = storage.open_journal("s", create=True)
            found = list(journal.read())
            journal.wait(journal.append([ev.Noted(0.0, "goes on")]))
            assert [*found, ev.Noted(0.0, "goes on")] == list(storage.read_journal("s").read())
    except StorageError:
        found = None
    warnings = [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]
    return found, any("lost" in text or "before" in text for text in warnings)


def check(folder: Path, caplog: pytest.LogCaptureFixture, what: str) -> bool:
    """Open a damaged database: an exact prefix with a warning if it is short, or refused."""
    whole = [event for group in _events() for event in group]
    found, told = opened(folder, caplog)
    if found is None:
        return False
    assert whole[: len(found)] == found, what
    assert told or len(found) == len(whole), f"{what}: {len(found)} events, and no word"
    return True


def places(size: int, n: int) -> list[int]:
    """Return where to cut: all edges of pages and frames, and random bytes."""
    edges = {k * 4096 + d for k in range(size // 4096 + 1) for d in (-1, 0, 1)}
    edges |= {32 + k * 4120 + d for k in range(size // 4120 + 1) for d in (-1, 0, 1, 24)}
    chosen = random.Random(size)
    some = {chosen.randrange(size) for _ in range(n)}
    kept = sorted(p for p in edges if 0 <= p < size)
    return sorted({*chosen.sample(kept, min(len(kept), n)), *some, 0, 1, size - 1})


@pytest.mark.parametrize("name", ["a.db", "a.db-wal"])
def test_a_file_cut_anywhere(
    name: str, written: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What is left is an exact prefix of the events and a warning, or opening is refused."""
    opens = 0
    cuts = places((written / name).stat().st_size, 40)
    for cut in cuts:
        folder = tmp_path / f"{cut}"
        shutil.copytree(written, folder)
        with (folder / name).open("r+b") as file:
            file.truncate(cut)
        opens += check(folder, caplog, f"{name} cut at {cut}")
        shutil.rmtree(folder)
    assert opens > 0 or name == "a.db", "a WAL's beginning is always good for something"


@pytest.mark.parametrize("name", ["a.db", "a.db-wal"])
def test_a_changed_byte(
    name: str, written: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A byte that the disk changed gives a refusal or an exact prefix, never other events."""
    for place in places((written / name).stat().st_size, 40):
        folder = tmp_path / f"{place}"
        shutil.copytree(written, folder)
        with (folder / name).open("r+b") as file:
            file.seek(place)
            byte = file.read(1)[0]
            file.seek(place)
            file.write(bytes([byte ^ 0x55]))
        check(folder, caplog, f"{name} changed at {place}")
        shutil.rmtree(folder)


@pytest.mark.parametrize("name", ["a.db", "a.db-wal", "a.db-mark"])
def test_a_file_that_is_gone(
    name: str, written: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Without one of its files a study opens as a prefix with a warning, or is refused."""
    folder = tmp_path / "gone"
    shutil.copytree(written, folder)
    (folder / name).unlink()
    check(folder, caplog, f"{name} gone")


def test_a_healthy_database_warns_of_nothing(
    written: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """After a kill -9 all events are there, and no loss is reported."""
    folder = tmp_path / "whole"
    shutil.copytree(written, folder)
    found, told = opened(folder, caplog)
    assert ([e for group in _events() for e in group], False) == (found, told)
    found, told = opened(folder, caplog)
    assert not told
