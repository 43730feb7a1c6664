"""What an iteration generator answers: what to run next, and what a running job is to do."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any

from msgspec import Struct

__all__ = ["Action", "Decision", "Done", "Exploit", "New", "Promote", "Wait"]


class Decision(enum.Enum):
    """The answer to an intermediate report."""

    CONTINUE = "continue"
    PAUSE = "pause"
    STOP = "stop"


class New(Struct, frozen=True, gc=False):
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


class Promote(Struct, frozen=True, gc=False):
    """Run trial `trial` again at a higher `budget`, from `checkpoint` if it left one."""

    trial: int
    budget: float
    bracket: int = 0
    rung: int = 0
    checkpoint: str | None = None


class Exploit(Struct, frozen=True, gc=False):
    """Let trial `trial` go on from the checkpoint of `donor`, with configuration `config`."""

    trial: int
    donor: int
    config: Mapping[str, Any]
    budget: float
    bracket: int = 0
    rung: int = 0
    checkpoint: str | None = None


class Wait(Struct, frozen=True, gc=False):
    """Nothing may start until something finishes."""


class Done(Struct, frozen=True, gc=False):
    """Nothing will ever start again (running jobs may still finish)."""


Action = New | Promote | Exploit | Wait | Done
