"""Which workers a dispatcher takes."""

from __future__ import annotations

import logging
import time

from bandmaster.asynccomm import protocol
from bandmaster.asynccomm.protocol import Hello
from bandmaster.asynccomm.wire import Peer, Throttle
from bandmaster.core.codec import unpack
from bandmaster.errors import BandmasterError, ConfigurationError, ProtocolVersionError

__all__ = ["Admission"]

logger = logging.getLogger(__name__)


class Admission:
    """Reads hellos, and refuses those of another version or run.

    Parameters
    ----------
    run_id : str

    Attributes
    ----------
    refused : (float, str) or None
        When, in seconds since the epoch, and why a worker was last refused.
    """

    def __init__(self, run_id: str) -> None:
        self.refused: tuple[float, str] | None = None
        self._run_id = run_id
        self._throttled = Throttle(logger)

    def read(self, peer: Peer, payload: bytes) -> Hello:
        """Return a hello of our version and run.

        Raises
        ------
        ProtocolError, CodecError, ConfigurationError
            When it is none.
        """
        try:
            return self._read(payload)
        except BandmasterError as error:
            self.refused = time.time(), f"a worker at {peer.address}: {error}"
            self._throttled.warning("Run %r refused %s", self._run_id, self.refused[1])
            raise

    def _read(self, payload: bytes) -> Hello:
        data = unpack(payload)
        version = Hello.version_of(data)
        if version != protocol.VERSION:
            raise ProtocolVersionError(
                f"the worker speaks version {version} of the dispatcher's protocol, this master "
                f"version {protocol.VERSION}: use the same release of bandmaster on both sides"
            )
        hello = Hello.decode(data)
        if hello.run_id != self._run_id:
            raise ConfigurationError(
                f"this is the master of run {self._run_id!r}, not of {hello.run_id!r}"
            )
        return hello
