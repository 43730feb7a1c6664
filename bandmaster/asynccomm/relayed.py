"""The store of checkpoints as a worker sees it: by itself, or through its master."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable
from typing import IO

from bandmaster.asynccomm.protocol import MOST_PART, Place
from bandmaster.checkpoints import CheckpointStore, Draft, check_name, open_store
from bandmaster.core.codec import unpack
from bandmaster.errors import BandmasterError, CheckpointError

__all__ = ["RelayedStore", "StoreFinder"]

logger = logging.getLogger(__name__)

_MOST_STALLS = 100


class RelayedStore(CheckpointStore):
    """Keeps and reads checkpoints through the master, for the job that is running.

    Parameters
    ----------
    put : callable
        Sends (name, start, total, data), and returns the answer.
    get : callable
        Sends (name, start), and returns the answer.
    """

    def __init__(
        self, put: Callable[[str, int, int, bytes], bytes], get: Callable[[str, int], bytes]
    ) -> None:
        self._put = put
        self._get = get

    def draft(self) -> Draft:
        """Return an empty draft, in a file without a name."""
        return Draft()

    def put(self, draft: Draft, name: str) -> None:
        """Send what was written; from its beginning again if the master has lost it meanwhile."""
        check_name(name)
        draft.file.flush()
        total, start, stalls = os.fstat(draft.file.fileno()).st_size, 0, 0
        while start < total:
            data = os.pread(draft.file.fileno(), MOST_PART, start)
            arrived = unpack(self._put(name, start, total, data))
            if type(arrived) is not int or not 0 <= arrived <= total:
                raise CheckpointError("the master's answer is none")
            stalls += arrived <= start
            if stalls > _MOST_STALLS:
                raise CheckpointError(f"checkpoint {name} does not reach the master")
            start = arrived

    def open(self, name: str) -> IO[bytes]:
        """Fetch an object into a file without a name."""
        check_name(name)
        file = tempfile.TemporaryFile(prefix="bandmaster-")  # noqa: SIM115 - the caller does
        try:
            while data := self._get(name, file.tell()):
                file.write(data)
            file.seek(0)
        except BaseException:
            file.close()
            raise
        return file


class StoreFinder:
    """Finds out how a worker reaches the store, when an evaluation first needs it.

    Parameters
    ----------
    place : callable
        Returns where the master says that it is, as it says now; None: it keeps none.
    relayed : RelayedStore
        For when it is not seen from here.
    """

    def __init__(self, place: Callable[[], Place | None], relayed: RelayedStore) -> None:
        self._place = place
        self._relayed = relayed
        self._found: tuple[Place, CheckpointStore] | None = None

    def __call__(self) -> CheckpointStore:
        """Return the store.

        Raises
        ------
        CheckpointError
            When this run keeps no checkpoints.
        """
        place = self._place()
        if place is None:
            raise CheckpointError("the master of this run keeps no checkpoints")
        if self._found is None or self._found[0] != place:
            self.close()
            self._found = place, self._look(place)
        return self._found[1]

    def close(self) -> None:
        """Free what the store holds."""
        if self._found is not None:
            self._found[1].close()
            self._found = None

    def _look(self, place: Place) -> CheckpointStore:
        try:
            store = open_store(place.url, create=False)
        except BandmasterError as error:
            logger.warning("Checkpoints go through the master: %s", error)
            return self._relayed
        if store.sees(place.mark):
            return store
        store.close()
        logger.info("Checkpoints go through the master, since %s is not seen here", place.url)
        return self._relayed
