"""The rules of a store of checkpoints, as suites to subclass.

::

    class TestMine(ManagedStoreSuite):
        @pytest.fixture
        def store(self, tmp_path):
            return MyStore(tmp_path)
"""

from __future__ import annotations

import abc
import io
import os
import pickle
import stat
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bandmaster.checkpoints import CheckpointStore, ManagedStore, StoredCheckpoints, load_checkpoint
from bandmaster.checkpoints.archive import Header
from bandmaster.checkpoints.drafts import CHUNK
from bandmaster.core.checkpoints import checkpoint_name, step_of
from bandmaster.core.job import Job
from bandmaster.errors import CheckpointError

__all__ = ["JOB", "CheckpointStoreSuite", "ManagedStoreSuite"]

JOB = Job(3, 1, 2, {"x": 0.5}, 9)
"""The job that saves in these tests."""

MISSING = f"4-{'0' * 64}"


class CheckpointStoreSuite(abc.ABC):
    """What every store keeps that evaluations save to."""

    @pytest.fixture
    @abc.abstractmethod
    def store(self, tmp_path: Path) -> CheckpointStore:
        """Return an empty store, in which job 3 may save; or yield it, and close it."""

    @pytest.fixture
    def checkpoints(self, store: CheckpointStore) -> Iterator[StoredCheckpoints]:
        """What an evaluation gets."""
        made = StoredCheckpoints(store)
        yield made
        made.close()

    @pytest.fixture
    def tree(self, tmp_path: Path) -> Path:
        """A directory with all that may be in one."""
        root = tmp_path / "tree"
        (root / "empty").mkdir(parents=True)
        (root / "déjà vu" / "深い").mkdir(parents=True)
        (root / "déjà vu" / "深い" / "naïve ☃.bin").write_bytes(bytes(range(256)))
        (root / "run.sh").write_text("exit 0")
        (root / "run.sh").chmod(0o750)
        (root / "read only").mkdir()
        (root / "read only" / "secret").write_text("s")
        (root / "read only" / "secret").chmod(0o400)
        (root / "read only").chmod(0o555)
        (root / "latest").symlink_to("déjà vu/深い")
        (root / "déjà vu" / "up").symlink_to("../run.sh")
        return root

    @pytest.mark.parametrize(
        "state", [None, 0, "text", {"weights": [0.5, float("inf")]}, (1, {2}), b"\0" * 3]
    )
    def test_a_state_comes_back(self, checkpoints: StoredCheckpoints, state: object) -> None:
        """What was saved is loaded, equal and of the same type."""
        name = checkpoints.save(state, job=JOB, step=5)
        loaded = checkpoints.load(name)
        assert (state, type(state)) == (loaded, type(loaded))

    def test_the_name_tells_the_step(self, checkpoints: StoredCheckpoints) -> None:
        """A name is the step and the digest of all that is stored."""
        name = checkpoints.save("state", job=JOB, step=17)
        assert 17 == step_of(name)

    def test_equal_states_have_names_of_their_own(self, checkpoints: StoredCheckpoints) -> None:
        """The same state at another step is another object, so that one can be deleted."""
        first = checkpoints.save("state", job=JOB, step=1)
        second = checkpoints.save("state", job=JOB, step=2)
        assert first.partition("-")[2] != second.partition("-")[2]

    def test_saving_again_is_no_error(self, checkpoints: StoredCheckpoints) -> None:
        """The same state of the same step has the same name, and stays."""
        first = checkpoints.save("state", job=JOB, step=1)
        assert first == checkpoints.save("state", job=JOB, step=1)
        assert "state" == checkpoints.load(first)

    def test_what_pickle_cannot_do_cloudpickle_does(self, checkpoints: StoredCheckpoints) -> None:
        """A closure is kept by value."""
        factor = 3
        loaded: Any = checkpoints.load(checkpoints.save(lambda x: factor * x, job=JOB, step=1))
        assert 6 == loaded(2)

    def test_what_nobody_can_pickle_is_refused(self, checkpoints: StoredCheckpoints) -> None:
        """The error names the type, and says what else could be saved."""
        with pytest.raises(CheckpointError, match=r"_thread.lock .*directory"):
            checkpoints.save(threading.Lock(), job=JOB, step=1)

    def test_a_directory_comes_back(self, checkpoints: StoredCheckpoints, tree: Path) -> None:
        """Files, empty directories, names of any language, modes and links are as they were."""
        loaded = checkpoints.load(checkpoints.save(tree, job=JOB, step=1))
        assert isinstance(loaded, Path)
        assert _look(tree) == _look(loaded)

    def test_a_loaded_directory_is_ones_own(
        self, checkpoints: StoredCheckpoints, tree: Path
    ) -> None:
        """Each load gives a new directory, which is gone when the evaluation ends."""
        name = checkpoints.save(tree, job=JOB, step=1)
        first, second = checkpoints.load(name), checkpoints.load(name)
        assert isinstance(first, Path)
        assert isinstance(second, Path)
        (first / "run.sh").write_text("changed")
        assert "exit 0" == (second / "run.sh").read_text()
        checkpoints.close()
        assert [False, False] == [first.exists(), second.exists()]
        assert "exit 0" == (tree / "run.sh").read_text()

    def test_an_empty_directory_comes_back(
        self, checkpoints: StoredCheckpoints, tmp_path: Path
    ) -> None:
        """Nothing in it is nothing in it."""
        (tmp_path / "nothing").mkdir()
        loaded = checkpoints.load(checkpoints.save(tmp_path / "nothing", job=JOB, step=1))
        assert isinstance(loaded, Path)
        assert [] == list(loaded.iterdir())

    def test_large_files_come_back(self, checkpoints: StoredCheckpoints, tmp_path: Path) -> None:
        """What is larger than a chunk, and no multiple of one, is whole."""
        root = tmp_path / "large"
        root.mkdir()
        content = os.urandom(1000) * (3 * CHUNK // 1000)
        (root / "weights").write_bytes(content)
        loaded = checkpoints.load(checkpoints.save(root, job=JOB, step=1))
        assert isinstance(loaded, Path)
        assert content == (loaded / "weights").read_bytes()

    @pytest.mark.parametrize(
        "target",
        [
            "/etc/passwd",
            "../outside",
            "inside/../../outside",
            "../linking/inside",
            "up/../etc",
            "../../gone",
            "to root",
        ],
    )
    def test_links_out_of_the_directory_are_refused(
        self, checkpoints: StoredCheckpoints, tmp_path: Path, target: str
    ) -> None:
        """What a link leads to elsewhere would not be kept, so it is not saved as if it were."""
        root = tmp_path / "linking"
        (root / "inside").mkdir(parents=True)
        if target == "to root":
            (root / "inside" / "to root").symlink_to("/")
        (root / "up").symlink_to("inside/..")
        (root / "link").symlink_to(f"inside/{target}" if target == "to root" else target)
        with pytest.raises(CheckpointError, match=r"out of the directory|by an absolute path"):
            checkpoints.save(root, job=JOB, step=1)

    def test_links_that_lead_nowhere_are_kept(
        self, checkpoints: StoredCheckpoints, tmp_path: Path
    ) -> None:
        """Within the directory: to what is not there, to itself, round in a ring, to the root."""
        root = tmp_path / "linking"
        (root / "inside").mkdir(parents=True)
        links = {
            "gone": "missing/file", "self": "self", "there": "back", "back": "there", "dot": ".",
            "inside/up": "..", "down": "inside/up/inside/../gone",
        }  # fmt: skip
        for name, target in links.items():
            (root / name).symlink_to(target)
        loaded = checkpoints.load(checkpoints.save(root, job=JOB, step=1))
        assert isinstance(loaded, Path)
        assert links.keys() == {
            str(p.relative_to(loaded)) for p in loaded.rglob("*") if p.is_symlink()
        }

    def test_a_text_that_names_a_directory_is_a_text(
        self, checkpoints: StoredCheckpoints, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        """It is kept as one, and the log says how to keep the directory."""
        assert str(tmp_path) == checkpoints.load(checkpoints.save(str(tmp_path), job=JOB, step=1))
        assert "save pathlib.Path(" in caplog.text

    def test_pipes_are_refused(self, checkpoints: StoredCheckpoints, tmp_path: Path) -> None:
        """What is neither file nor directory cannot be kept."""
        root = tmp_path / "odd"
        root.mkdir()
        os.mkfifo(root / "pipe")
        with pytest.raises(CheckpointError, match="neither a file nor a directory"):
            checkpoints.save(root, job=JOB, step=1)

    def test_no_directory_is_refused(self, checkpoints: StoredCheckpoints, tmp_path: Path) -> None:
        """A path of a file, or of nothing, is no directory to keep."""
        (tmp_path / "file").write_text("")
        for path in (tmp_path / "file", tmp_path / "nothing"):
            with pytest.raises(CheckpointError, match="no directory"):
                checkpoints.save(path, job=JOB, step=1)

    @pytest.mark.parametrize(
        ("name", "link", "kind"),
        [
            ("../escaped", "", tarfile.REGTYPE),
            ("/escaped", "", tarfile.REGTYPE),
            ("link", "/etc", tarfile.SYMTYPE),
            ("link", "../..", tarfile.SYMTYPE),
            ("hard", "../escaped", tarfile.LNKTYPE),
            ("device", "", tarfile.CHRTYPE),
        ],
    )
    def test_a_hostile_archive_does_no_harm(
        self,
        store: CheckpointStore,
        checkpoints: StoredCheckpoints,
        name: str,
        link: str,
        kind: bytes,
    ) -> None:
        """An archive that somebody forged writes nothing, and links to nothing, outside."""
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, link
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            archive.addfile(member)
        forged = _keep(store, Header("directory", 2, 3, 1, 1).encode() + packed.getvalue())
        try:
            loaded = checkpoints.load(forged)
        except CheckpointError:
            return
        # An absolute name is taken as one below the directory.
        assert isinstance(loaded, Path)
        assert ["escaped"] == [path.name for path in loaded.iterdir()]

    def test_what_is_missing_says_so(self, checkpoints: StoredCheckpoints) -> None:
        """A checkpoint that is not there is an error with its name."""
        with pytest.raises(CheckpointError, match=MISSING):
            checkpoints.load(MISSING)

    @pytest.mark.parametrize(
        "name", ["", "5", "../5-" + "0" * 64, "5-" + "0" * 64 + "/..", "5-" + "G" * 64, "-1-ab"]
    )
    def test_no_other_names_are_looked_up(self, checkpoints: StoredCheckpoints, name: str) -> None:
        """Only digits, a dash and hexadecimal digits make a name: never a path."""
        with pytest.raises(CheckpointError, match="names no checkpoint"):
            checkpoints.load(name)

    @pytest.mark.parametrize("content", [b"", b"\0\5abc", b"\xff" * 400, b"\0\1\x90"])
    def test_what_is_no_checkpoint_says_so(
        self, store: CheckpointStore, checkpoints: StoredCheckpoints, content: bytes
    ) -> None:
        """Bytes with the right digest that are no checkpoint are an error, too."""
        with pytest.raises(CheckpointError):
            checkpoints.load(_keep(store, content))

    def test_a_pickle_that_fails_says_so(
        self, store: CheckpointStore, checkpoints: StoredCheckpoints
    ) -> None:
        """A state that cannot be unpickled here is an error that has the reason."""
        content = Header("state", 2, 3, 1, 1).encode() + pickle.dumps(_Unloadable())
        with pytest.raises(CheckpointError, match="not on this machine"):
            checkpoints.load(_keep(store, content))

    def test_a_draft_that_is_given_up_leaves_nothing(
        self, store: CheckpointStore, tmp_path: Path
    ) -> None:
        """What was not put is gone with its ``with`` block."""
        with store.draft() as draft:
            draft.write(b"half a checkpoint")
            path = draft.path
        assert path is None or not path.exists()


class ManagedStoreSuite(CheckpointStoreSuite):
    """What every store keeps that a master looks after."""

    @pytest.fixture
    @abc.abstractmethod
    def store(self, tmp_path: Path) -> ManagedStore:
        """Return an empty store; or yield it, and close it."""

    @abc.abstractmethod
    def damage(self, store: ManagedStore, name: str, content: bytes) -> None:
        """Replace an object behind the store's back."""

    @abc.abstractmethod
    def another(self, store: ManagedStore) -> ManagedStore:
        """Return the same place as another process would open it."""

    @pytest.fixture
    def checkpoints(self, store: ManagedStore) -> Iterator[StoredCheckpoints]:
        """What an evaluation gets."""
        made = StoredCheckpoints(store)
        yield made
        made.close()

    def test_names_are_listed(self, store: ManagedStore, checkpoints: StoredCheckpoints) -> None:
        """All that is kept is listed with its size and time, and nothing else is."""
        assert [] == list(store.names())
        store.mark()
        with store.draft() as draft:
            draft.write(b"not kept")
            saved = {checkpoints.save(i, job=JOB, step=i) for i in range(3)}
            found = {stored.name: stored for stored in store.names()}
        assert saved == set(found)
        assert all(stored.size > 20 for stored in found.values())
        assert all(stored.modified is not None for stored in found.values())

    def test_deleted_is_gone(self, store: ManagedStore, checkpoints: StoredCheckpoints) -> None:
        """What was deleted is not listed and not loaded; deleting it again is no error."""
        first, second = (checkpoints.save(i, job=JOB, step=i) for i in (1, 2))
        store.delete(first)
        store.delete(first)
        assert [second] == [stored.name for stored in store.names()]
        with pytest.raises(CheckpointError, match=first):
            checkpoints.load(first)

    def test_parts_make_the_whole(self, store: ManagedStore) -> None:
        """An object is read in parts of any size, and ends with nothing."""
        content = os.urandom(1000)
        name = _keep(store, content)
        parts = [store.read(name, start, 300) for start in range(0, 1500, 300)]
        assert [300, 300, 300, 100, 0] == [len(part) for part in parts]
        assert content == b"".join(parts)
        with pytest.raises(CheckpointError, match=MISSING):
            store.read(MISSING, 0)

    @pytest.mark.parametrize("change", ["cut", "longer", "flipped", "empty"])
    def test_damage_is_found(
        self, store: ManagedStore, checkpoints: StoredCheckpoints, change: str
    ) -> None:
        """What is not what was saved is neither unpickled nor unpacked."""
        name = checkpoints.save({"weights": list(range(100))}, job=JOB, step=1)
        content = store.read(name, 0)
        other = {
            "cut": content[:-1],
            "longer": content + b"\0",
            "flipped": content[:-5] + bytes([content[-5] ^ 1]) + content[-4:],
            "empty": b"",
        }[change]
        self.damage(store, name, other)
        with pytest.raises(CheckpointError, match="damaged"):
            checkpoints.load(name)

    def test_the_mark_tells_the_place(self, store: ManagedStore, tmp_path: Path) -> None:
        """Who opens the same place sees its mark, which stays; no other mark is there."""
        assert not store.sees("0" * 32)
        mark = store.mark()
        another = self.another(store)
        assert (mark, True, False) == (store.mark(), another.sees(mark), another.sees("0" * 32))

    def test_another_process_loads_it(
        self, store: ManagedStore, checkpoints: StoredCheckpoints
    ) -> None:
        """What was saved is there for whoever opens the URL."""
        name = checkpoints.save("state", job=JOB, step=1)
        assert "state" == StoredCheckpoints(self.another(store)).load(name)

    def test_it_is_found_in_a_folder(
        self, store: ManagedStore, checkpoints: StoredCheckpoints
    ) -> None:
        """A name is enough to load it, from the study's folder or from the place above."""
        name = checkpoints.save("state", job=JOB, step=1)
        above, _, _ = store.url.rpartition("/")
        assert ["state", "state"] == [load_checkpoint(name, url) for url in (store.url, above)]
        with pytest.raises(CheckpointError, match=MISSING):
            load_checkpoint(MISSING, above)

    def test_destroyed_is_empty(self, store: ManagedStore, checkpoints: StoredCheckpoints) -> None:
        """Nothing is left of a store that was destroyed; destroying it again is no error."""
        checkpoints.save("state", job=JOB, step=1)
        store.destroy()
        store.destroy()
        assert [] == list(self.another(store).names())

    def test_tidied_is_gone_unless_something_is_kept(
        self, store: ManagedStore, checkpoints: StoredCheckpoints
    ) -> None:
        """A place in which nothing is kept is removed, and can be used again."""
        mark = store.mark()
        name = checkpoints.save("state", job=JOB, step=1)
        store.tidy()
        assert store.sees(mark)
        store.delete(name)
        store.tidy()
        store.tidy()
        assert not store.sees(mark)
        assert "again" == checkpoints.load(checkpoints.save("again", job=JOB, step=1))

    def test_it_prints_as_its_url(self, store: ManagedStore) -> None:
        """The repr shows where it is."""
        assert store.url in repr(store)


class _Unloadable:
    def __reduce__(self) -> tuple[Any, ...]:
        return _fail, ()


def _fail() -> None:
    raise ImportError("not on this machine")


def _keep(store: CheckpointStore, content: bytes) -> str:
    with store.draft() as draft:
        draft.write(content)
        name = checkpoint_name(1, draft.digest)
        store.put(draft, name)
    return name


def _look(root: Path) -> dict[str, object]:
    return {
        str(path.relative_to(root)): (
            ("link", os.readlink(path))
            if path.is_symlink()
            else (stat.S_IMODE(path.stat().st_mode), path.is_file() and path.read_bytes())
        )
        for path in sorted(root.rglob("*"))
    }
