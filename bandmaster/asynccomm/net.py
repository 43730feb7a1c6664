"""Small helpers around ports, interfaces and socket directories."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bandmaster.asynccomm.addresses import Address
from bandmaster.errors import CommError, ConfigurationError

__all__ = ["advertised_host", "get_a_free_port", "is_this_machine", "short_socket_dir"]

_LONGEST_BASE = 60  # leaves 47 bytes for our own directories and the socket's name


def get_a_free_port(start: int = 9090, host: str = "127.0.0.1") -> int:
    """Return the first port from `start` on that nothing listens on.

    Parameters
    ----------
    start : int, default 9090
        1 to 65535, or 0 for any free port.
    host : str, default "127.0.0.1"
        The interface; ``"0.0.0.0"`` asks for a port that is free on all of them.

    Raises
    ------
    CommError
        When there is none, or `host` does not belong to this machine.

    Notes
    -----
    Another process may take the port before you do. Servers that may choose do better with port
    0, which the system gives to one process only.
    """
    for port in range(Address(host, start).port, 65536):
        try:
            family, kind, _, _, place = socket.getaddrinfo(
                host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            with socket.socket(family, kind) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind(place)
                sock.listen(1)
                return int(sock.getsockname()[1])
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                raise CommError(f"cannot listen on {host!r}: {error}") from error
    raise CommError(f"no port from {start} on is free on {host}")


def advertised_host(bind_host: str, peer: Address | str) -> str:
    """Return the address under which others reach a server of this process.

    Parameters
    ----------
    bind_host : str
        The interface that the server listens on.
    peer : Address or str
        The name server (or its host), as this process reaches it.

    Returns
    -------
    str
        `bind_host` itself unless that is a wildcard; then loopback when `peer` is on this
        machine by loopback, else this machine's address on the way to `peer`.

    Raises
    ------
    CommError
        When there is no way to `peer`.
    """
    here = Address(bind_host, 0)
    if here.reachable == here:
        return bind_host
    target = (Address(peer, 1) if isinstance(peer, str) else peer).reachable
    if target.is_unix:
        return here.reachable.host
    try:
        family, _, _, _, place = socket.getaddrinfo(
            target.host, target.port or 1, type=socket.SOCK_DGRAM
        )[0]
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.connect(place)  # of a datagram socket: finds the way, sends nothing
            return str(sock.getsockname()[0])
    except OSError as error:
        raise CommError(f"there is no way from here to {target}: {error}") from error


def is_this_machine(host: str) -> bool:
    """Whether `host` is an address of this machine; False when the name is unknown."""
    try:
        family, _, _, _, place = socket.getaddrinfo(host, 0, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.bind(place)  # the system lets us only if the address is ours
    except OSError:
        return False
    return True


@contextlib.contextmanager
def short_socket_dir() -> Iterator[Path]:
    """Make a directory for Unix sockets that only this user can enter, and remove it at the end.

    Its path has no colon and leaves 20 bytes and more for a socket's name. Directories of
    processes that were killed are removed on the way.

    Raises
    ------
    ConfigurationError
        When no directory for temporary files is short enough.
    """
    base = tempfile.gettempdir()
    if ":" in base or len(os.fsencode(base)) > _LONGEST_BASE:
        base = "/tmp"
    if not os.path.isdir(base):
        raise ConfigurationError(f"there is no directory {base} for the sockets of a local run")
    root = _own_root(Path(base))
    owner = os.getpid()
    with contextlib.ExitStack() as stack:
        with _locked(root / "lock"):
            _remove_stale(root)
            path = Path(tempfile.mkdtemp(prefix="", dir=root))
            # Held as long as this process lives, whatever ends it: this is what "not stale" means.
            stack.enter_context(_locked(path / "alive"))
        try:
            yield path
        finally:
            if os.getpid() == owner:  # a forked child leaves it to its parent
                with _locked(root / "lock"):
                    shutil.rmtree(path, ignore_errors=True)


def _own_root(base: Path) -> Path:
    root = base / f"bandmaster-{os.geteuid()}"
    with contextlib.suppress(FileExistsError):
        root.mkdir(mode=0o700)
    status = root.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o077:
        # Somebody else has put something there: take a name that nobody can have foreseen.
        root = Path(tempfile.mkdtemp(prefix="bandmaster-", dir=base))
    return root


def _remove_stale(root: Path) -> None:
    for path in root.iterdir():
        if not path.is_dir():
            continue
        try:
            with _locked(path / "alive", wait=False):
                shutil.rmtree(path, ignore_errors=True)
        except BlockingIOError:
            continue  # its process lives
        except OSError:
            shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def _locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(descriptor)
