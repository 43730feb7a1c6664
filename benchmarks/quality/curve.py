"""What is kept of a run while it is played."""

from __future__ import annotations

import math

import numpy as np

__all__ = ["Curve"]


class Curve:
    """The true loss of the incumbent, kept where it changes, and what it cost to ask."""

    def __init__(self) -> None:
        self.x: list[float] = []
        self.y: list[float] = []
        self.losses: list[float] = []
        self.asks: list[float] = []
        self.best = math.inf
        self.capped = 0

    def see(self, loss: float) -> bool:
        """Note an evaluation; return whether it is the best so far."""
        self.losses.append(loss)
        better = loss < self.best
        self.best = min(loss, self.best)
        return better

    def incumbent(self, x: float, truth: float) -> None:
        """Note what is recommended from `x` on."""
        if not self.y or truth != self.y[-1]:
            self.x.append(x)
            self.y.append(truth)

    def ask_ms(self) -> list[float]:
        """Return the quantiles 0, .5, .99 and 1, and the mean, of the milliseconds of an ask."""
        if not self.asks:
            return []
        ms = 1e3 * np.array(self.asks)
        return [round(float(v), 4) for v in (*np.quantile(ms, [0, 0.5, 0.99, 1]), ms.mean())]
