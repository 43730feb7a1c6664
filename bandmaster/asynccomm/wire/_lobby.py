"""The connections that have not shown yet that they know the key."""

from __future__ import annotations

import threading

from bandmaster.asynccomm.wire._connection import Connection

__all__ = ["Lobby"]


class Lobby:
    """Holds a bounded number of connections; the one that has been there longest makes room.

    Each costs a thread until it is let in or its time is over. Whoever knows the key is through in
    a millisecond or two, so those who have to leave are those who say nothing.

    Parameters
    ----------
    most : int, default 1024
        How many there may be.
    """

    def __init__(self, most: int = 1024) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._waiting: dict[Connection, None] = {}  # a dict keeps their order

    def enter(self, connection: Connection) -> Connection | None:
        """Take one in; returns the one that had to leave for it and is hung up, if any."""
        with self._lock:
            oldest = next(iter(self._waiting)) if len(self._waiting) >= self._most else None
            if oldest is not None:
                del self._waiting[oldest]
            self._waiting[connection] = None
        if oldest is not None:
            oldest.hang_up()
        return oldest

    def make_room(self) -> Connection | None:
        """Hang up the one that has been there longest and return it; None when nobody is there."""
        with self._lock:
            oldest = next(iter(self._waiting), None)
            if oldest is not None:
                del self._waiting[oldest]
        if oldest is not None:
            oldest.hang_up()
        return oldest

    def leave(self, connection: Connection) -> None:
        """One was let in, or has gone."""
        with self._lock:
            self._waiting.pop(connection, None)
