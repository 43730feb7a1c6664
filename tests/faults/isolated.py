"""Isolated evaluations for tests: one evaluator, jobs by the argument of the function."""

from __future__ import annotations

import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bandmaster.asynccomm.isolation import Isolated
from bandmaster.core.context import Context
from bandmaster.core.decisions import Decision
from bandmaster.core.evaluate import Objective
from bandmaster.core.isolation import Isolation
from bandmaster.core.job import Job
from bandmaster.core.outcome import Outcome


class Evaluations:
    """Runs jobs of one isolated function.

    Parameters
    ----------
    function : callable
        Gets ``config["do"]`` among the rest.
    answer : callable, optional
        Gets each report's metrics and returns a Decision.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        time_limit: float | None = None,
        memory_limit: int | None = None,
        answer: Callable[[Any], Decision] = lambda metrics: Decision.CONTINUE,
        catch: tuple[type[BaseException], ...] = (Exception, SystemExit),
    ) -> None:
        self.evaluator = Isolated(
            Objective(function), isolation=Isolation(time_limit, memory_limit), catch=catch
        )
        self._answer = answer
        self._count = 0

    def run(self, do: Any = None, **config: Any) -> Outcome:
        """Evaluate a configuration."""
        job = Job(self._count, 0, self._count, {"do": do, **config}, 1.0)
        self._count += 1
        context = Context(
            job,
            worker="w",
            reporter=lambda job, metrics, step, checkpoint: self._answer(dict(metrics)),
        )
        return self.evaluator.run(job, context)

    @property
    def keeper(self) -> int:
        """The process id of the keeper."""
        assert self.evaluator._keeper is not None
        return self.evaluator._keeper.pid


@contextmanager
def isolated(function: Callable[..., Any], **options: Any) -> Iterator[Evaluations]:
    """Run a function's evaluations in a process of their own until the end of the block."""
    evaluations = Evaluations(function, **options)
    evaluations.evaluator.start()
    try:
        yield evaluations
    finally:
        evaluations.evaluator.close()


def alive(pid: int) -> bool:
    """Whether a process runs; zombies do not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def sockets_of(pid: int) -> set[str]:
    """Return the sockets and pipes that a process has open."""
    found = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        target = os.readlink(f"/proc/{pid}/fd/{name}")
        if target.startswith(("socket:", "pipe:")):
            found.add(target)
    return found


def last_line(outcome: Outcome) -> str:
    """Return the end of an outcome's error."""
    return (outcome.error or "").splitlines()[-1]


def deadly() -> Callable[..., Any]:
    """Return a function that dies as it is told, else returns its process id."""

    def evaluate(config: Any) -> Any:  # a closure goes to the child by value
        match config["do"]:
            case "segfault":
                ctypes.string_at(0)
            case "abort":
                os.abort()
            case "exit":
                os._exit(7)
            case "exit 0":
                os._exit(0)
            case "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            case "stop":
                os.kill(os.getpid(), signal.SIGSTOP)
            case "spin":
                while True:
                    pass
            case "hold the GIL":
                ctypes.PyDLL(None).usleep(60_000_000)
            case "swallow":
                while True:
                    try:
                        time.sleep(60)
                    except BaseException:  # noqa: BLE001 - that is the test
                        continue
            case "close":
                os.closerange(3, 1024)
            case "raise":
                raise KeyError("no more than this")
        return {"loss": 0.5, "info": os.getpid()}

    return evaluate
