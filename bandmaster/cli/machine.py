"""What a machine needs for a search of any kind, checked one thing after the other."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement

import bandmaster
from bandmaster.asynccomm.limits import default_max_connections
from bandmaster.asynccomm.net import short_socket_dir
from bandmaster.cli.finding import Finding
from bandmaster.core.home import home_folder
from bandmaster.errors import BandmasterError, StorageError

__all__ = ["check_limits", "check_machine", "check_process", "check_storage"]

_FEW_CONNECTIONS = 1000
_SLOW_START = 5.0  # seconds
_CGROUP = Path("/sys/fs/cgroup")
_EXTRAS = ("cmaes", "cryptography", "psycopg", "pyarrow", "scikit-learn")


def check_process() -> Finding:
    """Say which versions are here."""
    versions = f"bandmaster {bandmaster.__version__}, Python {platform.python_version()}"
    return Finding("ok", "here", f"{versions}, {platform.system()} {platform.release()}")


def check_limits() -> Finding:
    """Look at the limit of open files."""
    most = default_max_connections()
    if most >= _FEW_CONNECTIONS:
        return Finding("ok", "open files", f"room for {most} connections")
    return Finding(
        "warn",
        "open files",
        f"a name server or master here has room for {most} connections only",
        "raise the hard limit of open files (ulimit -Hn) before it is started",
    )


def check_machine() -> Iterator[Finding]:
    """Yield what is found of libraries, home, sockets, processes and processors."""
    yield _libraries()
    yield _home()
    yield _loopback()
    yield _unix_sockets()
    yield _processes()
    yield _processors()


def check_storage(storage: str) -> Finding:
    """Look whether a checkpoint file or the database of a URL can be read and written."""
    from bandmaster.storage import checkpoint_url, open_storage
    from bandmaster.study.places import without_password

    url = checkpoint_url(storage)
    shown = without_password(url)
    _, sqlite, rest = url.partition("sqlite:///")
    path = Path(rest.partition("?")[0]) if sqlite else None
    try:
        with open_storage(url, create=False) as opened:
            studies = opened.list_studies()
    except StorageError as error:
        if path is not None and not path.exists():
            return _missing(path)
        return Finding("fail", "storage", f"{shown}: {error}", "see docs/storage.md")
    except BandmasterError as error:
        return Finding("fail", "storage", f"{shown}: {error}", "see docs/storage.md")
    if path is not None and not os.access(path, os.W_OK):
        return Finding("warn", "storage", f"{path} can be read, not written", "look at its mode")
    busy = [f"{study.name} (by {study.writer})" for study in studies if study.writer is not None]
    text = f"{shown}: {len(studies)} studies"
    return Finding("ok", "storage", f"{text}, written now: {', '.join(busy)}" if busy else text)


def _missing(path: Path) -> Finding:
    if os.access(path.resolve().parent, os.W_OK | os.X_OK):
        return Finding("ok", "storage", f"there is no {path} yet; it can be made")
    return Finding(
        "fail", "storage", f"there is no {path}, and it cannot be made",
        "make its folder, or choose one that this user may write to",
    )  # fmt: skip


def _libraries() -> Finding:
    try:
        lines = requires("bandmaster") or ()
    except PackageNotFoundError:
        return Finding("ok", "libraries", "bandmaster is not installed as a package: not looked at")
    wanted = [Requirement(line) for line in lines]
    needed = [r for r in wanted if r.marker is None or r.marker.evaluate({"extra": ""})]
    found = []
    for requirement in needed:
        there = _version(requirement.name)
        if there is None:
            found.append(f"{requirement.name} is missing")
        elif not requirement.specifier.contains(there, prereleases=True):
            found.append(f"{requirement.name} {there} (needed: {requirement.specifier})")
    if found:
        return Finding(
            "fail", "libraries", "; ".join(found), "install bandmaster again, with its libraries"
        )
    extras = [f"{name} {_version(name)}" for name in _EXTRAS if _version(name) is not None]
    text = f"all {len(needed)} are there, Pyro5 {_version('Pyro5')}, numpy {_version('numpy')}"
    return Finding("ok", "libraries", f"{text}; of extras: {', '.join(extras) or 'none'}")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _home() -> Finding:
    home = home_folder()
    advice = "set BANDMASTER_HOME to a folder that this user may write to"
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home) as file:
            file.write(b"x")
    except OSError as error:
        return Finding("fail", "home", f"{home}: {error.strerror or error}", advice)
    return Finding("ok", "home", f"{home} can be written")


def _loopback() -> Finding:
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            socket.create_connection(server.getsockname(), 2.0).close()
    except OSError as error:
        return Finding(
            "fail", "loopback", f"127.0.0.1 cannot be connected to: {error.strerror or error}",
            "a sandbox or firewall keeps processes of this machine from talking to each other",
        )  # fmt: skip
    return Finding("ok", "loopback", "processes of this machine can talk over TCP")


def _unix_sockets() -> Finding:
    try:
        with short_socket_dir() as folder, socket.socket(socket.AF_UNIX) as server:
            server.bind(str(folder / "s"))
            server.listen()
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(folder / "s"))
            return Finding("ok", "Unix sockets", f"in {folder.parent}")
    except (OSError, BandmasterError) as error:
        return Finding(
            "fail", "Unix sockets", f"{error}",
            "set TMPDIR to a short path on a local disk (n_jobs > 1 needs them)",
        )  # fmt: skip


def _processes() -> Finding:
    since = time.monotonic()
    try:
        subprocess.run([sys.executable, "-c", "pass"], check=True, timeout=60, capture_output=True)
        pid = os.fork()
        if pid == 0:
            os._exit(0)
        os.waitpid(pid, 0)
    except (OSError, subprocess.SubprocessError) as error:
        return Finding(
            "fail", "processes", f"none can be started: {error}",
            "look at the limit of processes (ulimit -u) and at the memory that is free",
        )  # fmt: skip
    took = time.monotonic() - since
    text = f"one more Python starts in {took:.2g} s"
    if took < _SLOW_START:
        return Finding("ok", "processes", text)
    return Finding("warn", "processes", text, "Python's folder may be on a slow network disk")


def _processors() -> Finding:
    from bandmaster.wiring import count_jobs

    there, ours = os.cpu_count() or 1, count_jobs(-1)
    text = f"{ours} of {there} for this process" if ours < there else f"{there}"
    share = _cgroup_processors()
    memory = _cgroup_number("memory.max")
    if memory is not None:
        text += f", {memory / 2**30:.3g} GiB of memory by its cgroup"
    if share is not None and share < ours:
        return Finding(
            "ok", "processors", f"{text}, time of {share:g} by its cgroup",
            f"n_jobs=-1 starts {ours} workers, but there is time for {max(1, int(share))}",
        )  # fmt: skip
    return Finding("ok", "processors", text)


def _cgroup_processors() -> float | None:
    """Return how many processors' time the cgroup of a container may use."""
    try:
        quota, period = (_CGROUP / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None


def _cgroup_number(name: str) -> int | None:
    try:
        return int((_CGROUP / name).read_text())
    except (OSError, ValueError):  # there is none, or it says "max"
        return None
