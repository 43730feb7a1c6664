"""Checkpoints go with their study when it is deleted, and those of no other one."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest

from bandmaster import Study
from bandmaster.errors import StorageError, StudyBusyError
from bandmaster.storage import open_storage
from bandmaster.study.places import without_password

SPACE = {"x": {"_type": "uniform", "_value": [0, 1]}}


def train(config, context):
    context.save({"x": config["x"]})
    return config["x"]


def search(url: str, name: str, store: Path | str | None = None) -> None:
    with Study(SPACE, optimizer="Random", name=name, storage=url) as study:
        study.optimize(train, n_trials=2, checkpoint_store=store)


def kept(place: Path) -> list[str]:
    """Return which studies have something in a place."""
    return sorted({path.parent.name.rpartition("-")[0] for path in place.glob("*/*-*")})


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/search.db"


@pytest.mark.parametrize("given", [False, True])
def test_they_are_deleted_and_the_neighbours_stay(url, tmp_path, given, caplog):
    """Beside the file, or in the place that was given, which the journal names."""
    place = tmp_path / ("given" if given else "search.db.checkpoints")
    for name in ("a", "b"):
        search(url, name, place if given else None)
    assert ["a", "b"] == kept(place)
    Study.delete_study("a", url)
    assert ["b"] == kept(place)
    assert 1 == len(list(place.iterdir()))
    Study.delete_study("b", url)
    assert [] == kept(place)
    assert given == place.exists()  # what was given is not ours to remove
    assert "deleted" not in caplog.text


def test_an_open_storage_knows_its_place_too(url, tmp_path):
    """Given as an object, not as a URL."""
    search(url, "a")
    with open_storage(url) as storage:
        Study.delete_study("a", storage)
    assert not (tmp_path / "search.db.checkpoints").exists()


def test_all_places_of_a_study_are_cleared(url, tmp_path):
    """A run may use another one than the run before."""
    search(url, "a", tmp_path / "first")
    with Study.load("a", url, optimizer="Random") as study:
        study.optimize(train, n_trials=1, checkpoint_store=tmp_path / "second")
        study.optimize(train, n_trials=1, checkpoint_store=tmp_path / "second")
        study.optimize(train, n_trials=1)
    Study.delete_study("a", url)
    for place in ("first", "second", "search.db.checkpoints"):
        assert [] == kept(tmp_path / place)


def test_a_copy_of_the_file_does_not_take_those_of_the_original(url, tmp_path):
    """What lies beside a file belongs to that file."""
    search(url, "a")
    (tmp_path / "copy").mkdir()
    shutil.copy(tmp_path / "search.db", tmp_path / "copy")
    Study.delete_study("a", f"sqlite:///{tmp_path}/copy/search.db")
    assert ["a"] == kept(tmp_path / "search.db.checkpoints")


def test_what_is_not_there_is_named(url, tmp_path, caplog):
    """On another machine, moved, or deleted by hand: the warning says where they were."""
    search(url, "a", tmp_path / "given")
    shutil.rmtree(tmp_path / "given")
    with caplog.at_level(logging.WARNING):
        Study.delete_study("a", url)
    assert f"{tmp_path}/given/a-" in caplog.text
    assert [] == Study.list_studies(url)


def test_what_cannot_be_deleted_is_named(url, tmp_path, caplog, monkeypatch):
    """The study is gone all the same; the warning says what is left and why."""
    search(url, "a")
    monkeypatch.setattr("bandmaster.checkpoints.local.remove_tree", lambda path: None)
    with caplog.at_level(logging.WARNING):
        Study.delete_study("a", url)
    assert f"{tmp_path}/search.db.checkpoints/a-" in caplog.text
    assert "cannot be removed" in caplog.text
    assert [] == Study.list_studies(url)


def test_a_study_that_is_not_deleted_keeps_them(url, tmp_path):
    """One that somebody writes, and one that is not there."""
    search(url, "a")
    with Study.load("a", url, optimizer="Random"), pytest.raises(StudyBusyError):
        Study.delete_study("a", url)
    with pytest.raises(StorageError):
        Study.delete_study("b", url)
    assert ["a"] == kept(tmp_path / "search.db.checkpoints")


def test_a_study_without_checkpoints_is_deleted_without_a_word(url, caplog):
    """There is nothing to say."""
    with Study(SPACE, optimizer="Random", name="a", storage=url) as study:
        study.optimize(lambda config: config["x"], n_trials=2)
    with caplog.at_level(logging.WARNING):
        Study.delete_study("a", url)
    assert "" == caplog.text


def test_no_password_is_written_into_a_journal():
    """The place is told without it."""
    assert "sftp://me@host:22/run" == without_password("sftp://me:secret@host:22/run")
    for plain in ("/data/a:b@c", "s3://bucket/run", "sftp://me@host/run"):
        assert plain == without_password(plain)
