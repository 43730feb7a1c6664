"""What a journal says of trainings: their segments, the steps they reported, their exploits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from msgspec import Struct

from bandmaster.core.checkpoints import step_of

__all__ = ["ExploitRecord", "ReportedStep", "Segment"]


class Segment(Struct, frozen=True, gc=False):
    """A job as a piece of its trial's training.

    Parameters
    ----------
    job, trial : int
    config : Mapping
        The configuration in force.
    checkpoint : str or None
        What its first attempt started from; None for a fresh start.
    donor : int or None
        The trial whose checkpoint that is, if the segment began with an exploit.
    issued : float
        When it was first issued, in seconds since the epoch.
    """

    job: int
    trial: int
    config: Mapping[str, Any]
    checkpoint: str | None
    donor: int | None
    issued: float

    def repeats(self, before: Segment) -> bool:
        """Whether it begins as the trial's segment before it did: that one came to nothing."""
        return (self.checkpoint, self.donor) == (before.checkpoint, before.donor) and (
            self.config == before.config
        )


class ReportedStep(Struct, frozen=True, gc=False):
    """One step that a trial reported.

    Parameters
    ----------
    segment : Segment
        The job that reported it.
    attempt, step : int
    time : float
        When the report came, in seconds since the epoch.
    metrics : Mapping of str to plain data
    loss : float or None
        What is minimised; None unless it is a finite number.
    checkpoint : str or None
        The one that came with the report.
    """

    segment: Segment
    attempt: int
    step: int
    time: float
    metrics: Mapping[str, Any]
    loss: float | None
    checkpoint: str | None

    @property
    def trial(self) -> int:
        """Whose step it is."""
        return self.segment.trial

    @property
    def job(self) -> int:
        """The job that reported it."""
        return self.segment.job

    @property
    def config(self) -> Mapping[str, Any]:
        """The configuration in force."""
        return self.segment.config

    @property
    def exploited_from(self) -> int | None:
        """The trial from whose checkpoint the job started, if it began with an exploit."""
        return self.segment.donor


@dataclass(frozen=True, slots=True)
class ExploitRecord:
    """A trial went on from the checkpoint of another one, with a new configuration.

    Parameters
    ----------
    trial, donor : int
        Who, and from whom.
    old_config, config : Mapping
        The trial's configuration until then and from then on.
    step : int
        At which the donor saved the checkpoint.
    checkpoint : str or None
    job : int
        The first one that trains with it.
    time : float
        When that was issued, in seconds since the epoch.
    """

    trial: int
    donor: int
    old_config: Mapping[str, Any]
    config: Mapping[str, Any]
    step: int
    checkpoint: str | None
    job: int
    time: float

    @classmethod
    def of(cls, before: Segment, after: Segment) -> ExploitRecord:
        """Compare the trial's segment with the one before."""
        assert after.donor is not None, "the segment began with an exploit"
        return cls(
            after.trial, after.donor, before.config, after.config, step_of(after.checkpoint),
            after.checkpoint, after.job, after.issued,
        )  # fmt: skip
