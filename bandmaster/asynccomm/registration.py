"""Keeping a name at the name server for as long as a process lives."""

from __future__ import annotations

import logging
import select
import threading
import time
from collections.abc import Callable

from bandmaster.asynccomm.addresses import Address
from bandmaster.asynccomm.naming import Names
from bandmaster.asynccomm.wire import WakeFd
from bandmaster.errors import BandmasterError, NameServerError

__all__ = ["Registration", "still_locked"]

logger = logging.getLogger(__name__)

_FIRST_DELAY, _LONGEST_DELAY = 0.1, 5.0


class Registration:
    """Registers an address under a name, again whenever the name server was restarted.

    The entry lives as long as the connection to the name server, so it goes when this process
    dies. A thread sleeps on that connection and notices its end at once.

    Parameters
    ----------
    find : callable
        Returns the name server's address and the run's key.
    name : str
    address : str
        As `Address.parse` reads it.
    registered : callable, optional
        Gets the run's key each time the name server has accepted it. What it raises takes the
        name back, like a name server that refuses it.
    """

    def __init__(
        self,
        find: Callable[[], tuple[Address, bytes | None]],
        name: str,
        address: str,
        registered: Callable[[bytes | None], None] = lambda key: None,
    ) -> None:
        self._find = find
        self._name = name
        self._address = address
        self._registered = registered
        self._names: Names | None = None
        self._opening: Names | None = None
        self._stop: WakeFd | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    def start(self, *, insist: bool = False) -> None:
        """Register, now or as soon as the name server can be reached.

        Parameters
        ----------
        insist : bool, default False
            Raise the NameServerError when it cannot be reached now.
        """
        if insist:
            self._names = self._register()
        self._stop = WakeFd()
        self._thread = threading.Thread(
            target=self._run, args=(self._stop,), name=f"register-{self._name}", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Take the name back and end the thread."""
        self._closed = True
        thread, self._thread = self._thread, None
        if thread is None or self._stop is None:
            return
        self._stop.set()
        for names in (self._opening, self._names):
            if names is not None:
                names.close()  # wakes the thread from a call that takes its time
        thread.join()
        self._stop.close()

    def _register(self) -> Names:
        address, key = self._find()
        names = self._opening = Names(address, key=key)
        try:
            names.register(self._name, self._address, lasting=False)
            self._registered(key)
        except BaseException:
            names.close()
            raise
        finally:
            self._opening = None
        return names

    def _run(self, stop: WakeFd) -> None:
        delay = 0.0
        while not self._closed:
            if delay:
                _sleep(stop, delay)
                if self._closed:
                    break
            if self._names is None:
                try:
                    self._names = self._register()
                except BandmasterError as error:
                    logger.debug("%s is not registered yet: %s", self._name, error)
                    delay = min(max(2 * delay, _FIRST_DELAY), _LONGEST_DELAY)
                    continue
                logger.debug("%s is registered", self._name)
            began = time.monotonic()
            _wait_for_end(self._names, stop)
            self._names.close()
            self._names = None
            # A name server that drops us at once shall not make us spin.
            delay = 0.0 if time.monotonic() - began > 1.0 else _FIRST_DELAY
        if self._names is not None:
            self._names.close()


def still_locked(run_id: str, key: bytes | None, before: bool) -> bool:
    """Return whether a run has a key, for the next call's `before`.

    Raises
    ------
    NameServerError
        When it had one `before` and has none now. Its connection file is gone, and whoever
        listens at the default port without a key is not its name server.
    """
    if before and key is None:
        raise NameServerError(
            f"the connection file of run {run_id!r} is gone, and with it the run's key: its name "
            "server was shut down; start it again with the same run_id"
        )
    return key is not None


def _sleep(stop: WakeFd, seconds: float) -> None:
    poller = select.poll()
    poller.register(stop.fileno(), select.POLLIN)
    poller.poll(int(seconds * 1000))


def _wait_for_end(names: Names, stop: WakeFd) -> None:
    descriptor = names.fileno()
    if descriptor < 0:
        return
    poller = select.poll()
    poller.register(stop.fileno(), select.POLLIN)
    poller.register(descriptor, select.POLLIN)
    poller.poll()
