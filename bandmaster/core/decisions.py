"""What an iteration generator answers: what to run next, and what a running job is to do."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Action", "Decision", "Done", "Exploit", "New", "Promote", "Wait"]


class Decision(enum.Enum):
    """The answer to an intermediate report."""

    CONTINUE = "continue"
    PAUSE = "pause"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class New:
    """Start a new trial at `budget`.

    Parameters
    ----------
    budget : int or float
        The budget of its first job.
    source : {"model", "random"} or Mapping
        Who proposes: the optimizer, a uniform draw (BOHB's random share), or this configuration.
    bracket, rung : int
        Where the job belongs; they come back in `Job.bracket` and `Job.rung`.
    """

    budget: float
    source: str | Mapping[str, Any] = "model"
    bracket: int = 0
    rung: int = 0


@dataclass(frozen=True, slots=True)
class Promote:
    """Run trial `trial` again at a higher `budget`, from `checkpoint` if it left one."""

    trial: int
    budget: float
    bracket: int = 0
    rung: int = 0
    checkpoint: str | None = None


@dataclass(frozen=True, slots=True)
class Exploit:
    """Let trial `trial` go on from the checkpoint of `donor`, with configuration `config`."""

    trial: int
    donor: int
    config: Mapping[str, Any]
    budget: float
    bracket: int = 0
    rung: int = 0
    checkpoint: str | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing may start until something finishes."""


@dataclass(frozen=True, slots=True)
class Done:
    """Nothing will ever start again (running jobs may still finish)."""


Action = New | Promote | Exploit | Wait | Done
