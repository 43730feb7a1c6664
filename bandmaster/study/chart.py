"""Small charts as SVG text: for the HTML view, where matplotlib would take too long."""

from __future__ import annotations

import base64
import html
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bandmaster.core.formatting import cut_end

__all__ = ["StepChart", "Trace", "nice_ticks"]

# Okabe and Ito's colours (2008), which the colour-blind can tell apart.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_DASHES = ("", "5 2", "2 2", "7 2 2 2")
_GREY = "#7f7f7f"  # can be read on white and on black
_WIDTH, _HEIGHT = 430, 170
_LEFT, _RIGHT, _TOP, _BOTTOM = 60, 10, 22, 24
_MOST_POINTS = 400  # a trace with more is thinned: there are not so many pixels
_MOST_DOTS = 60
_NAMED = 7  # traces in the legend


@dataclass(frozen=True, slots=True)
class Trace:
    """A line of steps.

    Parameters
    ----------
    label : str
    x, y : ndarray of shape (n,)
        From ``x[i]`` to the next it is ``y[i]``; x ascending, both finite.
    """

    label: str
    x: np.ndarray
    y: np.ndarray

    def thinned(self) -> Trace:
        """The same line with the last of the points that fall on one pixel."""
        if len(self.x) <= _MOST_POINTS:
            return self
        edges = np.linspace(self.x[0], self.x[-1], _MOST_POINTS)
        last = np.unique(np.searchsorted(self.x, edges, side="right") - 1)
        return Trace(self.label, self.x[last], self.y[last])


@dataclass(frozen=True, slots=True)
class StepChart:
    """A chart of step lines.

    Parameters
    ----------
    title, x_label : str
    traces : sequence of Trace
        Without one the chart says `empty`.
    x_end : float
        Where the x axis, which begins at 0, ends.
    from_zero : bool, default False
        Whether the y axis counts from 0. Otherwise it is logarithmic where the values are positive
        and span a decade, and dots mark where a line begins and changes.
    empty : str
    """

    title: str
    x_label: str
    traces: Sequence[Trace]
    x_end: float
    from_zero: bool = False
    empty: str = "nothing to show"

    def to_img(self) -> str:
        """Return an ``img`` element that holds the chart: no name in a page can clash with it."""
        data = base64.b64encode(self.to_svg().encode()).decode()
        return (
            f"<img alt='{html.escape(self.title)}' width='{_WIDTH}' height='{_HEIGHT}' "
            f"src='data:image/svg+xml;base64,{data}'>"
        )

    def to_svg(self) -> str:
        """Return the SVG document."""
        parts = [_text(4, 14, self.title, weight="bold"), *self._legend()]
        if self.traces:
            parts += self._axes_and_lines()
        else:
            parts.append(_text(_WIDTH / 2, _HEIGHT / 2, self.empty, anchor="middle"))
        return (
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {_WIDTH} {_HEIGHT}' "
            f"font-family='sans-serif' font-size='11'>{''.join(parts)}</svg>"
        )

    def _legend(self) -> list[str]:
        items = []
        x = float(_WIDTH - _RIGHT)
        named = self.traces[:_NAMED]
        labels = [(t.label, _COLOURS[i % len(_COLOURS)]) for i, t in enumerate(named)]
        if len(self.traces) > len(named):
            labels.append(("…", _GREY))
        for label, colour in reversed(labels):
            shown = cut_end(label, 12)
            items.append(_text(x, 14, shown, anchor="end", colour=colour, weight="bold"))
            x -= 7.5 * len(shown) + 8
        return items

    def _axes_and_lines(self) -> list[str]:
        traces = [trace.thinned() for trace in self.traces]
        values = np.concatenate([trace.y for trace in traces])
        low, high = float(values.min()), float(values.max())
        log = not self.from_zero and low > 0 and high / 10 >= low
        if self.from_zero:
            low = min(low, 0.0)
        if high <= low:  # one value: in the middle
            room = max(abs(low) * 0.1, 1e-300) if low else 1.0
            low = low if self.from_zero else max(low - room, -sys.float_info.max)
            high = min(high + room, sys.float_info.max)
        ticks = _log_ticks(low, high) if log else nice_ticks(low, high)
        if self.from_zero:
            ticks = [tick for tick in ticks if tick == int(tick)]
        bottom, top = (math.log(low), math.log(high)) if log else (low, high)
        height, width = _HEIGHT - _TOP - _BOTTOM - 6, _WIDTH - _LEFT - _RIGHT
        x_end = self.x_end if self.x_end > 0 else 1.0

        def y_of(value: np.ndarray | float) -> np.ndarray:
            scaled = np.log(value) if log else np.asarray(value)
            # Halves, since the difference of two doubles may be more than a double.
            share = (scaled / 2 - bottom / 2) / (top / 2 - bottom / 2)
            share = share * 0.96 if self.from_zero else 0.05 + share * 0.91
            return np.asarray(_HEIGHT - _BOTTOM - height * share)

        def x_of(value: np.ndarray | float) -> np.ndarray:
            return np.asarray(_LEFT + width * np.clip(np.asarray(value) / x_end, 0, 1))

        parts = []
        for tick in ticks:
            at = float(y_of(tick))
            parts.append(_line(_LEFT, at, _WIDTH - _RIGHT, at, opacity=0.3))
            parts.append(_text(_LEFT - 5, at + 4, f"{tick:.3g}", anchor="end"))
        for tick in nice_ticks(0.0, x_end):
            at = float(x_of(tick))
            parts.append(_line(at, _HEIGHT - _BOTTOM, at, _HEIGHT - _BOTTOM + 3))
            parts.append(_text(at, _HEIGHT - _BOTTOM + 14, f"{tick:.3g}", anchor="middle"))
        parts.append(_line(_LEFT, _HEIGHT - _BOTTOM, _WIDTH - _RIGHT, _HEIGHT - _BOTTOM))
        parts.append(_text(4, _HEIGHT - _BOTTOM + 14, self.x_label))
        for number, trace in enumerate(traces):
            x, y = x_of(trace.x), y_of(trace.y)
            parts.append(_path(x, y, float(x_of(self.x_end)), number))
            if not self.from_zero and len(x) <= _MOST_DOTS:
                parts += _dots(x, y, number)
        return parts


def nice_ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return round numbers in [low, high], 5 at most (and at least 1 where low < high)."""
    span = high - low
    if not 1e-290 < span < math.inf:
        return [low]
    step = 10.0 ** math.floor(math.log10(span / most))
    for factor in (1, 2, 5, 10, 20, 50):
        first, last = math.ceil(low / (step * factor)), math.floor(high / (step * factor))
        if last - first < most:
            return [n * step * factor for n in range(first, last + 1)] or [low]
    return [low]


def _log_ticks(low: float, high: float) -> list[float]:
    first, last = math.floor(math.log10(low)), math.floor(math.log10(high))
    every = (last - first) // 5 + 1
    factors = (1, 2, 5) if last - first < 3 else (1,)
    ticks = [f * 10.0**power for power in range(first, last + 1, every) for f in factors]
    return [tick for tick in ticks if low <= tick <= high]


def _path(x: np.ndarray, y: np.ndarray, end: float, number: int) -> str:
    """Draw a line of steps, the last of them up to `end`."""
    points = [f"M{x[0]:.1f} {y[0]:.1f}"]
    points += [f"H{a:.1f}V{b:.1f}" for a, b in zip(x[1:].tolist(), y[1:].tolist(), strict=True)]
    points.append(f"H{max(end, float(x[-1])):.1f}")
    dash = _DASHES[number // len(_COLOURS) % len(_DASHES)]
    return (
        f"<path d='{''.join(points)}' fill='none' stroke='{_COLOURS[number % len(_COLOURS)]}' "
        f"stroke-width='1.7' stroke-dasharray='{dash}'/>"
    )


def _dots(x: np.ndarray, y: np.ndarray, number: int) -> list[str]:
    colour = _COLOURS[number % len(_COLOURS)]
    return [
        f"<circle cx='{a:.1f}' cy='{b:.1f}' r='2.5' fill='{colour}'/>"
        for a, b in zip(x.tolist(), y.tolist(), strict=True)
    ]


def _line(x1: float, y1: float, x2: float, y2: float, *, opacity: float = 1.0) -> str:
    return (
        f"<path d='M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}' stroke='{_GREY}' "
        f"stroke-opacity='{opacity}'/>"
    )


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", colour: str = _GREY, weight: str = ""
) -> str:
    shown = html.escape("".join(c if c.isprintable() else " " for c in text))
    bold = f" font-weight='{weight}'" if weight else ""
    return (
        f"<text x='{x:.1f}' y='{y:.1f}' fill='{colour}' text-anchor='{anchor}'{bold}>{shown}</text>"
    )
