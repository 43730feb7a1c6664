"""What shows the progress of a run; implemented in `bandmaster.progress`."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from bandmaster.core.evaluation import Evaluation

__all__ = ["NoProgress", "Progress", "Resizable"]


class Progress(Protocol):
    """Shows progress. Called from the driving thread only."""

    def start(self, total: int | None) -> None:
        """Begin; `total` is the planned number of evaluations, None if it is open."""

    def update(self, evaluation: Evaluation) -> None:
        """One more evaluation finished."""

    def close(self) -> None:
        """End; also called after an error."""


@runtime_checkable
class Resizable(Protocol):
    """A `Progress` that can be told that another number of evaluations is planned."""

    def set_total(self, total: int) -> None:
        """Say how many there will be, counted from `start`."""


class NoProgress:
    """Shows nothing."""

    def start(self, total: int | None) -> None:
        """Do nothing."""

    def update(self, evaluation: Evaluation) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""
