"""A real PostgreSQL server for tests: in a folder of its own, on a Unix socket only."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType

import pytest

_USER = "postgres"  # initdb refuses to run as root


class Server:
    """A server that ends with the ``with`` block; `stop` and `start` restart it.

    Fails when PostgreSQL is not installed; outside of CI (variable ``CI`` not set) the tests that
    need it are left out instead, with a reason.
    """

    def __init__(self) -> None:
        self._bin = _programs()
        self._folder = Path(tempfile.mkdtemp(prefix="bm-pg-"))  # short: it holds a socket
        self._data = self._folder / "data"
        self._log = self._folder / "log"
        self._n = 0

    def __enter__(self) -> Server:
        if os.geteuid() == 0:
            shutil.chown(self._folder, _USER)
        try:
            self._run("initdb", "-D", self._data, "-U", "test", "-A", "trust", "-N", "-E", "UTF8")
            self.start()
        except BaseException:
            shutil.rmtree(self._folder)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()
        shutil.rmtree(self._folder)

    def start(self) -> None:
        """Start it, and return when it answers."""
        options = f"-k {self._folder} -c listen_addresses='' -c max_connections=50"
        self._run("pg_ctl", "start", "-w", "-D", self._data, "-l", self._log, "-o", options)

    def stop(self) -> None:
        """Stop it as a failing machine does; it recovers when it is started."""
        if (self._data / "postmaster.pid").exists():
            self._run("pg_ctl", "stop", "-w", "-D", self._data, "-m", "immediate")

    def stop_after(self, seconds: float) -> None:
        """Stop it in a while."""
        time.sleep(seconds)
        self.stop()

    def new_database(self) -> str:
        """Make an empty database; return its URL for `open_storage`."""
        self._n += 1
        name = f"db{self._n}"
        self._run("createdb", "-h", self._folder, "-U", "test", name)
        return self.url(name)

    def url(self, name: str) -> str:
        """Return the URL of a database."""
        return f"postgresql+psycopg://test@/{name}?host={self._folder}"

    def _run(self, program: str, *arguments: object) -> None:
        command = [str(self._bin / program), *map(str, arguments)]
        if os.geteuid() == 0:
            command = ["runuser", "-u", _USER, "--", *command]
        # A file, not a pipe: the server that pg_ctl leaves behind would keep a pipe open.
        with tempfile.TemporaryFile() as out:
            done = subprocess.run(command, cwd="/", stdout=out, stderr=out, check=False)
            out.seek(0)
            assert done.returncode == 0, f"{command}:\n{out.read().decode()}{self._read_log()}"

    def _read_log(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""


def _programs() -> Path:
    """Return the folder of the server's programs; Debian keeps it out of PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    path = shutil.which("initdb")
    if path is not None:
        found.append(Path(path).resolve())
    if found:
        return found[-1].parent
    missing = "PostgreSQL is not installed (Debian: apt-get install postgresql)"
    if "CI" not in os.environ:
        pytest.skip(missing)
    raise AssertionError(missing)
