"""Parameters as axes: their scales, their ticks, and names that fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from bandmaster.core.formatting import cut_end
from bandmaster.plotting.canvas import plain
from bandmaster.space.columns import Choice, Column
from bandmaster.space.layering import CHOICE, SEPARATOR
from bandmaster.space.parameters import Integer
from bandmaster.study.formatting import format_value
from bandmaster.study.parameter_table import ParameterTable

__all__ = ["ParameterAxis", "inches_of", "short_names", "shorten"]

_FEW: Final = 40  # numbers of a discrete parameter that are all points of a curve
_LONGEST: Final = 28
_READABLE: Final = 6  # letters of a choice; with room for fewer it is written aslant


@dataclass(frozen=True, slots=True)
class ParameterAxis:
    """A parameter that is drawn along an axis.

    Parameters
    ----------
    label : str
        A short name.
    column : Column
    values : float64 (n,)
        A number's own value, the index of a choice, NaN where inactive.
    low, high : float
        The bounds; choices begin at 0.
    log : bool
    choices : tuple of str
        Empty for numbers.
    """

    label: str
    column: Column
    values: np.ndarray
    low: float
    high: float
    log: bool
    choices: tuple[str, ...]

    @classmethod
    def of(cls, table: ParameterTable, name: str, label: str | None = None) -> ParameterAxis:
        """Make the axis of a parameter of a table.

        Raises
        ------
        ConfigurationError
            If there is no such parameter.
        """
        column, codes = table[name]
        label = shorten(name) if label is None else label
        if isinstance(column, Choice):
            words = tuple(plain(format_value(value, width=18)) for value in column.values)
            return cls(label, column, codes, 0.0, float(column.n - 1), False, words)
        parameter: Any = column.parameter
        values = _numbers(column, codes)
        low, high = float(parameter.lower), float(parameter.upper)
        return cls(label, column, values, low, high, bool(parameter.log), ())

    @property
    def active(self) -> np.ndarray:
        """Where the parameter has a value, shape (n,)."""
        known: np.ndarray = ~np.isnan(self.values)
        return known

    def unit(self, values: np.ndarray | Sequence[float]) -> np.ndarray:
        """Return where values are between the bounds, on the parameter's scale, in [0, 1]."""
        x, low, high = np.asarray(values, dtype=float), self.low, self.high
        if self.choices:
            return (x + 0.5) / (high + 1)
        if self.log:
            x, low, high = np.log(x), np.log(low), np.log(high)
        place: np.ndarray = np.clip((x - low) / (high - low), 0.0, 1.0)
        return place

    def ticks(self) -> list[tuple[float, str]]:
        """Return some values and how they are written; both bounds of numbers are among them."""
        if self.choices:
            step = -(-len(self.choices) // 12)
            return [(float(i), self.choices[i]) for i in range(0, len(self.choices), step)]
        locator = LogLocator(numticks=5) if self.log else MaxNLocator(4, steps=[1, 2, 2.5, 5, 10])
        between = [float(v) for v in locator.tick_values(self.low, self.high)]
        clear = [v for v in between if 0.09 < self.unit([v])[0] < 0.91 and self.low < v < self.high]
        return [(v, _write(v)) for v in (self.low, *clear, self.high)]

    def points(self, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the codes and the values of about `n` points from bound to bound."""
        if np.isinf(self.column.n_values):
            codes = np.linspace(0.0, 1.0, n)
        else:
            k = int(self.column.n_values)
            every = range(k) if k <= _FEW else np.unique(np.linspace(0, k - 1, n).round())
            codes = np.array([self.column.code(int(i)) for i in every])
        return codes, codes if self.choices else _numbers(self.column, codes)

    def apply(self, axis: Axis) -> None:
        """Give a matplotlib axis the scale, the bounds, the ticks and the label."""
        is_x = axis is axis.axes.xaxis
        set_scale = axis.axes.set_xscale if is_x else axis.axes.set_yscale
        set_limits = axis.axes.set_xlim if is_x else axis.axes.set_ylim
        set_scale("log" if self.log else "linear")
        inches = inches_of(axis.axes, is_x=is_x)
        axis.set_label_text(shorten(self.label, max(int(inches / 0.09), 8)))
        if self.choices:
            self._name_choices(axis, inches if is_x else None)
            set_limits(-0.5, self.high + 0.5)
            return
        most = int(np.clip(inches / 0.55, 2, 7))
        if self.log:
            span = self.high / self.low
            set_limits(self.low / span**0.03, self.high * span**0.03)
            fine = 3 * np.log10(span) <= most + 1
            axis.set_major_locator(
                LogLocator(subs=(1.0, 2.0, 5.0)) if fine else LogLocator(numticks=most)
            )
            if self.low >= 1e-3 and self.high <= 1e4:
                axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_minor_locator(NullLocator())
        else:
            edge = 0.03 * (self.high - self.low)
            set_limits(self.low - edge, self.high + edge)
            whole = isinstance(self.column.parameter, Integer)
            axis.set_major_locator(MaxNLocator(min(most, 5), integer=whole))

    def _name_choices(self, axis: Axis, inches: float | None) -> None:
        """Write the choices; where `inches` are too few, smaller, cut, or at last aslant."""
        places, words = zip(*self.ticks(), strict=True)
        room = 40 if inches is None else int(inches / len(words) / 0.072) - 1
        small = max(map(len, words)) > room - 1
        aslant = small and room < _READABLE
        most = 2 + _READABLE if aslant else max(room, 1)
        cut = [cut_end(w, most) for w in words] if small else words
        axis.set_ticks(places, cut)
        axis.set_minor_locator(NullLocator())
        axis.set_tick_params(
            labelrotation=30 if aslant else 0, labelsize="small" if small else None
        )
        for text in axis.get_ticklabels() if aslant else ():
            text.set(ha="right", rotation_mode="anchor")


def _numbers(column: Column, codes: np.ndarray) -> np.ndarray:
    """Return the numbers of codes, NaN for NaN."""
    numbers, known = np.full(len(codes), np.nan), ~np.isnan(codes)
    numbers[known] = np.asarray(column.decode_many(codes[known]), dtype=float)
    return numbers


def _write(value: float) -> str:
    """Write a number shortly, whole ones up to a million in full."""
    return f"{value:.0f}" if value.is_integer() and abs(value) < 1e6 else f"{value:.4g}"


def inches_of(ax: Axes, *, is_x: bool) -> float:
    """Return how wide or high axes are."""
    box = ax.get_window_extent()
    return float(box.width if is_x else box.height) / ax.figure.dpi


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Return for each name its shortest end, in whole parts, that no other name has.

    ``model:svm:C`` is ``C`` if nothing else is; ``model:__choice__`` is ``model``.
    """
    paths = {n: [part for part in n.split(SEPARATOR) if part != CHOICE] or [n] for n in names}
    result = {}
    for name, path in paths.items():
        for length in range(1, len(path) + 1):
            end = path[-length:]
            if sum(other[-length:] == end for other in paths.values()) == 1:
                break
        result[name] = shorten(SEPARATOR.join(end))
    double = len(set(result.values())) < len(result)
    return {n: shorten(n) for n in names} if double else result


def shorten(name: str, longest: int = _LONGEST) -> str:
    """Cut a long name in the middle: both of its ends tell it from others."""
    if len(name) > longest:
        half = (longest - 1) // 2
        name = f"{name[:half]}…{name[len(name) - half :]}"
    return plain(name)
