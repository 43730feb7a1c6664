"""Where the checkpoints of a study are, and that no more of them stay than are wanted."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from bandmaster.checkpoints import (
    DirectoryStore,
    Header,
    Keep,
    ManagedStore,
    Stored,
    StoredCheckpoints,
    keep_of,
    open_store,
    store_url,
    temporary_place,
)
from bandmaster.checkpoints.archive import MOST_HEADER
from bandmaster.errors import BandmasterError, CheckpointError
from bandmaster.study.places import home, own_folder, place_beside, without_password
from bandmaster.study.study import Study

__all__ = ["CheckpointKeeper", "check_keeping"]

logger = logging.getLogger(__name__)

_PAUSE = 0.5  # seconds between two collections, at least
_SHARE = 0.05  # of the time that collecting may take
_BREATH = 0.001  # seconds for who waits for the study, between two looks at it
_AT_EXIT = 5.0  # seconds for a thread that nobody waited for, before the interpreter ends it
_ORPHAN = 3600.0
"""After so many seconds nobody will tell of a checkpoint whose job has ended any more."""


class CheckpointKeeper:
    """Keeps the checkpoints of a study: a folder in a store, and a thread that deletes.

    Parameters
    ----------
    study : Study
    place : str or path, optional
        A directory or URL (`open_store`), in which the study has a folder of its own. Default:
        beside the stored study, or, for a study in memory, a temporary directory.
    keep : Keep or "all", optional
        What stays that nobody needs.
    beside : str, optional
        The URL of the storage that has the study.
    shared : bool, default False
        Whether other machines may see this user's home: a temporary directory is made there then.

    Notes
    -----
    What nobody needs any more is deleted when the journal keeps the events that say so. Failing to
    delete is logged and has no other consequence: what is left is found when the study is opened
    the next time. So is what was kept and never told of, because its worker was killed in between.

    Attributes
    ----------
    mark : str
        By which others see that they see the same store; empty before `start`.
    """

    def __init__(
        self,
        study: Study,
        place: str | os.PathLike[str] | None = None,
        *,
        keep: Keep | Literal["all"] | None = None,
        beside: str | None = None,
        shared: bool = False,
    ) -> None:
        self.mark = ""
        self._study = study
        self._keep = keep_of(keep)
        self._place = None if place is None else store_url(place)
        self._beside, self._shared = beside, shared
        self._store: ManagedStore | None = None
        self._told: str | None = None  # to the journal: where the place is
        self._ending = contextlib.ExitStack()
        self._changing = threading.Lock()  # whoever closes waits for who opens
        self._poked, self._closing = threading.Event(), threading.Event()
        self._hurried, self._ended = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._pid: int | None = None  # where the thread is
        self._complained = False

    @property
    def store(self) -> ManagedStore:
        """Where they are.

        Raises
        ------
        CheckpointError
            Before `start`.
        """
        if self._store is None:
            raise CheckpointError("the store of checkpoints is not open")
        return self._store

    @property
    def checkpoints(self) -> StoredCheckpoints:
        """To save and load with, in this process."""
        return StoredCheckpoints(self.store)

    def start(self) -> None:
        """Open the store, and begin to delete; twice does nothing.

        Raises
        ------
        ConfigurationError
            When there is no such kind of store.
        CheckpointError
            When nothing can be written there.
        """
        with self._changing:
            if self._closing.is_set():  # and whoever closed it did not wait
                self._join()
            if self._thread is None:
                try:
                    self._thread = self._started()
                except BaseException:
                    self._closing.set()
                    self._poked.set()
                    self._ending.close()
                    raise

    def close(self) -> None:
        """Delete what is superfluous by now, and stop; a temporary store is removed.

        Twice does nothing; it can be started again. What interrupts it has the thread do the rest,
        in a hurry; another call waits for that.
        """
        with self._changing:
            self._closing.set()
            self._poked.set()
            try:
                self._join()
            except BaseException:
                self._hurried.set()
                atexit.register(_wait_at_exit, self._ended, os.getpid())
                raise

    def _join(self) -> None:
        if self._thread is not None:
            # A join that Ctrl-C ends takes the thread for ended, so that the next returns at once.
            if self._pid == os.getpid():  # a fork has no such thread
                self._ended.wait()
            self._thread.join()
            self._thread = None

    def _started(self) -> threading.Thread:
        for event in (self._closing, self._hurried, self._ended):
            event.clear()
        self._store = self._open()
        self._ending.callback(self._tidy)
        try:
            self.mark = self._store.mark()
        except CheckpointError as error:
            raise CheckpointError(
                f"{error}; give a place that can be written as checkpoint_store"
            ) from error
        logger.info("The checkpoints of study %r are in %s", self._study.name, self._store.url)
        if self._told is not None:
            self._study.place_checkpoints(self._told)
        self._poked.set()
        thread = threading.Thread(target=self._run, name="checkpoints", daemon=True)
        self._study.watch_checkpoints(self._poked.set)
        thread.start()
        self._pid = os.getpid()
        return thread

    def __enter__(self) -> CheckpointKeeper:
        self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # -- where ----------------------------------------------------------------------------------

    def _open(self) -> ManagedStore:
        study, place = self._study, self._place
        own = own_folder(study.name, study.created, study.seed)
        if place is None and not study.waits_for_storage:
            folder = home() if self._shared else None
            name = f"{own.rpartition('-')[0]}-"
            return DirectoryStore(self._ending.enter_context(temporary_place(folder, name)))
        scheme, _, path = (self._beside or "").partition(":///")
        path = path.partition("?")[0]
        if place is None and scheme.startswith("sqlite") and path:
            # Follows from the file, which may be moved with what is beside it, or copied.
            return open_store(store_url(place_beside(Path(path)), own))
        place = place or store_url(home() or tempfile.gettempdir())
        self._told = without_password(place) if study.waits_for_storage else None
        return open_store(store_url(place, own))

    def _tidy(self) -> None:
        """Leave no folder in which nothing was ever kept."""
        try:
            self.store.tidy()
        except CheckpointError as error:
            self._complain("%s", error)
        self.store.close()
        if self._place is None:
            with contextlib.suppress(OSError):
                Path(self.store.url).parent.rmdir()

    # -- deleting -------------------------------------------------------------------------------

    def _run(self) -> None:
        """Delete until it is closed, then leave the store: here, so that nothing cuts that off."""
        for step in (self._delete_superfluous, self._closing.wait, self._leave):
            try:
                step()
            except Exception:
                logger.exception("What keeps study %r's checkpoints failed", self._study.name)
        self._ended.set()

    def _leave(self) -> None:
        try:
            self._study.watch_checkpoints(None)
        finally:
            self._ending.close()

    def _delete_superfluous(self) -> None:
        """Delete when there is something to delete, never for more than a part of the time."""
        search_at = 0.0
        while True:
            self._poked.wait(_ORPHAN)
            ending = self._closing.is_set()
            self._poked.clear()
            began = time.monotonic()
            search = began >= search_at
            if not self._sweep(search=search, ending=ending):
                return
            if search:
                search_at = began + _ORPHAN
            if ending:
                return
            self._closing.wait(max(_PAUSE, (time.monotonic() - began) / _SHARE))

    def _sweep(self, *, search: bool, ending: bool) -> bool:
        """Delete what is superfluous; `search` looks what is there. False: never again."""
        study = self._study
        more, fresh = True, search or ending
        try:
            there = {stored.name: stored for stored in self.store.names()} if search else None
            superfluous: set[str] = set()
            while more and not self._hurried.is_set():
                names, position, more = study.superfluous_checkpoints(self._keep, all_trials=fresh)
                fresh = False
                if names or there:
                    # What is deleted must not be what a study that is loaded again starts from.
                    study.wait_durable(position)
                if there is not None:
                    superfluous.update(names)
                    names = [name for name in names if name in there]
                self._delete(names)
                if more:
                    self._closing.wait(_BREATH)
            if there is not None and not self._hurried.is_set():
                self._delete(self._orphans(there, superfluous))
        except CheckpointError as error:
            self._complain("the store cannot be read: %s", error)
        except BandmasterError as error:
            logger.debug("no checkpoints are deleted any more: %s", error)
            return False
        return True

    def _delete(self, names: list[str]) -> None:
        for name in names:
            if self._hurried.is_set():
                return
            try:
                self.store.delete(name)
            except CheckpointError as error:
                self._complain("%s", error)

    def _orphans(self, there: dict[str, Stored], superfluous: set[str]) -> list[str]:
        """Return what was kept long ago and never told of, but what may still be told of.

        That is the last one that each attempt of a job has kept which is out.
        """
        known, now = self._study.known_checkpoints(), time.time()
        untold = sorted(
            (stored.modified, name)
            for name, stored in there.items()
            if name not in known and name not in superfluous and stored.modified is not None
        )
        newest: dict[tuple[int, int], str] = {}
        for _, name in untold:
            try:
                header, _ = Header.decode(self.store.read(name, 0, MOST_HEADER))
            except CheckpointError:
                continue  # nobody could load it
            if self._study.open_job(header.job) is not None:
                newest[header.job, header.attempt] = name
        spared = set(newest.values())
        return [
            name for modified, name in untold if now - modified > _ORPHAN and name not in spared
        ]

    def _complain(self, text: str, *values: object) -> None:
        log: Callable[..., None] = logger.debug if self._complained else logger.warning
        log(text, *values)
        self._complained = True


def _wait_at_exit(ended: threading.Event, pid: int) -> None:
    if os.getpid() == pid:
        ended.wait(_AT_EXIT)


def check_keeping(place: str | os.PathLike[str] | None, keep: Keep | Literal["all"] | None) -> None:
    """Refuse what `CheckpointKeeper` would, before there is a study.

    Raises
    ------
    ConfigurationError
        When `place` is no directory or URL, or `keep` says nothing.
    """
    keep_of(keep)
    if place is not None:
        open_store(place).close()  # makes nothing, but a URL of no known kind is refused
