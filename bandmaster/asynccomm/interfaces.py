"""On which interface the servers of masters and workers listen."""

from __future__ import annotations

import ipaddress
import os

from bandmaster.asynccomm import connection_file as files
from bandmaster.asynccomm.addresses import Address
from bandmaster.errors import BandmasterError

__all__ = ["choose_interface"]

_LOOPBACK, _ALL = "127.0.0.1", "0.0.0.0"


def choose_interface(
    run_id: str,
    nameserver: str | None,
    address: Address,
    connection_file: str | os.PathLike[str] | None = None,
) -> str:
    """Return loopback for a run that stays on this machine, else the wildcard.

    Parameters
    ----------
    nameserver : str or None
        As the user gave it; a wildcard means that others may come from outside.
    address : Address
        Where the name server is, as this process reaches it.
    """
    if nameserver in ("", _ALL, "::"):
        return _ALL
    if nameserver is None:
        try:
            info = files.read_file(connection_file) if connection_file else files.read(run_id)
        except (BandmasterError, OSError):
            info = None
        if info is not None and Address(info.host, 0).reachable.host != info.host:
            return _ALL
    if address.host == "localhost":
        return _LOOPBACK
    try:
        return _LOOPBACK if ipaddress.ip_address(address.host).is_loopback else _ALL
    except ValueError:
        return _ALL  # a name of another machine, or of this one as others see it
