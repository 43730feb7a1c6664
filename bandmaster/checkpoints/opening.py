"""From a URL to a store of checkpoints."""

from __future__ import annotations

import os

from bandmaster.checkpoints.base import ManagedStore
from bandmaster.checkpoints.local import DirectoryStore
from bandmaster.errors import ConfigurationError

__all__ = ["open_store", "store_url"]


def open_store(url: str | os.PathLike[str], *, create: bool = True) -> ManagedStore:
    """Open a place for checkpoints; nothing is made there before something is kept.

    Parameters
    ----------
    url : str or path
        A directory, as a path or as ``file://``; or any other URL that fsspec knows, such as
        ``s3://bucket/run``, ``gs://bucket/run``, ``sftp://host/run``, ``memory://run``, whose
        package (s3fs, gcsfs, ...) has to be installed.
    create : bool, default True
        Whether to make a directory that is not there, when something is kept.

    Raises
    ------
    ConfigurationError
        When it is none of these.

    Examples
    --------
    >>> open_store("checkpoints/mine")      # doctest: +ELLIPSIS
    DirectoryStore('...checkpoints/mine')
    """
    text = store_url(url)
    if "://" not in text:
        return DirectoryStore(text, create=create)
    from bandmaster.checkpoints.remote import RemoteStore

    return RemoteStore(text)


def store_url(url: str | os.PathLike[str], *parts: str) -> str:
    """Return where a store is, or a part of one, as text that holds in another directory too.

    Raises
    ------
    ConfigurationError
        When it is neither a path nor a URL.
    """
    text = os.fspath(url) if isinstance(url, (str, os.PathLike)) else None
    if not isinstance(text, str) or not text or "\0" in text:
        raise ConfigurationError(
            f"a store of checkpoints is given as a directory or a URL, got {url!r}"
        )
    for scheme in ("file://", "local://"):
        if text.startswith(scheme):
            text = text.removeprefix(scheme)
    if "://" in text:
        return "/".join([text.rstrip("/"), *parts])
    return os.path.join(os.path.abspath(os.path.expanduser(text)), *parts)
