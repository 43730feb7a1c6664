"""How busy the workers were."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from bandmaster.core.evaluation import Evaluation
from bandmaster.core.outcome import Status
from bandmaster.study.formatting import clean
from bandmaster.study.rows import own, timed

__all__ = ["Utilization", "WorkerUse", "measure_utilization", "queue_waits"]


@dataclass(frozen=True, slots=True)
class WorkerUse:
    """What one worker did.

    Parameters
    ----------
    worker : str
    n_evaluations, n_failed : int
        What it finished, and how many of these raised, timed out or crashed.
    busy : float
        Seconds in which it evaluated; at a moment with two evaluations it counts once.
    available : float
        Seconds from its first start to the end of the search (the last end at any worker). When
        a worker joined before, or left, is not known.
    """

    worker: str
    n_evaluations: int
    n_failed: int
    busy: float
    available: float

    @property
    def share(self) -> float:
        """Busy by available, in [0, 1]; 0 when no time passed."""
        return self.busy / self.available if self.available > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Utilization:
    """How busy the workers were, each and all together; printed, it is a table.

    Parameters
    ----------
    workers : tuple of WorkerUse
        By name.
    """

    workers: tuple[WorkerUse, ...]

    @property
    def busy(self) -> float:
        """Seconds that workers evaluated, in all."""
        return sum(use.busy for use in self.workers)

    @property
    def available(self) -> float:
        """Seconds that workers were there, in all."""
        return sum(use.available for use in self.workers)

    @property
    def share(self) -> float:
        """Busy by available, in [0, 1]; 0 when no time passed."""
        return self.busy / self.available if self.available > 0 else 0.0

    def __str__(self) -> str:
        rows = [("worker", "busy", "seconds", "of", "evaluations", "failed")]
        for use in (*self.workers, None):
            whole, counted = (self, self.workers) if use is None else (use, (use,))
            rows.append(
                (
                    "all" if use is None else clean(use.worker) or "-",
                    f"{whole.share:.0%}", f"{whole.busy:.6g}", f"{whole.available:.6g}",
                    str(sum(w.n_evaluations for w in counted)),
                    str(sum(w.n_failed for w in counted)),
                )
            )  # fmt: skip
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(
            "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])])
            for row in rows
        )


def measure_utilization(rows: Iterable[Evaluation]) -> Utilization:
    """Measure it; see `Result.utilization`."""
    by_worker: dict[str, list[Evaluation]] = {}
    for e in rows:
        if own(e) and timed(e):
            by_worker.setdefault(e.worker, []).append(e)
    end = max((e.finished for done in by_worker.values() for e in done), default=0.0)
    return Utilization(tuple(_use(worker, done, end) for worker, done in sorted(by_worker.items())))


def _use(worker: str, done: list[Evaluation], end: float) -> WorkerUse:
    failed = sum(e.status not in (Status.OK, Status.STOPPED) for e in done)
    busy, until = 0.0, float("-inf")
    for started, finished in sorted((e.started, e.finished) for e in done):
        busy += max(0.0, finished - max(started, until))
        until = max(until, finished)
    return WorkerUse(worker, len(done), failed, busy, end - min(e.started for e in done))


def queue_waits(rows: Iterable[Evaluation]) -> np.ndarray:
    """Return the seconds from issue to start, shape (n,); see `Result.queue_waits`."""
    return np.array(
        [e.started - e.submitted if own(e) and timed(e) else np.nan for e in rows], dtype=float
    )
