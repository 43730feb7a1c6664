"""The keeper of a study's checkpoints: what is needed stays, the rest is deleted, nothing hangs."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path

import pytest

from bandmaster.checkpoints import DirectoryStore, Keep, Stored, StoredCheckpoints
from bandmaster.core.events import Event
from bandmaster.core.job import Job
from bandmaster.core.outcome import Outcome, Status
from bandmaster.errors import CheckpointError, StorageError
from bandmaster.multifidelity import FlatIterGenerator
from bandmaster.optimizers import RandomOptimizer
from bandmaster.storage import MemoryJournal, MemoryStorage
from bandmaster.study.keeper import CheckpointKeeper
from bandmaster.study.study import Study

SPACE = {"x": {"_type": "uniform", "_value": [0, 1]}}
HOUR = 3600.0


class Forgets(FlatIterGenerator):
    """Goes on from nothing."""

    def needs_checkpoint(self, trial: int) -> bool:
        return False


def make_study(journal: MemoryJournal | None = None) -> Study:
    return Study(
        SPACE, optimizer=RandomOptimizer(), generator=Forgets(), name="a b", journal=journal
    )


class Held(MemoryJournal):
    """Confirms nothing before it may."""

    immediate = False

    def __init__(self) -> None:
        super().__init__()
        self.may = threading.Event()
        self.broken = False

    def wait(self, position: int) -> None:
        assert self.may.wait(10.0)
        if self.broken:
            raise StorageError("the disk is gone")

    def append(self, events: Sequence[Event]) -> int:
        return super().append(events)


def until(holds: Callable[[], bool]) -> None:
    """Wait for what another thread is about to do."""
    deadline, pause = time.monotonic() + 10.0, threading.Event()
    while not holds():
        assert time.monotonic() < deadline
        pause.wait(0.01)


def names(keeper: CheckpointKeeper) -> set[str]:
    return {stored.name for stored in keeper.store.names()}


@pytest.fixture
def study() -> Iterator[Study]:
    study = make_study()
    yield study
    study.close()


def report(study: Study, keeper: CheckpointKeeper, job: Job, step: int) -> str:
    name = keeper.checkpoints.save(step, job=job, step=step)
    study.report(job, 0.5, step=step, checkpoint=name)
    return name


def test_superfluous_checkpoints_are_deleted_while_it_runs(study: Study, tmp_path: Path) -> None:
    """A job's earlier checkpoints go as it reports later ones; at the end the best one stays."""
    with CheckpointKeeper(study, tmp_path) as keeper:
        job = study.ask()
        assert job is not None
        reported = [report(study, keeper, job, step) for step in range(4)]
        until(lambda: names(keeper) == {reported[-1]})
        study.tell(job, Outcome(Status.OK, 0.5, checkpoint=reported[-1]))
        other = study.ask()
        assert other is not None
        worse = report(study, keeper, other, 1)
        study.tell(other, Outcome(Status.OK, 0.7, checkpoint=worse))
    assert {reported[-1]} == {s.name for s in DirectoryStore(keeper.store.url).names()}


def test_a_policy_keeps_more(study: Study, tmp_path: Path) -> None:
    """With ``last=2`` the last two of a trial stay."""
    with CheckpointKeeper(study, tmp_path, keep=Keep(best=0, last=2)) as keeper:
        job = study.ask()
        assert job is not None
        reported = [report(study, keeper, job, step) for step in range(4)]
        study.tell(job, 0.5)
    assert set(reported[-2:]) == {s.name for s in DirectoryStore(keeper.store.url).names()}


def test_nothing_is_deleted_before_the_journal_knows_why(tmp_path: Path) -> None:
    """What a study starts from that is loaded again is there, whatever was not stored yet."""
    journal = Held()
    study = make_study(journal)
    with CheckpointKeeper(study, tmp_path) as keeper:
        job = study.ask(durable=False)
        assert job is not None
        reported = {report(study, keeper, job, step) for step in range(3)}
        assert reported == names(keeper)
        journal.may.set()
        until(lambda: len(names(keeper)) == 1)


def test_a_storage_that_fails_ends_the_deleting(tmp_path: Path) -> None:
    """Who cannot store why does not delete, now or later, and does not hang."""
    journal = Held()
    journal.broken = True
    study = make_study(journal)
    with CheckpointKeeper(study, tmp_path) as keeper:
        job = study.ask(durable=False)
        assert job is not None
        reported = {report(study, keeper, job, step) for step in range(3)}
        journal.may.set()
    assert reported == {s.name for s in DirectoryStore(keeper.store.url).names()}


def test_failing_to_delete_is_no_error(
    study: Study,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is logged once as a warning; the next time the study is opened they are found."""

    def refuse(self: object, name: str) -> None:
        raise CheckpointError(f"{name} is stuck")

    with monkeypatch.context() as patch:
        patch.setattr(DirectoryStore, "delete", refuse)
        with CheckpointKeeper(study, tmp_path) as keeper:
            job = study.ask()
            assert job is not None
            reported = [report(study, keeper, job, step) for step in range(3)]
            study.tell(job, Outcome(Status.OK, 0.5, checkpoint=reported[-1]))
    left = DirectoryStore(keeper.store.url)
    assert set(reported) == {stored.name for stored in left.names()}
    assert 1 == len([r for r in caplog.records if r.levelname == "WARNING"])
    for name in reported:
        os.utime(Path(left.url, name), (0, 0))
    with CheckpointKeeper(study, tmp_path):
        pass
    assert {reported[-1]} == {stored.name for stored in left.names()}


def test_what_was_never_told_of_goes_after_an_hour(study: Study, tmp_path: Path) -> None:
    """Unless it is the last of a job that is out, so that it may still be told of."""
    job = study.ask()
    assert job is not None
    ended = Job(7, 0, 7, {}, 1)
    with CheckpointKeeper(study, tmp_path) as keeper:
        fresh = keeper.checkpoints.save("fresh", job=ended, step=1)
        old = keeper.checkpoints.save("old", job=ended, step=1)
        before = keeper.checkpoints.save("old, and not the last of its job", job=job, step=1)
        out = keeper.checkpoints.save("old, but of a job that is out", job=job, step=1)
        long_ago = time.time() - 2 * HOUR
        for number, name in enumerate((old, before, out)):
            os.utime(Path(keeper.store.url, name), (long_ago, long_ago + number))
    with CheckpointKeeper(study, tmp_path) as keeper:
        until(lambda: names(keeper) == {fresh, out})


def test_a_study_that_is_loaded_goes_on_where_it_was(tmp_path: Path) -> None:
    """The folder is the same, and what the journal says is superfluous is deleted then."""
    storage = MemoryStorage()
    study = make_study(storage.open_journal("a b", create=True))
    with CheckpointKeeper(study, tmp_path, keep=Keep(all=True)) as keeper:
        job = study.ask()
        assert job is not None
        reported = [report(study, keeper, job, step) for step in range(3)]
    study.close()
    again = make_study(storage.open_journal("a b", create=False))
    with CheckpointKeeper(again, tmp_path) as keeper:
        until(lambda: names(keeper) == {reported[-1]})
    storage.close()


def test_two_studies_share_a_place(tmp_path: Path) -> None:
    """Each has a folder of its own, also with one name and one seed."""
    first, second = make_study(), make_study()
    with CheckpointKeeper(first, tmp_path) as a, CheckpointKeeper(second, tmp_path) as b:
        assert a.store.url != b.store.url
        assert {tmp_path} == {Path(keeper.store.url).parent for keeper in (a, b)}


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have temporary directories made here."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


@pytest.mark.usefixtures("temporary")
def test_a_study_in_memory_leaves_nothing(study: Study, tmp_path: Path) -> None:
    """Its checkpoints are in a temporary directory, which goes with the run."""
    with CheckpointKeeper(study) as keeper:
        job = study.ask()
        assert job is not None
        name = report(study, keeper, job, 1)
        assert 1 == StoredCheckpoints(keeper.store).load(name)
        assert tmp_path == Path(keeper.store.url).parent
    assert [] == list(tmp_path.iterdir())


@pytest.mark.usefixtures("temporary")
def test_what_killed_runs_left_is_removed(study: Study, tmp_path: Path) -> None:
    """A temporary directory of a process that has died goes when the next run begins."""
    left = tmp_path / "bandmaster-checkpoints-a_b-1234"
    left.mkdir()
    (left / ".temporary").write_text("")
    os.utime(left, (0, 0))
    with CheckpointKeeper(study) as keeper:
        assert [Path(keeper.store.url)] == list(tmp_path.iterdir())
        os.utime(keeper.store.url, (0, 0))
        with CheckpointKeeper(study) as other:
            assert {keeper.store.url, other.store.url} == set(map(str, tmp_path.iterdir()))


@pytest.mark.parametrize(
    ("url", "where"),
    [("sqlite:///{0}/s.db", "{0}/s.db.checkpoints"), ("postgresql://h/d", "{0}/checkpoints")],
)
def test_stored_studies_have_them_beside(
    tmp_path: Path, url: str, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside the SQLite file, else in the folder of this user's runs; and they stay."""
    monkeypatch.setenv("BANDMASTER_HOME", str(tmp_path))
    study = make_study(Held())
    keeper = CheckpointKeeper(study, beside=url.format(tmp_path))
    study._journal.may.set()  # type: ignore[attr-defined]  # the journal made above
    with keeper:
        assert where.format(tmp_path) == str(Path(keeper.store.url).parent)
        keeper.checkpoints.save("state", job=Job(0, 0, 0, {}, 1), step=1)
    assert Path(keeper.store.url).is_dir()


def test_a_stored_study_that_keeps_nothing_leaves_no_folder(tmp_path: Path) -> None:
    """Who never saves a checkpoint finds nothing beside his file."""
    study = make_study(Held())
    study._journal.may.set()  # type: ignore[attr-defined]  # the journal made above
    with CheckpointKeeper(study, beside=f"sqlite:///{tmp_path}/s.db"):
        assert ["s.db.checkpoints"] == os.listdir(tmp_path)
    assert [] == os.listdir(tmp_path)


def test_where_machines_share_a_home_it_is_there(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers of other nodes may see it; it goes with the run all the same."""
    monkeypatch.setenv("BANDMASTER_HOME", str(tmp_path))
    with CheckpointKeeper(study, shared=True) as keeper:
        assert tmp_path / "checkpoints" == Path(keeper.store.url).parent
    assert [] == list((tmp_path / "checkpoints").iterdir())


@pytest.mark.usefixtures("temporary")
def test_a_home_that_cannot_be_written_is_no_error(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's temporary files will do."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("BANDMASTER_HOME", str(tmp_path / "file"))
    with CheckpointKeeper(study, shared=True) as keeper:
        assert tmp_path == Path(keeper.store.url).parent


def test_a_place_that_cannot_be_written_is_named(study: Study, tmp_path: Path) -> None:
    """Before anything runs, with what to do; nothing of it is left open."""
    (tmp_path / "file").write_text("")
    keeper = CheckpointKeeper(study, tmp_path / "file" / "below")
    with pytest.raises(CheckpointError, match=r"file/below.*give a place .* as checkpoint_store"):
        keeper.start()
    keeper.close()


def test_it_can_be_started_again(study: Study, tmp_path: Path) -> None:
    """A master whose name server was not there tries again with the same keeper."""
    keeper = CheckpointKeeper(study, tmp_path)
    for step in range(2):
        keeper.start()
        keeper.start()
        name = keeper.checkpoints.save("state", job=Job(7, 0, 7, {}, 1), step=step)
        assert name in names(keeper)
        keeper.close()
        keeper.close()


def test_closing_waits_for_who_opens(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A master may be shut down while it starts, in another thread."""
    keeper = CheckpointKeeper(study, tmp_path)
    watch = study.watch_checkpoints
    with ThreadPoolExecutor() as pool:
        closing: list[Future[None]] = []

        def meanwhile(listener: Callable[[], None] | None) -> None:
            watch(listener)
            if not closing:
                closing.append(pool.submit(keeper.close))
                wait(closing, 0.1)
                assert not closing[0].done()

        monkeypatch.setattr(study, "watch_checkpoints", meanwhile)
        keeper.start()
        closing[0].result(10)
    assert "checkpoints" not in [thread.name for thread in threading.enumerate()]


class CutOff(threading.Event):
    """Who waits for it first is interrupted, as by Ctrl-C."""

    def __init__(self) -> None:
        super().__init__()
        self.cut = False

    def wait(self, timeout: float | None = None) -> bool:
        if not self.cut:
            self.cut = True
            raise KeyboardInterrupt
        return super().wait(timeout)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[threading.Event, threading.Event]]:
    """Have looks into stores say that they have begun, and wait until they may go on."""
    begun, go = threading.Event(), threading.Event()
    look = DirectoryStore.names

    def slow(store: DirectoryStore) -> Iterator[Stored]:
        begun.set()
        assert go.wait(10)
        return iter(list(look(store)))

    monkeypatch.setattr(DirectoryStore, "names", slow)
    yield begun, go
    go.set()


def to_be_cut_off(keeper: CheckpointKeeper, begun: threading.Event) -> CheckpointKeeper:
    """Start one that looks into its store by now, and whose first closing is interrupted."""
    keeper._ended = CutOff()
    keeper.start()
    assert begun.wait(10)
    return keeper


@pytest.mark.usefixtures("temporary")
def test_closing_that_is_cut_off_leaves_the_rest_to_the_thread(
    study: Study, held: tuple[threading.Event, threading.Event]
) -> None:
    """Its folder stays as long as it looks into it, and goes then; another call waits for that."""
    begun, go = held
    keeper = to_be_cut_off(CheckpointKeeper(study), begun)
    folder = Path(keeper.store.url)
    with pytest.raises(KeyboardInterrupt):
        keeper.close()
    with ThreadPoolExecutor() as pool:
        closing = pool.submit(keeper.close)
        wait([closing], 0.1)
        assert (False, True) == (closing.done(), folder.exists())
        go.set()
        closing.result(10)
    assert not folder.exists()
    assert "checkpoints" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.usefixtures("temporary")
def test_closing_that_is_cut_off_needs_no_other_call(
    study: Study, held: tuple[threading.Event, threading.Event]
) -> None:
    """A master that was shut down once is not shut down again; starting again waits for the end."""
    begun, go = held
    keeper = to_be_cut_off(CheckpointKeeper(study), begun)
    folder = Path(keeper.store.url)
    with pytest.raises(KeyboardInterrupt):
        keeper.close()
    go.set()
    until(lambda: not folder.exists())
    with keeper:
        assert folder != Path(keeper.store.url)


def test_closing_that_is_cut_off_deletes_no_more(
    study: Study, tmp_path: Path, held: tuple[threading.Event, threading.Event]
) -> None:
    """Who is in a hurry does not wait for a slow store; the next run deletes it."""
    begun, go = held
    keeper = to_be_cut_off(CheckpointKeeper(study, tmp_path), begun)
    job = study.ask()
    assert job is not None
    reported = {report(study, keeper, job, step) for step in range(3)}
    with pytest.raises(KeyboardInterrupt):
        keeper.close()
    go.set()
    keeper.close()
    assert reported == names(keeper)


def test_a_program_that_ctrl_c_ends_while_it_closes_leaves_no_temporary_store(
    tmp_path: Path,
) -> None:
    """Python ends such threads when it exits, but not before they had some seconds."""
    program = """
import os, signal, threading, time
from bandmaster import Study
from bandmaster.checkpoints import DirectoryStore
from bandmaster.study.keeper import CheckpointKeeper

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
look = DirectoryStore.names

def slow(store):
    time.sleep(1.0)
    return look(store)

DirectoryStore.names = slow
study = Study({"x": {"_type": "uniform", "_value": [0, 1]}}, optimizer="Random")
with CheckpointKeeper(study):
    threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
"""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=False,
        env=environment,
        capture_output=True,
        timeout=60,
    )
    assert b"KeyboardInterrupt" in done.stderr
    assert [] == os.listdir(tmp_path)


@pytest.mark.usefixtures("temporary")
def test_a_store_that_breaks_keeps_nothing_open(
    study: Study, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What no store should raise is in the log; closing removes the folder all the same."""

    def fail(store: DirectoryStore) -> Iterator[Stored]:
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(DirectoryStore, "names", fail)
        keeper = CheckpointKeeper(study)
        keeper.start()
        until(lambda: "failed" in caplog.text)
    assert Path(keeper.store.url).exists()
    keeper.close()
    assert not Path(keeper.store.url).exists()
    assert "ZeroDivisionError" in caplog.text


def test_what_cannot_be_told_to_the_journal_leaves_nothing_open(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start that fails late gives back what it had opened."""
    keeper = CheckpointKeeper(study, tmp_path)

    def fail(listener: Callable[[], None] | None) -> None:
        raise StorageError("the disk is gone")

    with monkeypatch.context() as broken:
        broken.setattr(study, "watch_checkpoints", fail)
        with pytest.raises(StorageError, match="gone"):
            keeper.start()
    assert [] == list(tmp_path.iterdir())
    with keeper:
        assert keeper.mark


def test_before_it_starts_there_is_no_store(study: Study) -> None:
    """The constructor opens nothing."""
    with pytest.raises(CheckpointError, match="not open"):
        _ = CheckpointKeeper(study).store
