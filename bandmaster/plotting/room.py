"""Room for what a plot writes beside its axes."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ["make_room"]

_LEAST = 0.2  # of the figure, for the axes
_PAD = 0.01


def make_room(ax: Axes) -> Axes:
    """Move the edges of axes inwards until labels, notes and legends are in the figure.

    Only where nobody else sees to it: in a figure without a layout engine that has no other axes
    but their colorbars. Edges are never moved outwards.
    """
    figure = ax.get_figure()
    if not isinstance(figure, Figure) or figure.get_layout_engine() is not None:
        return ax
    others = [a for a in figure.axes if a is not ax and not hasattr(a, "_colorbar")]
    if others or ax.get_subplotspec() is None:
        return ax
    for _ in range(2):  # labels may change when there is less room
        edges = figure.subplotpars
        left, bottom, right, top = edges.left, edges.bottom, edges.right, edges.top
        for part in figure.axes:
            box = part.get_tightbbox()
            if box is None:
                continue
            x0, y0, x1, y1 = (box.transformed(figure.transFigure.inverted())).extents
            left = max(left, edges.left + _PAD - x0 if x0 < 0 else 0.0)
            bottom = max(bottom, edges.bottom + _PAD - y0 if y0 < 0 else 0.0)
            right = min(right, edges.right + 1 - _PAD - x1 if x1 > 1 else 1.0)
            top = min(top, edges.top + 1 - _PAD - y1 if y1 > 1 else 1.0)
        if right - left < _LEAST or top - bottom < _LEAST:
            return ax
        figure.subplots_adjust(left=left, bottom=bottom, right=right, top=top)
    return ax
