"""Directories as tar archives: read and written as streams, and restored where they cannot harm."""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from bandmaster.checkpoints.drafts import CHUNK, Draft
from bandmaster.errors import CheckpointError

__all__ = ["pack_tree", "remove_tree", "unpack_tree"]

_HOPS = 40  # links that a system follows, about


def pack_tree(directory: Path, file: Draft) -> None:
    """Write what is in a directory to a draft.

    Parameters
    ----------
    directory : Path
        Regular files, directories (empty ones too) and symbolic links that stay within it; with
        their modes and times, without their owners.

    Raises
    ------
    CheckpointError
        When it is no directory, holds something else, or changes while it is read.
    """
    if not directory.is_dir():
        raise CheckpointError(f"no checkpoint can be made of {directory}: it is no directory")
    try:
        with tarfile.TarFile(
            fileobj=file,  # type: ignore[arg-type]  # nobody reads what is being written
            mode="w", format=tarfile.PAX_FORMAT, copybufsize=CHUNK,
        ) as t:  # fmt: skip
            for path in _walk(directory):
                info = t.gettarinfo(path, str(path.relative_to(directory)))
                info.uid = info.gid = 0
                info.uname = info.gname = ""
                if info.isreg():
                    with open(path, "rb") as source:
                        t.addfile(info, source)
                else:
                    t.addfile(info)
    except (OSError, tarfile.TarError, UnicodeError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{directory} cannot be kept: {error}") from error


def unpack_tree(file: IO[bytes], directory: Path) -> None:
    """Restore what `pack_tree` wrote, into an empty directory.

    Nothing is written outside of it, no link leads out of it, no device is made, and no file gets
    the right to run as somebody else, whatever the archive says.

    Raises
    ------
    CheckpointError
        When the archive says otherwise, or is damaged.
    """
    if not hasattr(tarfile, "data_filter"):
        raise CheckpointError(
            "this Python cannot unpack directories safely: use 3.10.12, 3.11.4 or a later one"
        )
    try:
        with tarfile.TarFile(fileobj=file, mode="r", copybufsize=CHUNK) as archive:
            archive.extractall(directory, filter=_harmless)
    except (OSError, tarfile.TarError, UnicodeError, ValueError) as error:
        raise CheckpointError(f"a saved directory cannot be restored: {error}") from error


def remove_tree(directory: Path) -> None:
    """Remove a directory that we made, with whatever modes its parts have."""
    import shutil

    for folder, names, _ in os.walk(directory):
        for name in names:
            path = os.path.join(folder, name)
            if not os.path.islink(path):
                os.chmod(path, 0o700)
    shutil.rmtree(directory, ignore_errors=True)


def _harmless(member: tarfile.TarInfo, directory: str) -> tarfile.TarInfo | None:
    checked = tarfile.data_filter(member, directory)
    # Python's filter also changes modes, as for archives from strangers. These were ours.
    return None if checked is None else checked.replace(mode=member.mode & 0o777, deep=False)


def _walk(root: Path) -> Iterator[Path]:
    """Yield what is below a directory, each directory before what is in it."""
    folders = [root]
    while folders:
        with os.scandir(folders.pop()) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        for entry in found:
            path = Path(entry.path)
            mode = entry.stat(follow_symlinks=False).st_mode
            if stat.S_ISLNK(mode):
                _check_link(path, root)
            elif stat.S_ISDIR(mode):
                folders.append(path)
            elif not stat.S_ISREG(mode):
                raise CheckpointError(
                    f"{path} is neither a file nor a directory, so it cannot be kept"
                )
            yield path


def _check_link(path: Path, root: Path) -> None:
    target = os.readlink(path)
    if os.path.isabs(target):
        raise CheckpointError(
            f"{path} is a link to {target}, by an absolute path, which is another one where the "
            "checkpoint is unpacked: use a relative link within the directory that is to be kept, "
            "or copy what it leads to"
        )
    if _leads_out(path, root):
        raise CheckpointError(
            f"{path} is a link to {target}, out of the directory that is to be kept: copy what it "
            "leads to, or use a relative link within the directory"
        )


def _leads_out(path: Path, root: Path) -> bool:
    """Whether a link leaves the directory, if only on its way: it is unpacked in another one."""
    at = list(path.parent.relative_to(root).parts)
    left = os.readlink(path).split("/")[::-1]
    hops = 0
    while left:
        part = left.pop()
        if part == "..":
            if not at:
                return True
            at.pop()
        elif part not in ("", "."):
            try:
                target = os.readlink(root.joinpath(*at, part))
            except OSError:  # no link, or nothing
                at.append(part)
                continue
            hops += 1
            if os.path.isabs(target):
                return True
            if hops > _HOPS:
                return False  # a ring leads nowhere
            left += target.split("/")[::-1]
    return False
