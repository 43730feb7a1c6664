"""What a process of a run says about itself to whoever knows the key: for `bandmaster doctor`."""

from __future__ import annotations

import os
import platform
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

import bandmaster
from bandmaster.asynccomm import protocol
from bandmaster.asynccomm.addresses import Address
from bandmaster.asynccomm.wire import PROTOCOL_VERSION, Client, Peer
from bandmaster.core.codec import pack, unpack
from bandmaster.errors import ProtocolError

__all__ = ["ABOUT_OBJECT", "About", "AboutHandler", "ask_about"]

ABOUT_OBJECT = "bandmaster.about"
"""The object of every server of a run."""


@dataclass(frozen=True, slots=True)
class About:
    """A process, as it sees itself.

    Parameters
    ----------
    role : str
        ``"name server"``, ``"master"`` or ``"worker"``.
    version : str
        Of the package.
    protocols : str
        Of the wire and of the dispatcher, e.g. ``"1/1"``.
    python : str
        Its version.
    host : str
        The machine's name.
    pid : int
    time : float
        By its clock, in seconds since 1970.
    n_workers : int
        How many workers are connected to a master; 0 for others.
    """

    role: str
    version: str
    protocols: str
    python: str
    host: str
    pid: int
    time: float
    n_workers: int

    @classmethod
    def this(cls, role: str, n_workers: int = 0) -> About:
        """Return what there is to say about this process."""
        return cls(
            role,
            bandmaster.__version__,
            f"{PROTOCOL_VERSION}/{protocol.VERSION}",
            platform.python_version(),
            socket.gethostname(),
            os.getpid(),
            time.time(),
            n_workers,
        )

    def encode(self) -> bytes:
        """Return the answer to `ask_about`."""
        return pack([
            self.role, self.version, self.protocols, self.python, self.host, self.pid, self.time,
            self.n_workers,
        ])  # fmt: skip

    @classmethod
    def decode(cls, payload: bytes) -> About:
        """Read an answer; fields that a later version adds are left out.

        Raises
        ------
        ProtocolError
            When it is none.
        """
        match unpack(payload):
            case [
                str(role), str(version), str(protocols), str(python), str(host), int(pid),
                float(now), int(n_workers), *_,
            ]:  # fmt: skip
                return cls(role, version, protocols, python, host, pid, now, n_workers)
        raise ProtocolError("an answer about a process with other fields than expected")


class AboutHandler:
    """Answers `ask_about`.

    Parameters
    ----------
    role : str
    n_workers : callable, optional
        Counts a master's workers.
    """

    def __init__(self, role: str, n_workers: Callable[[], int] = lambda: 0) -> None:
        self._role = role
        self._n_workers = n_workers

    def handle(self, peer: Peer, method: str, payload: bytes) -> bytes:
        """Answer a call."""
        if method != "about":
            raise ProtocolError(f"nothing is known of {method!r}")
        return About.this(self._role, self._n_workers()).encode()

    def disconnected(self, peer: Peer) -> None:
        """Nothing is kept for a connection."""


def ask_about(address: Address, key: bytes | None, *, timeout: float) -> tuple[About, float]:
    """Return what the process at an address says, and by how many seconds its clock is ahead.

    Raises
    ------
    BandmasterError
        As `Client.connect` and `Client.call` raise it.
    """
    with Client(address, ABOUT_OBJECT, key=key, connect_timeout=timeout) as client:
        began = time.time()
        about = About.decode(client.call("about", timeout=timeout))
        ended = time.time()
    return about, about.time - (began + ended) / 2
