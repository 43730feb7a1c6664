"""Real programs for tests: started, watched, and surely ended."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parent.parent
_BAD = re.compile(r"\b(ERROR|CRITICAL)\b|Traceback \(most recent call last\)|Exception ignored")


class Program:
    """A process whose two outputs go to files; leaving the ``with`` block ends it.

    Parameters
    ----------
    command : sequence of str or Path
        A first element that ends in ``.py`` is run by this Python.
    cwd : Path
        Where it runs and where its outputs are kept.
    env : mapping, optional
        Added to this process's environment.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        cwd: Path,
        env: Mapping[str, str] | None = None,
    ) -> None:
        words = [str(word) for word in command]
        self.command = [sys.executable, *words] if words[0].endswith(".py") else words
        self.cwd = cwd
        self._env = program_environment() | dict(env or {})
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Program:
        stamp = f"{time.monotonic_ns()}"
        self._out, self._err = (self.cwd / f"{stamp}.{kind}" for kind in ("out", "err"))
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._process = subprocess.Popen(
                self.command,
                cwd=self.cwd,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,  # so that it can be ended with all that it started
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        if error is not None:
            error.add_note(f"{self}") if hasattr(error, "add_note") else print(self)

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process."""
        assert self._process is not None, "not started"
        return self._process

    @property
    def out(self) -> str:
        """What it has written to standard output."""
        return self._out.read_text(encoding="utf-8", errors="replace")

    @property
    def err(self) -> str:
        """What it has written to standard error, logs included."""
        return self._err.read_text(encoding="utf-8", errors="replace")

    def __str__(self) -> str:
        return f"$ {' '.join(self.command)}\n{self.out}\n--- stderr\n{self.err}"

    def forget(self) -> None:
        """Remove its outputs."""
        self._out.unlink()
        self._err.unlink()

    def finish(self, timeout: float = 60.0) -> int:
        """Return its exit code; fail when it runs for longer."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {timeout} s:\n{self}") from None

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self.process.send_signal(signal.SIGINT)

    def wait_for(self, seen: Callable[[Program], object], timeout: float = 30.0) -> None:
        """Wait until `seen(self)` holds; fail when it ends before, or too much time passes."""
        deadline = time.monotonic() + timeout
        while not seen(self):
            assert self.process.poll() is None, f"ended:\n{self}"
            assert time.monotonic() < deadline, f"nothing seen for {timeout} s:\n{self}"
            time.sleep(0.02)

    @property
    def bad_lines(self) -> list[str]:
        """The lines of its log that no clean run has."""
        return [line for line in (self.out + self.err).splitlines() if _BAD.search(line)]


def program_environment() -> dict[str, str]:
    """Return an environment in which programs import the package of this checkout."""
    path = os.pathsep.join(p for p in (str(ROOT), os.environ.get("PYTHONPATH", "")) if p)
    bin_folder = str(Path(sys.executable).parent)
    return os.environ | {
        "PYTHONPATH": path,
        "PATH": bin_folder + os.pathsep + os.environ.get("PATH", ""),
        "MPLBACKEND": "Agg",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONUNBUFFERED": "1",
    }


def bandmaster(*arguments: str) -> list[str]:
    """Return the command line of `bandmaster`, installed or not."""
    return [sys.executable, "-m", "bandmaster", *arguments]
