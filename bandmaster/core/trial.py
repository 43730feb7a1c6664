"""A trial: a configuration and its whole life."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bandmaster.core.job import Job
from bandmaster.core.values import Encoded

if TYPE_CHECKING:
    import numpy as np

__all__ = ["OpenJob", "Trial"]


class Trial(Encoded, frozen=True, gc=False):
    """A configuration that was issued at least once.

    Parameters
    ----------
    number : int
        Counts the study's trials from 0.
    config : Mapping
        The user's exact values.
    config_info : Mapping
        What the optimizer said about it.
    bracket : int
        The bracket in which it was born.
    vector : ndarray of shape (dim,)
        The encoded configuration.
    """

    number: int
    config: Mapping[str, Any]
    config_info: Mapping[str, Any]
    bracket: int
    vector: np.ndarray


@dataclass(slots=True)
class OpenJob:
    """A job that has not ended: at a worker, or waiting to be issued again.

    Attributes
    ----------
    job : Job
        Its last attempt.
    worker : str
        Who has it; empty while it waits.
    waiting : bool
        Whether the last attempt was lost and none is running.
    lost : int
        How many attempts were lost through no fault of the study.
    failed : int
        How many attempts failed and were tried again.
    reason : str
        Why the last one was lost, or the error with which it failed.
    reports : int
        How many reports came of this attempt.
    checkpoint : str or None
        The newest that was reported, by any attempt.
    paused : Mapping or None
        The metrics of the report at which the current attempt was told to pause.
    again : float or None
        When the current attempt was issued, if it is not the first.
    """

    job: Job
    worker: str
    waiting: bool = False
    lost: int = 0
    reason: str = ""
    reports: int = 0
    failed: int = 0
    checkpoint: str | None = None
    paused: Mapping[str, Any] | None = None
    again: float | None = None

    @property
    def story(self) -> str:
        """Where it is, for a message."""
        where = f"waits ({self.reason})" if self.waiting else f"is at {self.worker or '-'}"
        return f"attempt {self.job.attempt} of trial {self.job.trial} {where}"
