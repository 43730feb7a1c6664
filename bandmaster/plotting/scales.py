"""Which scale an axis of losses has: linear, logarithmic, or logarithmic on both sides of zero."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

if TYPE_CHECKING:
    from bandmaster.study.result import Result

__all__ = ["log_if_wide", "span_for"]

_FAR = 60.0  # decades
_SIGNED = 1e3  # the span that makes an axis with negative values logarithmic


def log_if_wide(
    ax: Axes, values: np.ndarray | Sequence[float], *, which: str = "y", span: float = 10.0
) -> None:
    """Choose the scale of an axis by the values on it.

    Positive values that span a factor of `span` get a logarithmic axis. Values of both signs, or
    negative ones, get one that is logarithmic on both sides and linear about zero, if they span
    three decades. All others get a linear axis.

    Parameters
    ----------
    ax : Axes
    values : array-like of shape (n,)
        What is not finite is left out.
    which : {"x", "y"}
    span : float, default 10.0
        A decade suits losses; what is maximised, such as an accuracy, is read better on a linear
        axis unless it spans three (`span_for`).
    """
    axis = ax.yaxis if which == "y" else ax.xaxis
    set_scale = ax.set_yscale if which == "y" else ax.set_xscale
    numbers = np.asarray(values, dtype=float)
    numbers = numbers[np.isfinite(numbers)]
    if axis.get_scale() != "linear":
        set_scale("linear")
    if not numbers.size:
        return
    low, high = float(numbers.min()), float(numbers.max())
    if low > 0:
        if high / span < low:
            return
        set_scale("log")
        ax.autoscale_view(scalex=which == "x", scaley=which == "y")
        if low >= 1e-4 and high <= 1e4:
            plain = FuncFormatter(lambda value, _: f"{value:g}")  # 0.02 rather than 2 x 10^-2
            axis.set_major_formatter(plain)
            if high / 1000 < low:
                axis.set_minor_locator(LogLocator(subs=(2.0, 5.0)))
                axis.set_minor_formatter(plain)
        elif np.log10(high) - np.log10(low) > _FAR:
            # Matplotlib's ticks outside so long an axis overflow.
            decades = np.linspace(np.ceil(np.log10(low)), np.floor(np.log10(high)), 5)
            axis.set_major_locator(FixedLocator((10.0 ** np.round(decades)).tolist()))
            axis.set_minor_locator(NullLocator())
        return
    sizes = np.abs(numbers[numbers != 0])
    if not sizes.size:
        return
    # About zero it is linear, up to the size that nine of ten values exceed.
    small = float(np.quantile(sizes, 0.1, method="lower"))
    if sizes.max() / _SIGNED >= small:
        set_scale("symlog", linthresh=10.0 ** np.floor(np.log10(small)))
        ax.autoscale_view(scalex=which == "x", scaley=which == "y")


def span_for(result: Result) -> float:
    """Return the `span` for values of the metric that a result optimises."""
    return 10.0 if result.objectives.primary.sign > 0 else 1e3
