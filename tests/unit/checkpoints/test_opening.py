"""From URLs to stores; and stores elsewhere that fail."""

from __future__ import annotations

import datetime
import os
from pathlib import Path

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from bandmaster.checkpoints import DirectoryStore, StoredCheckpoints, open_store, store_url
from bandmaster.checkpoints.remote import RemoteStore
from bandmaster.core.job import Job
from bandmaster.errors import CheckpointError, ConfigurationError

JOB = Job(0, 0, 0, {}, 1)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("a/b", "{cwd}/a/b/run"),
        ("/a/./b/", "/a/b/run"),
        ("file:///a/b", "/a/b/run"),
        ("local://a", "{cwd}/a/run"),
        (Path("/a"), "/a/run"),
        ("~/a", "{home}/a/run"),
        ("s3://bucket/a/", "s3://bucket/a/run"),
        ("memory://", "memory:/run"),
    ],
)
def test_where_a_part_of_a_store_is(url: str | Path, expected: str) -> None:
    """Paths become absolute, so that they hold in other directories; URLs get a segment more."""
    assert expected.format(cwd=Path.cwd(), home=Path.home()) == store_url(url, "run")


@pytest.mark.parametrize("url", ["", None, 3, b"/a", "a\0b"])
def test_what_is_no_place_is_refused(url: object) -> None:
    """The error says what a place is given as."""
    with pytest.raises(ConfigurationError, match="directory or a URL"):
        open_store(url)  # type: ignore[arg-type]  # what a user may do


def test_an_unknown_file_system_is_refused() -> None:
    """The error has what fsspec says of it."""
    with pytest.raises(ConfigurationError, match="nosuch"):
        open_store("nosuch://bucket")


def test_a_directory_needs_no_fsspec() -> None:
    """A path and ``file://`` are the same store."""
    for url in ("/a", "file:///a"):
        store = open_store(url)
        assert isinstance(store, DirectoryStore)
        assert "/a" == store.url


def test_an_upload_that_fails_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither part of an object nor the file that it was written to."""

    def fail(self: MemoryFileSystem, here: str, there: str) -> None:
        self.pipe_file(there, b"half")
        raise TimeoutError("the bucket is gone")

    store = open_store("memory://failing/run")
    assert isinstance(store, RemoteStore)
    with monkeypatch.context() as patch:
        patch.setattr(MemoryFileSystem, "put_file", fail)
        with pytest.raises(CheckpointError, match="the bucket is gone"):
            StoredCheckpoints(store).save("state", job=JOB, step=1)
    assert [] == list(store.names())
    assert [".temporary"] == os.listdir(store._scratch.path)
    store.close()
    assert not fsspec.filesystem("memory").exists("/failing/run/1-")


@pytest.mark.parametrize("call", ["ls", "rm_file", "cat_file"])
def test_errors_of_a_file_system_are_ours(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its package raises is a CheckpointError that says what was to be done."""

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no credentials")

    store = open_store("memory://broken/run")
    name = StoredCheckpoints(store).save("state", job=JOB, step=1)
    monkeypatch.setattr(MemoryFileSystem, call, fail)
    acts = {
        "ls": lambda: list(store.names()),
        "rm_file": lambda: store.delete(name),
        "cat_file": lambda: store.read(name, 0),
    }
    with pytest.raises(CheckpointError, match="no credentials"):
        acts[call]()
    assert not store.sees("0")
    store.close()


@pytest.mark.parametrize(
    ("entry", "modified"),
    [
        ({"mtime": 5}, 5.0),
        ({"LastModified": datetime.datetime(1970, 1, 1, 0, 1)}, 60.0),
        ({"created": datetime.datetime(1970, 1, 1, 1, tzinfo=datetime.timezone.utc)}, 3600.0),
        ({"mtime": "yesterday"}, None),
        ({}, None),
    ],
)
def test_when_an_object_was_made(
    entry: dict[str, object], modified: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """File systems say it in many ways; of one that does not nothing is ever taken for old."""
    name = f"1-{'0' * 64}"
    found = [{"name": f"/times/run/{name}", "size": 3} | entry]
    monkeypatch.setattr(MemoryFileSystem, "ls", lambda *_, **__: found)
    assert [(name, modified)] == [
        (stored.name, stored.modified) for stored in open_store("memory://times/run").names()
    ]
