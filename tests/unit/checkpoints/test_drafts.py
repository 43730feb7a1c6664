"""Drafts: hashed as they are written, and collected when their writer was killed."""

from __future__ import annotations

import fcntl
import hashlib
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandmaster.checkpoints import DirectoryStore, temporary_place
from bandmaster.checkpoints.drafts import Draft, collect_drafts, digest_of
from bandmaster.core.checkpoints import checkpoint_name
from bandmaster.errors import CheckpointError


@given(st.lists(st.binary(max_size=50)))
def test_the_digest_is_of_what_was_written(parts: list[bytes]) -> None:
    """However it was cut, it is the SHA-256 of the whole."""
    whole = b"".join(parts)
    with Draft() as draft:
        for part in parts:
            draft.write(part)
        assert hashlib.sha256(whole).hexdigest() == draft.digest
        assert (len(whole), whole) == (draft.size, b"".join(draft.chunks()))
        draft.restart()
        draft.write(b"anew")
        assert hashlib.sha256(b"anew").hexdigest() == draft.digest
        assert b"anew" == b"".join(draft.chunks())


def test_digest_of_a_file_leaves_it_where_it_was() -> None:
    """It is hashed from where it stands."""
    file = io.BytesIO(b"headbody")
    file.seek(4)
    assert hashlib.sha256(b"body").hexdigest() == digest_of(file)
    assert b"body" == file.read()


def test_drafts_of_the_living_stay(tmp_path: Path) -> None:
    """A draft that is open is not collected; one that was closed badly is."""
    with Draft(tmp_path) as draft:
        left = tmp_path / ("0" * 32 + ".part")
        left.write_bytes(b"half")
        (tmp_path / "other").write_bytes(b"no draft")
        assert 1 == collect_drafts(tmp_path)
        assert draft.path is not None
        assert {draft.path.name, "other"} == set(os.listdir(tmp_path))
    assert ["other"] == os.listdir(tmp_path)


@pytest.mark.parametrize("when", ["mark", "tidy"])
def test_drafts_of_the_killed_are_collected(tmp_path: Path, when: str) -> None:
    """What a process wrote that was killed is removed when a master opens or leaves the store."""
    store = DirectoryStore(tmp_path)
    code = (
        "import os, signal; from bandmaster.checkpoints import DirectoryStore\n"
        f"draft = DirectoryStore({str(tmp_path)!r}).draft(); draft.write(b'half'); "
        "draft.file.flush(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    assert 1 == len(os.listdir(tmp_path / "incoming"))
    (tmp_path / checkpoint_name(1, "0" * 64)).touch()  # so that the place stays
    getattr(store, when)()
    assert [] == os.listdir(tmp_path / "incoming")


def test_a_draft_that_was_adopted_is_not_collected(tmp_path: Path) -> None:
    """Though its writer has died."""
    (tmp_path / "a.part").write_bytes(b"whole")
    with Draft.adopt(tmp_path / "a.part"):
        assert 0 == collect_drafts(tmp_path)
    assert [] == os.listdir(tmp_path)


def test_without_locks_only_old_drafts_are_collected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a file system knows no locks, a draft has to be a day old."""

    def refuse(*_: object) -> None:
        raise OSError("no locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    for name, age in (("a", 60.0), ("b", 25 * 3600.0)):
        path = tmp_path / f"{name}.part"
        path.write_bytes(b"")
        now = path.stat().st_mtime
        os.utime(path, (now - age, now - age))
    with Draft(tmp_path) as draft:
        assert 1 == collect_drafts(tmp_path)
        assert draft.path is not None
        assert {"a.part", draft.path.name} == set(os.listdir(tmp_path))


def test_a_draft_of_another_process_can_be_kept(tmp_path: Path) -> None:
    """What a child has written into the store's folder is moved, not copied."""
    store = DirectoryStore(tmp_path)
    with Draft(store.folder) as theirs:
        theirs.write(b"content")
        theirs.file.flush()
        name = checkpoint_name(1, theirs.digest)
        assert theirs.path is not None
        inode = theirs.path.stat().st_ino
        with Draft.adopt(theirs.path) as ours:
            store.put(ours, name)
    assert (inode, b"content") == ((tmp_path / name).stat().st_ino, store.read(name, 0))


def test_a_draft_from_elsewhere_is_copied(tmp_path: Path) -> None:
    """A draft without a name, or on another file system, is kept as well."""
    store = DirectoryStore(tmp_path)
    with Draft() as draft:
        draft.write(b"content")
        name = checkpoint_name(1, draft.digest)
        store.put(draft, name)
    assert b"content" == store.read(name, 0)
    assert [] == os.listdir(tmp_path / "incoming")


def test_a_link_in_the_place_of_an_object_is_not_followed(tmp_path: Path) -> None:
    """Who can write into the directory cannot have us read something else."""
    name = checkpoint_name(1, "0" * 64)
    (tmp_path / "secret").write_text("secret")
    (tmp_path / name).symlink_to(tmp_path / "secret")
    with pytest.raises(CheckpointError, match=name):
        DirectoryStore(tmp_path).open(name)


def test_the_directory_is_for_this_user_only(tmp_path: Path) -> None:
    """A directory that a store makes is closed to others: what lies there gets unpickled."""
    store = DirectoryStore(tmp_path / "store")
    store.mark()
    assert 0o700 == (tmp_path / "store").stat().st_mode & 0o777


def test_no_place_says_so(tmp_path: Path) -> None:
    """A file where the directory should be is an error that names it."""
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match="nothing can be kept"):
        DirectoryStore(tmp_path / "file" / "store").draft()


def test_only_what_is_to_last_is_made_durable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a temporary place no time goes into surviving a power cut; elsewhere it does."""
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    with temporary_place(tmp_path) as temporary:
        for folder, expected in ((tmp_path / "kept", 2), (temporary, 0)):
            synced.clear()
            store = DirectoryStore(folder)
            with store.draft() as draft:
                draft.write(b"content")
                store.put(draft, checkpoint_name(1, draft.digest))
            assert expected == len(synced)


def test_a_failed_move_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk fails at the end, neither the object nor a draft stays."""

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    store = DirectoryStore(tmp_path)
    with store.draft() as draft:
        draft.write(b"content")
        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(CheckpointError, match="No space left"):
            store.put(draft, checkpoint_name(1, draft.digest))
    assert ([], []) == (list(store.names()), os.listdir(tmp_path / "incoming"))
