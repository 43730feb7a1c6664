"""How a job ended."""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

__all__ = ["Outcome", "Status"]


class Status(enum.Enum):
    """How a job ended; only OK carries a loss."""

    OK = "ok"
    FAILED = "failed"  # raised, or returned what is no loss
    TIMEOUT = "timeout"  # ran longer than allowed
    CRASHED = "crashed"  # its workers died, `max_retries` times
    STOPPED = "stopped"  # ended by a decision, before its budget


_OK = Status.OK  # a member of an enumeration is found by calling Python


class Outcome(Struct, frozen=True, gc=False):
    """How a job ended. Failure is data.

    Parameters
    ----------
    status : Status
    loss : float, optional
        Finite, smaller is better. None unless `status` is OK (or STOPPED after a report).
    metrics : Mapping of str to float
        Further named numbers that `compute` returned.
    info : object
        Plain data that `compute` returned under ``"info"``.
    error : str, optional
        Traceback or reason when it did not end well.
    checkpoint : str, optional
        Where the state was left.
    started, finished : float
        Seconds since the epoch on the worker's clock.
    worker : str
        Who ran it.
    """

    status: Status
    loss: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    info: Any = None
    error: str | None = None
    checkpoint: str | None = None
    started: float = 0.0
    finished: float = 0.0
    worker: str = ""

    def __post_init__(self) -> None:
        if self.loss is not None and not math.isfinite(self.loss):
            raise ValueError(f"loss must be finite, got {self.loss!r}; a failure has loss None")

    @property
    def ok(self) -> bool:
        """Whether the job ended with a loss that counts."""
        return self.status is _OK

    @classmethod
    def failed(cls, error: str, *, status: Status = Status.FAILED, worker: str = "") -> Outcome:
        """Return an outcome that carries only why it failed."""
        return cls(status=status, error=error, worker=worker)

    def timed(
        self, started: float, finished: float, worker: str, checkpoint: str | None = None
    ) -> Outcome:
        """Return the same outcome with when and by whom it was made, and where its state is."""
        return Outcome(
            self.status, self.loss, self.metrics, self.info, self.error,
            self.checkpoint if checkpoint is None else checkpoint,
            started, finished, worker,
        )  # fmt: skip

    def to_wire(self) -> list[Any]:
        """Return the fields as plain data."""
        return [
            self.status._value_, self.loss, dict(self.metrics), self.info, self.error,
            self.checkpoint, self.started, self.finished, self.worker,
        ]  # fmt: skip

    @classmethod
    def from_wire(cls, fields: list[Any]) -> Outcome:
        """Rebuild what `to_wire` gave."""
        return cls(Status(fields[0]), *fields[1:])
