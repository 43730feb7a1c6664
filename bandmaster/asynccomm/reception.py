"""Where workers find a master: its server, and its entry at the name server."""

from __future__ import annotations

import contextlib
import logging
import threading

from bandmaster.asynccomm import protocol
from bandmaster.asynccomm.about import ABOUT_OBJECT, AboutHandler, ask_about
from bandmaster.asynccomm.addresses import Address
from bandmaster.asynccomm.dispatcher import Dispatcher
from bandmaster.asynccomm.entrance import Entrance
from bandmaster.asynccomm.naming import dispatcher_name
from bandmaster.asynccomm.net import advertised_host
from bandmaster.asynccomm.patience import until_found
from bandmaster.asynccomm.registration import Registration
from bandmaster.asynccomm.silence import Trouble
from bandmaster.asynccomm.wire import Server
from bandmaster.errors import BandmasterError, ConfigurationError, NameServerError

__all__ = ["Reception"]

logger = logging.getLogger(__name__)

_ANSWERS_WITHIN = 2.0  # seconds


class Reception:
    """Serves a dispatcher to the workers of a run.

    Parameters
    ----------
    run_id : str
    entrance : Entrance
    dispatcher : Dispatcher
    host : str or None
        The interface to listen on; None chooses.
    port : int
        0 is any.

    Attributes
    ----------
    advertised : str
        The address that workers are told; empty before `start`.
    """

    def __init__(
        self, run_id: str, entrance: Entrance, dispatcher: Dispatcher, host: str | None, port: int
    ) -> None:
        self._run_id = run_id
        self._entrance = entrance
        self._dispatcher = dispatcher
        self._host, self._port = host, port
        self._lock = threading.Lock()  # whoever closes waits for who opens
        self.advertised = ""
        self._server: Server | None = None
        self._registration: Registration | None = None

    @property
    def open(self) -> bool:
        """Whether it was started."""
        return self._server is not None

    @property
    def address(self) -> Address:
        """Where it listens; ConfigurationError before `start`."""
        if self._server is None:
            raise ConfigurationError("the master has not been started")
        return self._server.address

    def trouble(self) -> Trouble | None:
        """Return when and why a connection was last refused."""
        return None if self._server is None else self._server.trouble

    def start(self, *, patience: float | None, stop: threading.Event) -> None:
        """Listen and register; `patience` and `stop` are those of `until_found`.

        Raises
        ------
        NameServerError
            When it cannot be reached, or `stop` was set late.
        """
        with self._lock:
            self._start(patience, stop)

    def _start(self, patience: float | None, stop: threading.Event) -> None:
        (nameserver, other), key = until_found(
            self._look, f"Master of run {self._run_id!r}", patience=patience, stop=stop
        )
        if other is not None and not self._dispatcher.study.waits_for_storage:
            self._refuse_second(other, key)  # a stored study has a lease that decides
        entrance = self._entrance
        server = entrance.server(
            nameserver, key, host=self._host, port=self._port, name=f"master-{self._run_id}"
        )
        server.register(protocol.DISPATCHER, self._dispatcher)
        sessions = self._dispatcher.sessions
        server.register(ABOUT_OBJECT, AboutHandler("master", lambda: len(sessions)))
        self._dispatcher.start()  # before anybody can claim what is out
        with contextlib.ExitStack() as undo:
            server.start()
            undo.callback(server.close)
            host = advertised_host(entrance.interface, nameserver)
            advertised = str(Address(host, server.address.port))
            registration = Registration(
                entrance.find,
                dispatcher_name(self._run_id),
                advertised,
                lambda key: entrance.admit(server, key),
            )
            undo.callback(registration.close)
            try:
                registration.start(insist=True)
            except NameServerError as error:
                if patience == 0.0:
                    raise
                logger.debug("the name server was there, and is gone again: %s", error)
                registration.start()
            if stop.is_set():
                raise NameServerError(f"the master of run {self._run_id!r} was shut down meanwhile")
            undo.pop_all()
        self._server, self._registration = server, registration
        self.advertised = advertised
        logger.info("Master of run %s listens on %s", self._run_id, server.address)

    def withdraw(self) -> None:
        """Let nobody new find us."""
        if self._registration is not None:
            self._registration.close()

    def close(self) -> None:
        """Stop serving; twice does nothing."""
        with self._lock:
            self.withdraw()
            if self._server is not None:
                self._server.close()

    def _look(self) -> tuple[tuple[Address, Address | None], bytes | None]:
        """Return where the name server is, and a master of this run, and the key."""
        name = dispatcher_name(self._run_id)
        with self._entrance.names() as (names, key):
            other = names.lookup(name) if name in names.list(name) else None
        return (names.address, other), key

    def _refuse_second(self, other: Address, key: bytes | None) -> None:
        try:
            about, _ = ask_about(other, key, timeout=_ANSWERS_WITHIN)
        except BandmasterError as error:
            logger.debug("the last master of run %s does not answer: %s", self._run_id, error)
            return
        raise ConfigurationError(
            f"run {self._run_id!r} has a master already: pid {about.pid} on {about.host}, at "
            f"{other}. Two of them would take each other's workers: shut it down, or choose "
            "another run_id"
        )
