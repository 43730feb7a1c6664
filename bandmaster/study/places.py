"""Where the checkpoints of a stored study are, as its storage tells."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from bandmaster.checkpoints import open_store, store_url
from bandmaster.checkpoints.names import is_name
from bandmaster.core import events as ev
from bandmaster.core.home import home_folder
from bandmaster.errors import CheckpointError, ConfigurationError

__all__ = ["Places", "home", "own_folder", "place_beside", "without_password"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Places:
    """Where the checkpoints of one study can be.

    Parameters
    ----------
    name : str
        The study's.
    folder : str
        Its folder in each place.
    beside : str or None
        The directory beside the storage's file.
    places : tuple of str
        Further directories and URLs.
    kept : bool
        Whether a checkpoint was ever told of.
    """

    name: str
    folder: str
    beside: str | None
    places: tuple[str, ...]
    kept: bool

    @classmethod
    def of(cls, events: Iterable[ev.Event], *, beside: Path | None = None) -> Places | None:
        """Read them from a study's events; None for a journal without any.

        Parameters
        ----------
        events : iterable of Event
            All of them.
        beside : Path, optional
            The file of the storage.
        """
        created: ev.StudyCreated | None = None
        places: dict[str, None] = {}
        kept = False
        for event in events:
            if isinstance(event, ev.StudyCreated):
                created = event
            elif isinstance(event, ev.CheckpointsPlaced):
                places[event.place] = None
            elif isinstance(event, ev.JobReported):
                kept = kept or is_name(event.checkpoint)
            elif isinstance(event, ev.JobFinished):
                kept = kept or is_name(event.outcome.checkpoint)
        if created is None:
            return None
        folder = own_folder(created.name, created.time, created.seed)
        ours = None if beside is None else store_url(place_beside(beside))
        return cls(created.name, folder, ours, tuple(places), kept)

    @property
    def urls(self) -> list[str]:
        """The study's folder in each place."""
        places = self.places if self.beside is None else (self.beside, *self.places)
        return [store_url(place, self.folder) for place in places]

    def remove(self) -> None:
        """Remove the study's folder wherever it is; what cannot be removed is logged."""
        found = False
        for url in self.urls:
            try:
                with contextlib.closing(open_store(url)) as store:
                    found = any(store.names()) or found
                    store.destroy()
            except (CheckpointError, ConfigurationError) as error:
                found = True
                logger.warning(
                    "Study %r is deleted, but its checkpoints in %s are not (%s): delete them "
                    "yourself",
                    self.name, url, error,
                )  # fmt: skip
        if self.beside is not None:
            with contextlib.suppress(OSError):  # other studies have checkpoints there
                Path(self.beside).rmdir()
        if self.kept and not found:
            logger.warning(
                "Study %r is deleted; none of its checkpoints were found here, in %s. If they are "
                "on another machine, or were moved, delete them there",
                self.name, " or ".join(self.urls) or f"a folder {self.folder}",
            )  # fmt: skip


def own_folder(name: str, created: float, seed: int) -> str:
    """Return a name that no other study has, also one of the same name and seed."""
    identity = hashlib.sha256(f"{name}/{created!r}/{seed}".encode()).hexdigest()
    slug = re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._-")[:60] or "study"
    return f"{slug}-{identity[:12]}"


def place_beside(file: Path) -> Path:
    """Return the directory for the checkpoints of all studies in a file."""
    return file.with_name(f"{file.name}.checkpoints")


def home() -> Path | None:
    """Return where checkpoints of this user are that have no better place, if that can be."""
    folder = home_folder("checkpoints")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        logger.warning("Checkpoints cannot be in %s: %s", folder, error)
        return None
    return folder


def without_password(url: str) -> str:
    """Return a URL as others may read it: a journal outlives who was trusted."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    if "://" not in url or not at:
        return url
    return urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}@{host}"))
