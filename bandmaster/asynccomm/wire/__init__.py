"""The wire: authenticated calls over Pyro5, the only place that knows Pyro5.

A call is one Pyro call in msgpack, ``exchange(method, payload) -> bytes``, on one connection that
stays open. Everything above deals in bytes: what they mean is not the wire's business.
"""

from __future__ import annotations

from bandmaster.asynccomm.addresses import Address
from bandmaster.asynccomm.preamble import PROTOCOL_VERSION
from bandmaster.asynccomm.wire._client import Client
from bandmaster.asynccomm.wire._peer import Handler, Peer
from bandmaster.asynccomm.wire._server import MAX_MESSAGE, Server
from bandmaster.asynccomm.wire._throttle import Throttle
from bandmaster.asynccomm.wire._wake import WakeFd

__all__ = [
    "MAX_MESSAGE",
    "PROTOCOL_VERSION",
    "Address",
    "Client",
    "Handler",
    "Peer",
    "Server",
    "Throttle",
    "WakeFd",
]
