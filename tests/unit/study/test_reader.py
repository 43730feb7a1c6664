"""Reading a stored study beside its writer."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from bandmaster import Study
from bandmaster.cli.sources import find_source
from bandmaster.core.objectives import Metric
from bandmaster.errors import StorageError, StudyBusyError
from bandmaster.multifidelity import HyperBandIterGenerator
from bandmaster.space import Float, Space
from bandmaster.storage import MemoryStorage, open_storage
from bandmaster.study.previous import only_study, past_of
from bandmaster.study.reader import StudyReader
from bandmaster.study.reports import ReportedCurves
from bandmaster.study.result import Result

SPACE = Space([Float("x", 0.0, 1.0)])


def _study(storage, **more):
    return Study(
        SPACE,
        optimizer="Random",
        generator=HyperBandIterGenerator(min_budget=1, max_budget=4, eta=2),
        name="mine",
        storage=storage,
        **more,
    )


def _drive(study, n):
    for _ in range(n):
        job = study.ask()
        study.tell(job, {"loss": job.config["x"], "info": "seen"} if job.number % 5 else "no loss")


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_a_reader_sees_what_the_writer_has_stored(kind, tmp_path):
    """All of it, while the study is being written, and what comes later after a refresh."""
    url = f"sqlite:///{tmp_path / 'a.db'}"
    storage = MemoryStorage() if kind == "memory" else open_storage(url)
    with storage, _study(storage) as study:
        _drive(study, 12)
        with StudyReader("mine", storage if kind == "memory" else url) as reader:
            result = Result.of(reader)
            assert study.result.evaluations == result.evaluations
            assert study.history.vectors.tobytes() == result.history.vectors.tobytes()
            assert (study.result.best, SPACE) == (result.best, result.space)
            assert 2 == len(result.failures) - 1
            assert 0 == reader.refresh()
            open_job = study.ask()
            _drive(study, 30)
            assert 30 == reader.refresh()
            assert 1 == reader.n_open
            assert study.result.evaluations == result.evaluations
            assert reader.stopped is None
            study.tell(open_job, 0.5)
            study.stop("enough")
            study.wait_durable(study.position)
            reader.refresh()
            assert ("enough", 0) == (reader.stopped, reader.n_open)
            assert 43 == len(result.evaluations)


def test_a_result_of_a_stored_study_needs_only_name_and_file(tmp_path):
    """A path or a URL; metrics and space come with it. To load it for writing is refused."""
    path = tmp_path / "a.db"
    metric = Metric("accuracy", objective="maximize")
    with _study(f"sqlite:///{path}", metrics=[metric]) as study:
        job = study.ask()
        study.tell(job, {"accuracy": 0.75})
        for storage in (str(path), f"sqlite:///{path}", f"sqlite:///{path}?synchronous=normal"):
            result = Result.of_stored("mine", storage)
            assert 0.75 == result.best_value
            assert study.result.evaluations == result.evaluations
        with pytest.raises(StudyBusyError):
            Study.load("mine", f"sqlite:///{path}")
        _drive(study, 1)
        assert 1 == len(result.evaluations)


def test_looking_makes_no_file(tmp_path):
    """A file that is not there is said to be missing."""
    path = tmp_path / "none.db"
    for storage in (str(path), f"sqlite:///{path}"):
        with pytest.raises(StorageError, match=r"none\.db"):
            Result.of_stored("mine", storage)
    assert [] == list(tmp_path.glob("none*"))


def test_looking_makes_no_tables(tmp_path, monkeypatch):
    """Who looks into a stranger's SQLite file finds no studies, and leaves none of ours there."""
    monkeypatch.chdir(tmp_path)
    with contextlib.closing(sqlite3.connect("other.db")) as other:
        other.execute("CREATE TABLE theirs (x)")
        other.commit()
    before = Path("other.db").read_bytes()
    for look in (
        lambda: StudyReader("mine", "other.db"),
        lambda: only_study("other.db"),
        lambda: past_of("other.db"),
        lambda: ReportedCurves.of_stored("mine", "other.db"),
        lambda: find_source("mine", "other.db"),
    ):
        with pytest.raises(StorageError, match="holds no studies"):
            look()
    assert ["other.db"] == [path.name for path in tmp_path.iterdir()]
    assert before == Path("other.db").read_bytes()


def test_a_study_that_is_not_there_or_empty_is_refused(tmp_path):
    """The message names it, and what was opened is closed."""
    with MemoryStorage() as storage:
        with pytest.raises(StorageError, match="yours"):
            Result.of_stored("yours", storage)
        storage.open_journal("young", create=True)
        with pytest.raises(StorageError, match="empty"):
            Result.of_stored("young", storage)
    url = f"sqlite:///{tmp_path / 'a.db'}"
    with _study(url), pytest.raises(StorageError, match="yours"):
        Result.of_stored("yours", url)


def test_a_reader_that_was_closed_reads_no_more():
    """What it had read stays; a Storage that it was given stays open."""
    with MemoryStorage() as storage, _study(storage) as study:
        _drive(study, 2)
        with StudyReader("mine", storage) as reader:
            result = Result.of(reader)
        reader.close()
        with pytest.raises(StorageError, match="mine"):
            reader.refresh()
        assert 2 == len(result.evaluations) == len(Result.of_stored("mine", storage).evaluations)


def test_what_was_learned_from_before_and_retried_reads_the_same(tmp_path):
    """Imported evaluations, requeued attempts and retries: one code path makes them."""
    with MemoryStorage() as storage:
        before = _study(None)
        _drive(before, 8)
        study = _study(storage, retry_failed=1)
        study.learn_from(before.history)
        for _ in range(9):
            job = study.ask()
            if job.attempt == 0 and job.number % 3 == 0:
                study.requeue(job, "lost")
            elif job.attempt == 0 and job.number % 3 == 1:
                study.tell(job, "no loss")
            else:
                study.tell(job, 0.25)
        result = Result.of_stored("mine", storage)
        assert study.result.evaluations == result.evaluations
        assert {0, 1} == {e.attempt for e in result.evaluations}
        assert study.result.num_iterations() == result.num_iterations()
        study.close()
