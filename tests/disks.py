"""A small file system of one's own, to be filled up or turned read-only; takes root, as CI is."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

__all__ = ["mounted", "read_only"]


@contextlib.contextmanager
def mounted(folder: Path, megabytes: int) -> Iterator[Path]:
    """Mount it on a new folder."""
    assert os.geteuid() == 0, "mounting a small disk for this test takes root"
    folder.mkdir()
    _run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "small", folder)
    try:
        yield folder
    finally:
        _run("umount", folder)


@contextlib.contextmanager
def read_only(disk: Path) -> Iterator[None]:
    """Turn it read-only for a while, as the kernel does after errors."""
    _run("mount", "-o", "remount,ro", disk)
    try:
        yield
    finally:
        _run("mount", "-o", "remount,rw", disk)


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True)
