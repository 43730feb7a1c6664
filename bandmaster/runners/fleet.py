"""The workers of a simulation, and what befalls them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from bandmaster.errors import ConfigurationError

__all__ = ["Fleet"]


@dataclass(frozen=True, slots=True)
class Fleet:
    """Who works, and what goes wrong.

    Parameters
    ----------
    n_workers : int
        Those that are there at the beginning.
    changes : sequence of (float, int), default ()
        At these seconds from the beginning so many join or (negative) leave. Those that joined
        last leave first, at once: what they run is lost.
    failures : float, default 0.0
        The chance that an evaluation raises, at some moment of its time.
    crashes : float, default 0.0
        The chance that a worker dies in an evaluation, at some moment of its time.
    downtime : float, default 60.0
        Seconds until another worker comes for one that died.
    stragglers : float, default 0.0
        The chance that an evaluation takes `slowdown` times as long.
    slowdown : float, default 10.0

    Raises
    ------
    ConfigurationError
        When a number is out of its range.
    """

    n_workers: int
    changes: Sequence[tuple[float, int]] = ()
    failures: float = 0.0
    crashes: float = 0.0
    downtime: float = 60.0
    stragglers: float = 0.0
    slowdown: float = 10.0

    def __post_init__(self) -> None:
        if type(self.n_workers) is not int or self.n_workers < 0:
            raise ConfigurationError(f"n_workers must be a whole number ≥ 0, got {self.n_workers}")
        for name in ("failures", "crashes", "stragglers"):
            chance = getattr(self, name)
            if not 0 <= chance <= 1:
                raise ConfigurationError(f"{name} is a chance, from 0 to 1; got {chance!r}")
        for name, least in (("downtime", 0.0), ("slowdown", 1.0)):
            value = getattr(self, name)
            if not least <= value < math.inf:
                raise ConfigurationError(f"{name} must be a number ≥ {least:g}, got {value!r}")
        for when, change in self.changes:
            if not 0 <= when < math.inf or type(change) is not int:
                raise ConfigurationError(
                    f"a change is (seconds, workers that join or leave), got ({when!r}, {change!r})"
                )

    @property
    def reliable(self) -> bool:
        """Whether evaluations go as they would by themselves."""
        return not (self.failures or self.crashes or self.stragglers)
