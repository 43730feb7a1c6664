"""Every store of checkpoints keeps the rules of its suite."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import fsspec
import pytest

from bandmaster.asynccomm.isolation.checkpoints import Desk, ParentStore
from bandmaster.asynccomm.protocol import Get, Put
from bandmaster.asynccomm.relayed import RelayedStore
from bandmaster.asynccomm.relaying import Relay
from bandmaster.asynccomm.sessions import Held
from bandmaster.checkpoints import (
    CheckpointStore,
    DirectoryStore,
    ManagedStore,
    StoredCheckpoints,
    open_store,
)
from bandmaster.checkpoints.remote import RemoteStore
from bandmaster.testing.checkpoints import JOB, CheckpointStoreSuite, ManagedStoreSuite
from bandmaster.testing.fake_workers import FakePeer


class TestDirectory(ManagedStoreSuite):
    @pytest.fixture
    def store(self, tmp_path: Path) -> ManagedStore:
        return DirectoryStore(tmp_path / "a store" / "of ours")

    def damage(self, store: ManagedStore, name: str, content: bytes) -> None:
        Path(store.url, name).write_bytes(content)

    def another(self, store: ManagedStore) -> ManagedStore:
        return open_store(f"file://{store.url}")


class TestFsspec(ManagedStoreSuite):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[ManagedStore]:
        store = open_store(f"memory://{tmp_path.name}/run")
        yield store
        store.destroy()
        store.close()

    def damage(self, store: ManagedStore, name: str, content: bytes) -> None:
        fs, root = fsspec.core.url_to_fs(store.url)
        fs.pipe_file(f"{root}/{name}", content)

    def another(self, store: ManagedStore) -> ManagedStore:
        return open_store(store.url)


@pytest.fixture
def relayed(tmp_path: Path) -> Iterator[RelayedStore]:
    """A store that is seen through a master, by the worker that has the suite's job."""
    relay, peer = Relay(DirectoryStore(tmp_path / "store"), "mark"), FakePeer()
    held = Held.of(JOB)

    def put(name: str, start: int, total: int, data: bytes) -> bytes:
        part = Put(JOB.number, JOB.attempt, name, start, total, data)
        return relay.answer(peer, held, None, Put.decode(part.encode()))

    def get(name: str, start: int) -> bytes:
        wish = Get(JOB.number, JOB.attempt, name, start)
        return relay.answer(peer, held, name, Get.decode(wish.encode()))

    yield RelayedStore(put, get)
    peer.free()


class TestThroughTheMaster(CheckpointStoreSuite):
    @pytest.fixture
    def store(self, relayed: RelayedStore) -> CheckpointStore:
        return relayed


class TestIsolated(CheckpointStoreSuite):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[CheckpointStore]:
        with closing(Desk(StoredCheckpoints(DirectoryStore(tmp_path / "store")))) as desk:
            yield ParentStore(desk.answer)


class TestIsolatedThroughTheMaster(CheckpointStoreSuite):
    @pytest.fixture
    def store(self, relayed: RelayedStore) -> Iterator[CheckpointStore]:
        with closing(Desk(StoredCheckpoints(relayed))) as desk:
            yield ParentStore(desk.answer)


def test_every_store_has_a_suite() -> None:
    """Each class of the product that evaluations save to is tested by a subclass above."""
    tested = {DirectoryStore, RemoteStore, RelayedStore, ParentStore}

    def below(kind: type) -> set[type]:
        return {kind}.union(*(below(sub) for sub in kind.__subclasses__()))

    found = {
        kind
        for kind in below(CheckpointStore)
        if kind.__module__.startswith("bandmaster.") and not inspect.isabstract(kind)
    }
    assert tested == found
