"""The connection file of a run: where its name server is, and the key, for this user only."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import secrets
import socket
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bandmaster.asynccomm.addresses import Address
from bandmaster.asynccomm.certificates import ANY_CERTIFICATE, Certificate, TlsOption
from bandmaster.asynccomm.naming import check_run_id
from bandmaster.asynccomm.security import decode_key, encode_key
from bandmaster.core.home import home_folder
from bandmaster.errors import AuthenticationError, ConfigurationError, NameServerError

__all__ = [
    "DEFAULT_PORT",
    "ConnectionInfo",
    "environment_key",
    "environment_tls",
    "explained",
    "find_certificate",
    "find_file",
    "find_nameserver",
    "list_runs",
    "new_run_id",
    "path_of",
    "read",
    "read_file",
    "read_named",
    "remove",
    "write",
]

logger = logging.getLogger(__name__)

DEFAULT_PORT = 9090
_FORMAT = 1
_RUNS = "runs"  # the folder of these files
_SWITCH = {"": None, "0": False, "false": False, "no": False, "1": True, "true": True, "yes": True}
_FINGERPRINT = re.compile(r"([0-9a-f]{64})?\Z")


@dataclass(frozen=True, slots=True)
class ConnectionInfo:
    """What a process must know to join a run.

    Parameters
    ----------
    run_id : str
        The run.
    host : str
        The interface on which the name server listens.
    port : int
        Its port, 1 to 65535.
    key : bytes or None
        The run's key; None for a run without one. Not shown by repr.
    pid : int
        The name server's process.
    hostname : str
        The machine that it runs on.
    tls : str
        The SHA-256 of the name server's certificate; empty for a run without TLS.
    certificate : Certificate or None
        The one that was made for the run, for its master and workers too. Not shown by repr.
    """

    run_id: str
    host: str
    port: int
    key: bytes | None = field(repr=False)
    pid: int = field(default_factory=os.getpid)
    hostname: str = field(default_factory=socket.gethostname)
    tls: str = ""
    certificate: Certificate | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        check_run_id(self.run_id)
        if not isinstance(self.host, str) or not isinstance(self.hostname, str):
            raise ConfigurationError("host and hostname are texts")
        if not isinstance(self.pid, int):
            raise ConfigurationError("pid is a number")
        if not Address(self.host, self.port).port:
            raise ConfigurationError("a name server that runs has a port other than 0")
        if not isinstance(self.tls, str) or not _FINGERPRINT.match(self.tls):
            raise ConfigurationError("the fingerprint of a certificate has 64 hexadecimal digits")

    @property
    def address(self) -> Address:
        """Where the name server can be reached from this machine."""
        address = Address(self.host, self.port, tls=self.tls)
        if address.reachable != address and not self.near:
            # A home directory shared by many nodes.
            return Address(self.hostname, self.port, tls=self.tls)
        return address.reachable

    @property
    def near(self) -> bool:
        """Whether the name server that wrote it runs, or ran, on this machine."""
        return self.hostname == socket.gethostname()

    @property
    def surely_dead(self) -> bool:
        """Whether its process was on this machine and has ended."""
        if not self.near:
            return False
        if self.pid <= 0:
            return True
        try:
            os.kill(self.pid, 0)
        except PermissionError:
            return False
        except (OSError, OverflowError):
            return True
        return False


def new_run_id() -> str:
    """Return a short name for a run that no other run has."""
    return f"run-{secrets.token_hex(5)}"


def path_of(run_id: str) -> Path:
    """Return the path of a run's connection file, whether or not it exists."""
    return home_folder(_RUNS) / f"{check_run_id(run_id)}.json"


def write(info: ConnectionInfo) -> Path:
    """Write the connection file of a run, replacing an older one, and return its path.

    The file is complete or absent at any time, and readable by this user only.

    Raises
    ------
    ConfigurationError
        When it cannot be written.
    """
    try:
        return _write(info, path_of(info.run_id))
    except OSError as error:
        raise ConfigurationError(
            f"the connection file of run {info.run_id!r} cannot be written: {error}; set "
            "BANDMASTER_HOME to a folder of this user"
        ) from error


def _write(info: ConnectionInfo, path: Path) -> Path:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    content = asdict(info) | {
        "format": _FORMAT,
        "key": None if info.key is None else encode_key(info.key),
    }  # a certificate is a dict of its two texts
    descriptor, name = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(content, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise
    return path


def read(run_id: str) -> ConnectionInfo | None:
    """Return what the connection file of a run says, None when there is no such file.

    Raises
    ------
    AuthenticationError
        When the file belongs to another user, or others could read or write it.
    NameServerError
        When its content is malformed.
    """
    try:
        return read_file(path_of(run_id))
    except FileNotFoundError:
        return None


def read_file(path: str | os.PathLike[str]) -> ConnectionInfo:
    """Return what a connection file says; FileNotFoundError, or raises as `read`."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise NameServerError(f"the connection file {path} cannot be read: {error}") from error
    with os.fdopen(descriptor, encoding="utf-8") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise NameServerError(f"{path} is no regular file")
        if status.st_uid != os.geteuid():
            raise AuthenticationError(
                f"the connection file {path} belongs to another user (uid {status.st_uid})"
            )
        if status.st_mode & 0o077:
            raise AuthenticationError(
                f"the connection file {path} can be read or written by others: its key is no "
                "secret any more; start the name server anew, or chmod 600 the file if you "
                "know that nobody has looked"
            )
        try:
            return _decode(json.load(file))
        except (ValueError, KeyError, TypeError, AuthenticationError) as error:
            raise NameServerError(f"the connection file {path} is malformed: {error}") from error


def remove(info: ConnectionInfo) -> bool:
    """Remove a run's connection file if it is still this one; returns whether it was."""
    try:
        if read(info.run_id) != info:
            return False
        path_of(info.run_id).unlink()
    except (NameServerError, AuthenticationError, OSError):
        return False
    return True


def list_runs() -> list[ConnectionInfo]:
    """Return the runs that have a connection file, by name; unreadable files are left out."""
    found = []
    for path in sorted(home_folder(_RUNS).glob("*.json")):
        try:
            found.append(read_file(path))
        except (NameServerError, AuthenticationError, OSError) as error:
            logger.debug("left out: %s", error)
    return found


def find_nameserver(
    run_id: str,
    host: str | None = None,
    port: int | None = None,
    *,
    connection_file: str | os.PathLike[str] | None = None,
    tls: TlsOption = None,
) -> tuple[Address, bytes | None]:
    """Return where the name server of a run is, and the run's key.

    Each of host, port and key comes from the first that has it: the arguments; the connection
    file named, or else that of this run_id; the environment (``BANDMASTER_NAMESERVER`` as
    host:port, ``BANDMASTER_KEY``, ``BANDMASTER_CONNECTION_FILE``); loopback and port 9090. So a
    host and a port alone are enough where the connection file can be read.

    Whether to use TLS is said by the argument `tls`, the file, or ``BANDMASTER_TLS`` (1 or 0);
    the file also names the certificate's fingerprint.

    Raises
    ------
    NameServerError
        When the connection file named does not exist or is malformed.
    AuthenticationError
        When a connection file is not ours alone.
    ConfigurationError
        When an argument or the environment is malformed.
    """
    info = find_file(run_id, connection_file)
    known: Address | None = None if info is None else info.address
    if known is None and os.environ.get("BANDMASTER_NAMESERVER"):
        known = Address.parse(os.environ["BANDMASTER_NAMESERVER"])
        if known.is_unix:
            raise ConfigurationError("BANDMASTER_NAMESERVER is a host and a port")
    key = environment_key() if info is None else info.key
    address = Address(
        host if host is not None else (known.host if known else "127.0.0.1"),
        port or (known.port if known else 0) or DEFAULT_PORT,
        tls=_pin(info, tls),
    )
    return address.reachable, key


def find_file(
    run_id: str, connection_file: str | os.PathLike[str] | None = None
) -> ConnectionInfo | None:
    """Return what the connection file says, None when there is none; raises as `find_nameserver`.

    It is the one named, or that of the run, or the one that the environment names.
    """
    if connection_file is not None:
        return read_named(connection_file)
    info = read(run_id)
    named = os.environ.get("BANDMASTER_CONNECTION_FILE")
    return read_named(named) if info is None and named else info


def find_certificate(
    run_id: str,
    tls: TlsOption,
    *,
    connection_file: str | os.PathLike[str] | None = None,
) -> Certificate:
    """Return what a server of this process shall show.

    That is the user's own, that of the connection file, or a new one for which the run's key
    vouches.

    Parameters
    ----------
    tls : tuple, True or None
        The files; otherwise the run uses TLS, whoever said so.

    Raises
    ------
    ConfigurationError
        When the files cannot be used.
    MissingExtraError
        When one has to be made and the extra `tls` is not installed.
    """
    if isinstance(tls, tuple):
        return Certificate.load(*tls)
    info = find_file(run_id, connection_file)
    if info is not None and info.certificate is not None:
        return info.certificate
    return Certificate.make(f"bandmaster {run_id}")


def environment_tls() -> bool | None:
    """Return what ``BANDMASTER_TLS`` says: 1 or 0; None when it is not set."""
    text = os.environ.get("BANDMASTER_TLS", "").strip().lower()
    if text not in _SWITCH:
        raise ConfigurationError(f"BANDMASTER_TLS is 1 or 0, got {text!r}")
    return _SWITCH[text]


def _pin(info: ConnectionInfo | None, tls: TlsOption) -> str:
    if tls is None:
        tls = bool(info.tls) if info is not None else environment_tls()
    if not tls:
        return ""
    return (info.tls if info is not None else "") or ANY_CERTIFICATE


@contextlib.contextmanager
def explained(
    run_id: str,
    host: str | None = None,
    *,
    connection_file: str | os.PathLike[str] | None = None,
) -> Iterator[None]:
    """Have errors of whoever uses `find_nameserver` say it when there is no connection file.

    A wrong run_id shows as a refusal, or as nobody at the default port, which explain nothing.

    Parameters
    ----------
    run_id, host, connection_file
        As for `find_nameserver`.
    """
    try:
        yield
    except (AuthenticationError, NameServerError) as error:
        guessed = host is None and not os.environ.get("BANDMASTER_NAMESERVER")
        if (
            connection_file is not None
            or os.environ.get("BANDMASTER_CONNECTION_FILE")
            or environment_key() is not None
            or (isinstance(error, NameServerError) and not guessed)
            or path_of(run_id).exists()
        ):
            raise
        runs = ", ".join(info.run_id for info in list_runs()) or "none"
        raise type(error)(
            f"there is no connection file of run {run_id!r} (runs here: {runs}); {error}"
        ) from error


def read_named(path: str | os.PathLike[str]) -> ConnectionInfo:
    """Return what a file that somebody has named says; as `read_file`, but it has to be there.

    Raises
    ------
    NameServerError
        When it is not, too.
    """
    try:
        return read_file(path)
    except FileNotFoundError:
        raise NameServerError(f"there is no connection file {os.fspath(path)!r}") from None


def environment_key() -> bytes | None:
    """Return the key in ``BANDMASTER_KEY``, None when it is not set."""
    text = os.environ.get("BANDMASTER_KEY")
    return decode_key(text) if text else None


def _decode(content: Any) -> ConnectionInfo:
    if not isinstance(content, dict):
        raise ValueError("it is not a JSON object")
    if content.pop("format", None) != _FORMAT:
        raise ValueError(f"its format is not {_FORMAT}: it is of another release")
    key = content["key"]
    return ConnectionInfo(
        run_id=content["run_id"],
        host=content["host"],
        port=content["port"],
        key=None if key is None else decode_key(key),
        pid=content["pid"],
        hostname=content["hostname"],
        tls=content.get("tls", ""),
        certificate=_decode_certificate(content.get("certificate")),
    )


def _decode_certificate(content: Any) -> Certificate | None:
    match content:
        case None:
            return None
        case {"pem": str(pem), "private_key": str(private_key)}:
            return Certificate(pem, private_key)
    raise ValueError("its certificate is malformed")
