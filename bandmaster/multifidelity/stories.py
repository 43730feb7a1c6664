"""What errors say of a job."""

from __future__ import annotations

from bandmaster.core.job import Job

__all__ = ["story_of"]


def story_of(job: Job) -> str:
    """Return which job it is, of which trial, and where it belongs."""
    return (
        f"job {job.number} (trial {job.trial}, attempt {job.attempt}, bracket {job.bracket}, "
        f"rung {job.rung}, budget {job.budget!r})"
    )
