"""What the plots share: axes, colours, units, and words for what cannot be drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator

__all__ = ["COLOURS", "TimeAxis", "color_of", "explain", "get_axes", "log_if_wide", "style_of"]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's colours (2008), which the colour-blind can tell apart, without the yellow that
a white page swallows."""

_STYLES = ("-", "--", "-.", ":")
_UNITS = ((86_400.0, "d", 2.0), (3_600.0, "h", 2.0), (60.0, "min", 5.0))


def get_axes(ax: Axes | None) -> Axes:
    """Return `ax`, or the current axes, in a new figure if there is none."""
    if ax is not None:
        return ax
    from matplotlib import pyplot as plt

    if not plt.get_fignums():
        return plt.figure(layout="constrained").add_subplot()
    return plt.gca()


def color_of(number: int) -> str:
    """The colour of the trace with this number."""
    return COLOURS[number % len(COLOURS)]


def style_of(number: int) -> str:
    """Its line style: it changes when the colours begin again."""
    return _STYLES[number // len(COLOURS) % len(_STYLES)]


def explain(ax: Axes, why: str) -> Axes:
    """Say in empty axes why nothing is drawn."""
    ax.text(
        0.5, 0.5, why, transform=ax.transAxes, ha="center", va="center", color="0.35", wrap=True
    )
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(False)
    return ax


def log_if_wide(ax: Axes, values: np.ndarray | Sequence[float]) -> None:
    """Make the y axis logarithmic if the values are positive and span a decade or more."""
    values = np.asarray(values, dtype=float)
    if not values.size or values.min() <= 0 or values.max() / 10 < values.min():
        return
    ax.set_yscale("log")
    if values.min() >= 1e-4 and values.max() <= 1e4:
        plain = FuncFormatter(lambda value, _: f"{value:g}")  # 0.02 rather than 2 x 10^-2
        ax.yaxis.set_major_formatter(plain)
        if values.max() / 1000 < values.min():
            ax.yaxis.set_minor_locator(LogLocator(subs=(2.0, 5.0)))
            ax.yaxis.set_minor_formatter(plain)


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """Turns seconds since the epoch into time since `origin` in a readable unit.

    Parameters
    ----------
    origin : float
        Where the axis starts, in seconds since the epoch.
    unit : str
        s, min, h or d.
    seconds : float
        How many seconds the unit has.
    """

    origin: float
    unit: str
    seconds: float

    @classmethod
    def over(cls, origin: float, end: float) -> TimeAxis:
        """Choose the unit by the span."""
        for seconds, unit, least in _UNITS:
            if end - origin >= least * seconds:
                return cls(origin, unit, seconds)
        return cls(origin, "s", 1.0)

    @property
    def label(self) -> str:
        """The label of the axis."""
        return f"Time since the start [{self.unit}]"

    def __call__(self, moments: np.ndarray | Sequence[float]) -> np.ndarray:
        """Convert moments, shape (n,)."""
        return (np.asarray(moments, dtype=float) - self.origin) / self.seconds
