"""What goes wrong in practice, checked one thing after the other."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import bandmaster
from bandmaster.asynccomm import connection_file as files
from bandmaster.asynccomm.about import About, ask_about
from bandmaster.asynccomm.addresses import Address
from bandmaster.asynccomm.certificates import TlsOption
from bandmaster.asynccomm.connection_file import ConnectionInfo
from bandmaster.asynccomm.naming import Names, dispatcher_name
from bandmaster.cli.finding import Finding
from bandmaster.cli.machine import check_limits, check_process
from bandmaster.cli.trust import Told
from bandmaster.errors import (
    AuthenticationError,
    BandmasterError,
    ConfigurationError,
    NameServerError,
    ProtocolError,
    ProtocolVersionError,
)

__all__ = ["Checkup"]

_CLOCKS_APART = 2.0  # seconds


class Checkup:
    """Checks a run from where it is called.

    Parameters
    ----------
    run_id : str
    host, port, connection_file, tls, insecure
        As masters and workers take them.
    timeout : float, default 3
        Seconds for each connection.
    """

    def __init__(
        self,
        run_id: str,
        host: str | None = None,
        port: int | None = None,
        *,
        connection_file: str | None = None,
        tls: TlsOption = None,
        insecure: bool = False,
        timeout: float = 3.0,
    ) -> None:
        self._run_id = run_id
        self._host, self._port = host, port
        self._file = connection_file
        self._tls = tls
        self._insecure = insecure
        self._timeout = timeout
        self._told = Told(tls, None, "")

    def run(self) -> Iterator[Finding]:
        """Yield what is found; checks that need an earlier one are left out when that fails."""
        yield check_process()
        yield check_limits()
        info, finding = self._connection_file()
        yield finding
        if finding.level == "fail":
            return
        try:
            address, key = files.find_nameserver(
                self._run_id, self._host, self._port, connection_file=self._file, tls=self._tls
            )
        except BandmasterError as error:
            yield Finding("fail", "name server", str(error))
            return
        finding = _reached("name server", address, self._timeout, "is it running")
        yield finding
        if finding.level == "fail":
            return
        self._told = Told(self._tls, info, str(self._file or files.path_of(self._run_id)))
        about, finding = self._let_in(address, key)
        yield finding
        if about is None:
            return
        yield _protection(address, key)
        yield from _compared("name server", *about)
        yield from self._master(address, key, info)

    def _connection_file(self) -> tuple[ConnectionInfo | None, Finding]:
        subject, path = "connection file", self._file or files.path_of(self._run_id)
        try:
            info = files.find_file(self._run_id, self._file)
        except (AuthenticationError, NameServerError, ConfigurationError) as error:
            return None, Finding("fail", subject, str(error), _mending(error, path))
        if info is None:
            return None, self._no_connection_file(Path(path))
        if info.run_id != self._run_id:
            return info, Finding(
                "warn", subject, f"it is that of run {info.run_id!r}, not of {self._run_id!r}",
                f"name the right one with --connection-file, or say --run-id {info.run_id}",
            )  # fmt: skip
        where = f"{path} (name server at {info.host}:{info.port}, pid {info.pid}, {info.hostname})"
        if info.surely_dead:
            return info, Finding(
                "warn", subject, f"{where}: there is no such process any more",
                "the name server died; start it again with the same run id",
            )  # fmt: skip
        return info, Finding("ok", subject, where)

    def _no_connection_file(self, path: Path) -> Finding:
        told = [
            name for name in ("BANDMASTER_KEY", "BANDMASTER_NAMESERVER") if os.environ.get(name)
        ]
        if "BANDMASTER_KEY" in told:
            return Finding("ok", "connection file", f"none, but {' and '.join(told)} are set")
        if self._insecure:
            return Finding("ok", "connection file", "none, and with --insecure none is needed")
        runs = ", ".join(info.run_id for info in files.list_runs()) or "none"
        return Finding(
            "fail",
            "connection file",
            f"there is no {path}, and BANDMASTER_KEY is not set; runs with a file here: {runs}",
            "start the name server, check the run id and BANDMASTER_HOME, or copy the file from "
            "the name server's machine and name it with --connection-file",
        )

    def _let_in(
        self, address: Address, key: bytes | None
    ) -> tuple[tuple[About, float] | None, Finding]:
        try:
            answer = ask_about(address, key, timeout=self._timeout)
        except ProtocolVersionError as error:
            return None, Finding(
                "fail", "versions", str(error), f"here it is bandmaster {bandmaster.__version__}"
            )
        except AuthenticationError as error:
            about_tls = self._told.advise("name server", str(error))
            if about_tls is not None:
                return None, Finding("fail", *about_tls)
            return None, Finding(
                "fail", "key", str(error),
                "use the connection file that the name server wrote when it was started last",
            )  # fmt: skip
        except ProtocolError as error:
            return None, Finding(
                "fail", "name server", str(error),
                "another program listens at this port: check --host and --port",
            )  # fmt: skip
        except BandmasterError as error:
            return None, Finding(
                "fail", "name server", str(error),
                "it is overloaded, full or stopped (SIGSTOP): look at its log",
            )  # fmt: skip
        secret = (
            "it runs without a key" if key is None else "the name server knows the same key as we"
        )
        return answer, Finding("ok", "key", secret)

    def _master(
        self, nameserver: Address, key: bytes | None, info: ConnectionInfo | None
    ) -> Iterator[Finding]:
        with Names(nameserver, key=key) as names:
            try:
                address = names.lookup(dispatcher_name(self._run_id))
            except NameServerError as error:
                yield Finding(
                    "warn", "master", str(error),
                    f"start the master of run {self._run_id!r}; workers wait for it",
                )  # fmt: skip
                return
            registered = len(names.list(f"bandmaster.{self._run_id}.worker."))
        yield _seen_by_workers(address, info)
        finding = _reached("master", address, self._timeout, "does it run")
        yield finding
        if finding.level == "fail":
            return
        try:
            about, ahead = ask_about(address, key, timeout=self._timeout)
        except BandmasterError as error:
            about_tls = self._told.advise("master", str(error))
            if about_tls is None:
                about_tls = "master", str(error), "look at its log, or start it again"
            yield Finding("fail", *about_tls)
            return
        yield from _compared("master", about, ahead)
        text = f"{about.n_workers} connected to the master, {registered} at the name server"
        if about.n_workers:
            yield Finding("ok", "workers", text)
        else:
            yield Finding(
                "warn", "workers", text,
                f"start some: bandmaster worker module:function --run-id {self._run_id}; if they "
                "do not come, call doctor on their machines",
            )  # fmt: skip


def _reached(subject: str, address: Address, timeout: float, question: str) -> Finding:
    """Connect, and say what it means when that does not work."""
    place = address.reachable
    try:
        with socket.create_connection((place.host, place.port), timeout):
            return Finding("ok", subject, f"{place} can be reached from here")
    except ConnectionRefusedError:
        return Finding(
            "fail", subject, f"{place} refuses the connection: that machine answers, and nothing "
            "listens at the port",
            f"{question}, and is this its port? Or a firewall there rejects it: open the port, "
            "or choose one that is open",
        )  # fmt: skip
    except TimeoutError:
        return Finding(
            "fail", subject, f"{place} does not answer within {timeout:g} s",
            "a firewall drops what is sent to this port, or the machine is down, or the address "
            "is one that cannot be reached from here (a container's, another network's)",
        )  # fmt: skip
    except socket.gaierror as error:
        return Finding(
            "fail", subject, f"the name {place.host!r} is unknown here: {error.strerror}",
            "use an address that this machine knows, e.g. the IP address, as --host",
        )  # fmt: skip
    except OSError as error:
        return Finding(
            "fail", subject, f"{place} cannot be reached: {error.strerror or error}",
            "there is no way to that network from here: check the address and the route",
        )  # fmt: skip


def _protection(address: Address, key: bytes | None) -> Finding:
    if key is None:
        return Finding(
            "warn", "protection", "the run has no key: whoever reaches its ports may join it",
            "start the name server without --insecure",
        )  # fmt: skip
    if address.tls:
        return Finding("ok", "protection", "key and TLS")
    return Finding("ok", "protection", "key, no TLS (others on the network could read along)")


def _compared(role: str, about: About, ahead: float) -> Iterator[Finding]:
    """Compare versions and clocks at both ends."""
    here = About.this("")
    theirs = f"bandmaster {about.version}, protocols {about.protocols}, Python {about.python}"
    if (about.version, about.protocols) != (here.version, here.protocols):
        yield Finding(
            "fail" if about.protocols != here.protocols else "warn",
            "versions",
            f"the {role} on {about.host} has {theirs}; here it is bandmaster {here.version}, "
            f"protocols {here.protocols}, Python {here.python}",
            "install the same release at both ends",
        )
    else:
        yield Finding("ok", "versions", f"the {role} on {about.host} has {theirs}")
    if about.host == here.host:
        yield Finding("ok", "clocks", f"the {role} is on this machine")
        return
    text = f"that of {about.host} is {abs(ahead):.1f} s {'ahead' if ahead > 0 else 'behind'}"
    if abs(ahead) < _CLOCKS_APART:
        yield Finding("ok", "clocks", text)
    else:
        yield Finding(
            "warn", "clocks", text,
            "times in results are those of the workers' clocks: set them by NTP or chrony",
        )  # fmt: skip


def _seen_by_workers(address: Address, info: ConnectionInfo | None) -> Finding:
    text = f"workers here are told to connect to {address}"
    if address.host.startswith(("127.", "::1", "localhost")):
        everywhere = info is not None and Address(info.host, 0).reachable.host != info.host
        if everywhere:
            text += f", those elsewhere to the name server's machine at port {address.port}"
        else:
            text += ": of this machine only, since its name server listens on loopback"
    return Finding("ok", "master", text)


def _mending(error: BandmasterError, path: object) -> str:
    text = str(error)
    if "can be read or written by others" in text:
        return f"chmod 600 {path}, or start the name server anew for a new key"
    if "another user" in text:
        return "have its owner start the workers, or copy the file and own the copy"
    return "start the name server again: it writes the file anew"
