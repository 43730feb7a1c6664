"""A mark beside an SQLite file: how far its studies had come.

A transaction that a broken disk has lost is lost whole, with the count of events in it: what is
left looks like a database that simply has fewer. So the count is kept in a second file too,
written after each commit and never synced. It is never ahead of what was acknowledged, so when
it is ahead of the database, the database has lost something.
"""

from __future__ import annotations

import logging
import os
import struct
import zlib
from pathlib import Path

__all__ = ["Mark"]

logger = logging.getLogger(__name__)

_MAGIC = b"BandmasterMark1\n"
_SLOT = struct.Struct(">QII")  # position, checksum of the events, CRC-32 of these two
_HEAD = 64


class Mark:
    """The open file; a slot a study.

    Parameters
    ----------
    path : Path
    identity : str
        The database's; a mark of another one is begun anew.
    """

    def __init__(self, path: Path, identity: str) -> None:
        self._path = path
        self._head = (_MAGIC + identity.encode("ascii")).ljust(_HEAD, b"\0")
        self._fd = -1

    def open(self) -> None:
        """Open it; when that fails, say so and go on without."""
        try:
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            head = os.pread(self._fd, _HEAD, 0)
            if head != self._head:
                if head.startswith(_MAGIC):
                    logger.warning(
                        "%s belongs to a database that was here before; it is begun anew",
                        self._path,
                    )
                os.ftruncate(self._fd, 0)
                os.pwrite(self._fd, self._head, 0)
        except OSError as error:
            self._give_up(error)

    def read(self, study_id: int) -> tuple[int, int] | None:
        """Return position and checksum of a study, if they were noted."""
        if self._fd < 0:
            return None
        raw = os.pread(self._fd, _SLOT.size, self._offset(study_id))
        if len(raw) < _SLOT.size:
            return None
        position, check, guard = _SLOT.unpack(raw)
        return (position, check) if zlib.crc32(raw[:12]) == guard else None

    def write(self, study_id: int, position: int, check: int) -> None:
        """Note where a study is."""
        if self._fd < 0:
            return
        raw = position.to_bytes(8, "big") + check.to_bytes(4, "big")
        try:
            os.pwrite(self._fd, raw + zlib.crc32(raw).to_bytes(4, "big"), self._offset(study_id))
        except OSError as error:
            self._give_up(error)

    def close(self) -> None:
        """Close it; twice does nothing."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _offset(self, study_id: int) -> int:
        return _HEAD + study_id * _SLOT.size

    def _give_up(self, error: OSError) -> None:
        logger.warning(
            "%s cannot be written (%s): a loss of events by a broken disk would not be noticed",
            self._path,
            error,
        )
        self.close()
