"""One object a checkpoint: a header, then a pickled state or a directory.

The header is the codec's message ``["bandmaster checkpoint", version, kind, trial, job, attempt,
step]`` with its length in two bytes before it. A state follows as a pickle of protocol 5, a
directory as an uncompressed tar archive.

Since the header stands in what is hashed, equal states of two jobs, attempts or steps are two
objects with two names. So a name that nobody needs any more can be deleted at any time: nobody else
can be about to save, or rely on, the same bytes under the same name.
"""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from bandmaster.checkpoints.drafts import Draft
from bandmaster.checkpoints.trees import pack_tree, unpack_tree
from bandmaster.core.codec import pack, unpack
from bandmaster.core.job import Job
from bandmaster.errors import CheckpointError, CodecError

__all__ = ["MOST_HEADER", "Header", "read_archive", "read_header", "write_archive"]

logger = logging.getLogger(__name__)

_MAGIC, _VERSION = "bandmaster checkpoint", 1
_STATE, _DIRECTORY = "state", "directory"
MOST_HEADER = 256
"""No header is longer than this, in bytes."""


@dataclass(frozen=True, slots=True)
class Header:
    """What a checkpoint is of.

    Parameters
    ----------
    kind : {"state", "directory"}
    trial, job, attempt, step : int
    """

    kind: Literal["state", "directory"]
    trial: int
    job: int
    attempt: int
    step: int

    def encode(self) -> bytes:
        """Return the bytes with which an object begins."""
        data = pack(
            [_MAGIC, _VERSION, self.kind, self.trial, self.job, self.attempt, self.step]
        )  # fmt: skip
        return len(data).to_bytes(2, "big") + data

    @classmethod
    def decode(cls, data: bytes) -> tuple[Header, int]:
        """Read the header at the beginning of an object; returns it and its length in bytes.

        Raises
        ------
        CheckpointError
            When there is none, or one of a later version.
        """
        end = 2 + int.from_bytes(data[:2], "big")
        if 2 < end <= MOST_HEADER and len(data) >= end:
            try:
                match unpack(data[2:end]):
                    case [
                        str() as magic,
                        int() as version,
                        ("state" | "directory") as kind,
                        int(trial),
                        int(job),
                        int(attempt),
                        int(step),
                    ] if magic == _MAGIC and version == _VERSION:
                        return cls(kind, trial, job, attempt, step), end
                    case [str() as magic, int() as version, *_] if magic == _MAGIC:
                        raise CheckpointError(
                            f"the checkpoint has format {version}, this version reads {_VERSION}: "
                            "upgrade bandmaster"
                        )
            except CodecError:
                pass  # said below
        raise CheckpointError("this is no checkpoint of bandmaster")


def write_archive(draft: Draft, thing: object, *, job: Job, step: int) -> None:
    """Write a state, or what is in the directory of a path, into an empty draft.

    Raises
    ------
    CheckpointError
        When it cannot be pickled, or the directory holds what cannot be kept.
    """
    directory = Path(os.fspath(thing)) if isinstance(thing, os.PathLike) else None
    kind: Literal["state", "directory"] = "state" if directory is None else "directory"
    header = Header(kind, job.trial, job.number, job.attempt, step).encode()
    draft.write(header)
    if directory is None:
        if isinstance(thing, str) and os.path.isdir(thing):
            logger.warning(
                "The checkpoint of job %d is the text %r; if what is in that directory is to be "
                "kept, save pathlib.Path(%r)",
                job.number, thing, thing,
            )  # fmt: skip
        _write_state(draft, thing, header)
    else:
        pack_tree(directory, draft)


def read_header(file: IO[bytes]) -> Header:
    """Read the header, and leave the file where what follows begins."""
    start = file.tell()
    header, length = Header.decode(file.read(MOST_HEADER))
    file.seek(start + length)
    return header


def read_archive(file: IO[bytes], make_directory: Callable[[], Path]) -> object:
    """Return the state, or the directory that `make_directory()` gave, filled.

    What this unpickles can run any code: who calls it has checked that the object is what was
    saved, and trusts whoever may write to the store.

    Raises
    ------
    CheckpointError
        When it cannot be read.
    """
    if read_header(file).kind == _DIRECTORY:
        directory = make_directory()
        unpack_tree(file, directory)
        return directory
    try:
        return pickle.load(file)
    except Exception as error:
        raise CheckpointError(f"the saved state cannot be unpickled here: {error!r}") from error


def _write_state(draft: Draft, state: object, header: bytes) -> None:
    try:
        pickle.dump(state, draft, protocol=5)
    except OSError:
        raise  # it could not be written, so another one would not be either
    except Exception:  # noqa: BLE001 - whatever it is that pickle cannot do, the other may
        import cloudpickle

        draft.restart()
        draft.write(header)
        try:
            cloudpickle.dump(state, draft, protocol=5)
        except OSError:
            raise
        except Exception as error:
            raise CheckpointError(
                f"a {type(state).__module__}.{type(state).__qualname__} cannot be kept as a "
                f"checkpoint: {error}; save what can be pickled, or a directory as pathlib.Path"
            ) from error
