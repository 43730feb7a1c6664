"""A disk that is full while a checkpoint is written: the evaluation fails, and says why."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from disks import mounted

from bandmaster.checkpoints import DirectoryStore, StoredCheckpoints
from bandmaster.core.job import Job
from bandmaster.errors import CheckpointError
from bandmaster.fmin import fmin
from bandmaster.multifidelity import PBTIterGenerator, uniform

JOB = Job(0, 0, 0, {}, 1.0)
MIB = 1 << 20


def directory(folder: Path, size: int) -> Path:
    folder.mkdir()
    (folder / "weights").write_bytes(bytes(size))
    return folder


@pytest.mark.parametrize("kind", ["state", "directory"])
def test_a_checkpoint_that_does_not_fit_leaves_nothing(tmp_path: Path, kind: str) -> None:
    """The error names the disk's, not the object's, trouble; a smaller one is kept afterwards."""
    large = bytes(3 * MIB) if kind == "state" else directory(tmp_path / "large", 3 * MIB)
    small = bytes(MIB // 2) if kind == "state" else directory(tmp_path / "small", MIB // 2)
    with mounted(tmp_path / "disk", 1) as disk:
        store = DirectoryStore(disk / "store")
        checkpoints = StoredCheckpoints(store)
        with pytest.raises(CheckpointError, match="No space left on device") as caught:
            checkpoints.save(large, job=JOB, step=1)
        assert "pickled" not in str(caught.value)
        assert [] == list(store.names())
        assert [] == os.listdir(disk / "store" / "incoming")
        name = checkpoints.save(small, job=JOB, step=2)
        assert [name] == [stored.name for stored in store.names()]


def train(config: dict[str, Any], context: Any) -> None:
    """A state of 300 kB, of which three are on a disk of a MiB."""
    state = context.load() or {"loss": 1.0, "weights": bytes(300_000)}
    while True:
        state["loss"] *= 1 - config["rate"]
        context.report(state["loss"], checkpoint=state)


def test_members_that_cannot_save_fail_and_go_on_when_there_is_room(tmp_path: Path) -> None:
    """From their newest checkpoint, as with other failures; the run ends, and has their errors."""
    generator = PBTIterGenerator(
        2, num_samples=4, stop=8, max_failures=2,
        hyperparam_mutations={"rate": uniform(0.01, 0.5)},
    )  # fmt: skip
    with mounted(tmp_path / "disk", 1) as disk:
        result = fmin(
            train, None, multi_fidelity_iter_generator=generator, n_jobs=2,
            checkpoint_store=disk / "store", show_progressbar=False,
        )  # fmt: skip
    assert result.errors
    assert all("No space left on device" in error for error in result.errors.values())
    assert any(evaluation.ok for evaluation in result.evaluations)
