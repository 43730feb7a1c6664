"""Every store of checkpoints keeps the rules of its suite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from bandmaster.checkpoints import DirectoryStore, ManagedStore, open_store
from bandmaster.testing.checkpoints import ManagedStoreSuite


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
