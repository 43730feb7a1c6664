"""Where a server listens: a host and a port, or the path of a Unix socket."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bandmaster.errors import ConfigurationError

__all__ = ["MAX_HOST", "MAX_UNIX_PATH", "Address"]

MAX_UNIX_PATH = 107
"""The longest path of a Unix socket in bytes (sun_path of Linux, without its final zero)."""

MAX_HOST = 253
"""The longest name of a host (RFC 1035)."""

_WILDCARDS = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}


@dataclass(frozen=True, slots=True)
class Address:
    """The address of a server; `parse` reads what ``str()`` writes.

    Parameters
    ----------
    host : str
        A name or an IP address; empty for a Unix socket.
    port : int
        1 to 65535; 0 for a Unix socket, or for "any free port" of a server that has not started.
    path : str
        The path of the Unix socket; empty for TCP.
    tls : str
        To insist on TLS: the SHA-256 of the server's certificate, or `ANY_CERTIFICATE` when the
        run's key alone vouches for it. Empty for none. It is no part of the text.

    Raises
    ------
    ConfigurationError
        For a port out of range, a path that is too long, or both a host and a path.
    """

    host: str = ""
    port: int = 0
    path: str = ""
    tls: str = ""

    def __post_init__(self) -> None:
        if self.path:
            if self.host or self.port or self.tls:
                raise ConfigurationError("an address is a host and a port or a path, not both")
            length = len(self.path.encode())
            if length > MAX_UNIX_PATH:
                raise ConfigurationError(
                    f"the socket path {self.path!r} has {length} bytes and the system takes at "
                    f"most {MAX_UNIX_PATH}: use a shorter directory"
                )
            return
        if len(self.host) > MAX_HOST:
            raise ConfigurationError(f"a host's name has at most {MAX_HOST} characters")
        if isinstance(self.port, bool) or not isinstance(self.port, int):
            raise ConfigurationError(f"a port is an integer, got {self.port!r}")
        if not 0 <= self.port <= 65535:
            raise ConfigurationError(f"a port is between 0 and 65535, got {self.port}")

    @classmethod
    def unix(cls, path: str) -> Address:
        """Return the address of a Unix socket."""
        return cls(path=path)

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read ``"host:port"``, ``"[ipv6]:port"`` or ``"unix:/path"``.

        Raises
        ------
        ConfigurationError
            When the text is none of these.
        """
        if text.startswith("unix:"):
            if len(text) == 5:
                raise ConfigurationError("'unix:' is an address without a path")
            return cls(path=text[5:])
        host, colon, port = text.rpartition(":")
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        elif ":" in host:
            colon = ""  # a bare IPv6 address: its last group would pass for a port
        if not colon or not port.isascii() or not port.isdigit():
            raise ConfigurationError(
                f"{text!r} is no address: write 'host:port', '[ipv6]:port' or 'unix:/path'"
            )
        return cls(host, int(port))

    @property
    def is_unix(self) -> bool:
        """Whether this is a Unix socket."""
        return bool(self.path)

    @property
    def reachable(self) -> Address:
        """The address to connect to: loopback where a server listens on every interface."""
        if self.path or self.host not in _WILDCARDS:
            return self
        return replace(self, host=_WILDCARDS[self.host])

    def secured(self, tls: str) -> Address:
        """Return this address with TLS if `tls` says so and it does not say itself."""
        return self if self.tls or self.path or not tls else replace(self, tls=tls)

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
