"""Checkpoints of workers that do not see the store: the master passes them on, part by part."""

from __future__ import annotations

import logging
import threading

from bandmaster.asynccomm.protocol import MOST_PART, Get, Place, Put
from bandmaster.asynccomm.sessions import Held
from bandmaster.asynccomm.wire import Peer
from bandmaster.checkpoints import Draft, Header, ManagedStore, check_name, digest_in
from bandmaster.core.checkpoints import step_of
from bandmaster.core.codec import pack
from bandmaster.errors import CheckpointError

__all__ = ["Relay"]

logger = logging.getLogger(__name__)


class _Upload:
    def __init__(self, name: str, total: int, draft: Draft) -> None:
        self.name = name
        self.total = total
        self.draft = draft


class Relay:
    """Takes checkpoints for a store from workers, and reads them to others.

    One part is in memory at a time for each connection. A worker puts only what the job that it has
    saves, and gets only what that job starts from. Nothing is ever unpickled or unpacked here: the
    master looks at the header, at the digest and at nothing else.

    Parameters
    ----------
    store : ManagedStore, optional
        Opened by who makes this. Without one nothing is kept.
    mark : str
        The store's.

    Attributes
    ----------
    place : Place or None
        What workers are told of it.
    """

    def __init__(self, store: ManagedStore | None = None, mark: str = "") -> None:
        self.place = None if store is None else Place(store.url, mark)
        self._store = store
        self._uploads: dict[int, _Upload] = {}
        self._lock = threading.Lock()

    def answer(
        self, peer: Peer, held: Held | None, start_from: str | None, part: Put | Get
    ) -> bytes:
        """Answer a worker.

        Parameters
        ----------
        held : Held or None
            The job that it has.
        start_from : str or None
            The checkpoint that this job starts from.
        part : Put or Get
            What it says.

        Raises
        ------
        CheckpointError
            When it is not its to say, or cannot be done.
        """
        if self._store is None:
            raise CheckpointError("the master of this run keeps no checkpoints")
        if held is None or (held.job, held.attempt) != (part.job, part.attempt):
            raise CheckpointError(f"job {part.job} is not this worker's, so it saves nothing")
        check_name(part.name)
        if isinstance(part, Put):
            return self._put(self._store, peer, held, part)
        if part.name != start_from:
            raise CheckpointError(f"job {part.job} does not start from checkpoint {part.name}")
        return self._store.read(part.name, part.start, MOST_PART)

    def _put(self, store: ManagedStore, peer: Peer, held: Held, part: Put) -> bytes:
        """Take a part; the answer is how many bytes have arrived, from where to go on.

        A part that does not begin there is ignored, so any part may be sent again, and who does not
        know how far he got sends the first one. What comes last is compared with the digest.
        Of what is not what its name says, or cannot be kept, what has arrived is removed.
        """
        with self._lock:
            upload = self._uploads.get(peer.id)
        if upload is None or (upload.name, upload.total) != (part.name, part.total):
            self.forget(peer)
            if part.start:
                return pack(0)
            _check_header(held, part)
            upload = _Upload(part.name, part.total, store.draft())
            with self._lock:
                self._uploads[peer.id] = upload
        draft = upload.draft
        if part.start == draft.size:
            try:
                draft.write(part.data)
                if draft.size == upload.total:
                    if draft.digest != digest_in(upload.name):
                        raise CheckpointError(f"checkpoint {upload.name} was damaged on its way")
                    store.put(draft, upload.name)
            except CheckpointError:
                self.forget(peer)
                raise
            except OSError as error:
                self.forget(peer)
                raise CheckpointError(
                    f"the master cannot keep checkpoint {upload.name}: {error.strerror or error}"
                ) from error
        arrived = draft.size
        if arrived == upload.total:
            self.forget(peer)
        return pack(arrived)

    def forget(self, peer: Peer) -> None:
        """Remove what has arrived of an upload that is not complete, as when its worker is gone."""
        with self._lock:
            upload = self._uploads.pop(peer.id, None)
        if upload is not None:
            if upload.draft.size < upload.total:
                logger.debug("checkpoint %s did not arrive as a whole", upload.name)
            upload.draft.close()


def _check_header(held: Held, part: Put) -> None:
    header, _ = Header.decode(part.data)
    if (header.job, header.attempt) != (held.job, held.attempt) or header.step != step_of(
        part.name
    ):
        raise CheckpointError(f"checkpoint {part.name} is not one of job {held.job}")
