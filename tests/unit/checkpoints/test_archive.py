"""The format of a checkpoint, which later versions have to read."""

from __future__ import annotations

import hashlib
import io
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandmaster.checkpoints import DirectoryStore, Header, StoredCheckpoints
from bandmaster.checkpoints.archive import MOST_HEADER, read_header
from bandmaster.core.codec import pack
from bandmaster.core.job import Job
from bandmaster.errors import CheckpointError

_numbers = st.integers(0, 10**18)
_headers = st.builds(
    Header, st.sampled_from(["state", "directory"]), _numbers, _numbers, _numbers, _numbers
)


@given(_headers, st.binary(max_size=300))
def test_a_header_comes_back(header: Header, rest: bytes) -> None:
    """It is read as it was written, and what follows it is left for others."""
    assert len(header.encode()) <= MOST_HEADER
    file = io.BytesIO(header.encode() + rest)
    assert header == read_header(file)
    assert rest == file.read()


@given(st.binary(max_size=300))
def test_garbage_is_no_header(garbage: bytes) -> None:
    """Whatever does not begin as a checkpoint is said to be none."""
    with pytest.raises(CheckpointError):
        Header.decode(garbage)


def test_golden_bytes() -> None:
    """Format 1 begins with these bytes; to change them, raise the version in the header."""
    golden = "002497b562616e646d617374657220636865636b706f696e7401a57374617465020301cd0100"
    assert golden == Header("state", 2, 3, 1, 256).encode().hex()


def test_a_golden_checkpoint_is_read(tmp_path: Path) -> None:
    """A state that was kept with format 1 is loaded by every later version."""
    kept = bytes.fromhex("002297b562616e646d617374657220636865636b706f696e7401a5737461746502030105")
    kept += pickle.dumps({"weights": [0.5]}, protocol=5)
    name = f"5-{hashlib.sha256(kept).hexdigest()}"
    (tmp_path / name).write_bytes(kept)
    assert {"weights": [0.5]} == StoredCheckpoints(DirectoryStore(tmp_path)).load(name)


def test_a_later_format_says_so() -> None:
    """The error says which version wrote it, and what to do."""
    data = pack(["bandmaster checkpoint", 2, "state", 1, 2, 3, 4, "new"])
    with pytest.raises(CheckpointError, match=r"format 2.*upgrade"):
        Header.decode(len(data).to_bytes(2, "big") + data)


def test_a_large_state_is_not_copied(tmp_path: Path) -> None:
    """What pickle cannot do is found out without leaving half of it in the object."""

    class Odd:
        def __reduce__(self) -> str:
            return "nobody knows this name"

    checkpoints = StoredCheckpoints(DirectoryStore(tmp_path))
    name = checkpoints.save(["x" * 100_000, lambda: 1], job=Job(0, 0, 0, {}, 1), step=1)
    loaded = checkpoints.load(name)
    assert isinstance(loaded, list)
    assert 1 == loaded[1]()
    with pytest.raises(CheckpointError, match="cannot be kept"):
        checkpoints.save(Odd(), job=Job(0, 0, 0, {}, 1), step=1)
