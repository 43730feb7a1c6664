"""Every run is a line of JSON in a file that is only appended to."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Record", "RunKey", "Store"]

logger = logging.getLogger(__name__)

RunKey = tuple[str, str, int, int, float]


@dataclass(frozen=True, slots=True)
class Record:
    """What came out of one run.

    Parameters
    ----------
    problem, engine : str
    seed, workers : int
    length : float
        Evaluations of a run with one budget, full-budget equivalents of one with several.
    x : list of float
        When the incumbent changed: number of the evaluation (from 1), or share of `length`.
    y : list of float
        The true loss of the incumbent from there on.
    ask_ms : list of float
        Quantiles 0, .5, .99 and 1 of the milliseconds of CPU of an ask, and their mean.
    losses : list of float
        What random search saw, where the problem does not know its median itself.
    commit, versions : str
        Of the tree, and of the engine's library.
    error : str
        A traceback, where it did not end well.
    capped : int
        After how many evaluations the cap of wall-clock time ended it; 0 if it did not.
    """

    problem: str
    engine: str
    seed: int
    workers: int
    length: float
    x: list[float] = field(default_factory=list)
    y: list[float] = field(default_factory=list)
    ask_ms: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    wall: float = 0.0
    commit: str = ""
    versions: str = ""
    error: str = ""
    capped: int = 0

    @property
    def key(self) -> RunKey:
        """What names a run."""
        return (self.problem, self.engine, self.seed, self.workers, self.length)

    def at(self, x: float) -> float:
        """Return the true loss of the incumbent at `x`; inf before the first."""
        value = math.inf
        for where, loss in zip(self.x, self.y, strict=True):
            if where > x:
                break
            value = loss
        return value


class Store:
    """The file of records; what cannot be read of it is left out, and said.

    Parameters
    ----------
    path : Path
        Made on the first `append`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[RunKey, Record]:
        """Return the last record of every run."""
        return {record.key: record for record in self._records()}

    def append(self, record: Record) -> None:
        """Add a record, on a line of its own even after a torn one."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps(asdict(record), separators=(",", ":")) + "\n"
        with self.path.open("a+b") as file:
            if file.tell():
                file.seek(-1, 2)
                if file.read(1) != b"\n":
                    line = "\n" + line
            file.write(line.encode())

    def missing(self, wanted: Iterable[RunKey], *, fresh: Iterable[str] = ()) -> list[RunKey]:
        """Return what was not run yet, or failed, or shall be run again (engines in `fresh`)."""
        known = self.read()
        again = set(fresh)
        return [key for key in wanted if key not in known or known[key].error or key[1] in again]

    def _records(self) -> Iterator[Record]:
        if not self.path.exists():
            return
        with self.path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                try:
                    yield _record(json.loads(line))
                except (ValueError, TypeError):
                    if line.strip():
                        logger.warning("%s, line %d is torn; left out", self.path, number)


def _record(data: Mapping[str, Any]) -> Record:
    return Record(**data)
