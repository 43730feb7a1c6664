"""What the plots share: axes, colours, units, and words for what cannot be drawn."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from bandmaster.plotting.legends import add_legend, add_legend_above
from bandmaster.plotting.scales import log_if_wide

__all__ = [
    "COLOURS",
    "TimeAxis",
    "add_legend",
    "add_legend_above",
    "capitalised",
    "color_of",
    "colors_of_levels",
    "explain",
    "get_axes",
    "log_if_wide",
    "marker_of",
    "plain",
    "plural",
    "style_of",
    "why_no_loss",
    "why_nothing",
    "wrap_words",
]

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's colours (2008), which the colour-blind can tell apart, without the yellow that
a white page swallows."""

_NOTHING = "nothing to draw: "
_STYLES = ("-", "--", "-.", ":")
_MARKERS = ("o", "s", "^", "D", "v", "P", "*")
_UNITS = ((86_400.0, "d", 2.0), (3_600.0, "h", 2.0), (60.0, "min", 5.0))


def get_axes(ax: Axes | None, size: tuple[float, float] | None = None) -> Axes:
    """Return `ax`, or the current axes, in a new figure if there is none.

    Parameters
    ----------
    ax : Axes, optional
    size : (float, float), optional
        Width and height of a new figure, in inches. Default: as in matplotlib's settings.
    """
    if ax is not None:
        return ax
    from matplotlib import pyplot as plt

    if not plt.get_fignums():
        return plt.figure(figsize=size, layout="constrained").add_subplot()
    figure = plt.gcf()
    if not figure.axes and figure.get_layout_engine() is None:
        figure.set_layout_engine("constrained")  # it is ours alone, and empty
    return plt.gca()


def color_of(number: int) -> str:
    """The colour of the trace with this number."""
    return COLOURS[number % len(COLOURS)]


def colors_of_levels(levels: Sequence[float]) -> np.ndarray:
    """Colours of areas by an ordered level such as the budget, RGB, shape (n, 3).

    Few levels have the colours of traces; more have a scale from dark to light (cividis).
    """
    if len(levels) <= len(COLOURS):
        return np.array([to_rgb(color_of(i)) for i in range(len(levels))]).reshape(-1, 3)
    return colormaps["cividis"](np.linspace(0.0, 0.95, len(levels)))[:, :3]


def style_of(number: int) -> str:
    """Its line style: it changes when the colours begin again."""
    return _STYLES[number // len(COLOURS) % len(_STYLES)]


def marker_of(number: int) -> str:
    """Its marker where there is no line: each colour has its own."""
    return _MARKERS[number % len(_MARKERS)]


def wrap_words(text: str, width: int = 32) -> str:
    """Break a long label into lines, of three at most."""
    text = textwrap.fill(text, width, max_lines=3, placeholder=" …", break_on_hyphens=False)
    return plain(text)


def capitalised(name: str) -> str:
    """Return a metric's name as a title begins with it: valAUC stays ValAUC."""
    return name[:1].upper() + name[1:]


def plain(text: str) -> str:
    """Have matplotlib show dollars as they are, instead of formulas between them."""
    return text.replace("$", r"\$")


def plural(count: int, noun: str) -> str:
    """Return ``1 trial`` or ``2 trials``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def explain(ax: Axes, why: str) -> Axes:
    """Say in empty axes why nothing is drawn."""
    ax.text(
        0.5,
        0.5,
        plain(why),
        transform=ax.transAxes,
        ha="center",
        va="center",
        color="0.35",
        wrap=True,
    )
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(False)
    ax.set_gid(_NOTHING + why)
    return ax


def why_nothing(ax: Axes) -> str | None:
    """Return what `explain` said in these axes, in one line; None for a drawn plot."""
    said = ax.get_gid()
    if said is None or not said.startswith(_NOTHING):
        return None
    return " ".join(said.removeprefix(_NOTHING).split())


def why_no_loss(total: int) -> str:
    """Say why there is no loss among so many evaluations."""
    if not total:
        return "No evaluation has finished yet"
    return f"No loss to show: none of {total} evaluation{'s' * (total > 1)} succeeded"


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
