"""Small words beside points, where there is room for them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

__all__ = ["Labeller"]

_AROUND = ((1, 0), (0, 1), (-1, 0), (0, -1), (1, 1), (-1, 1), (-1, -1), (1, -1))


class Labeller:
    """Puts words next to points so that none covers another, and leaves out what has no room.

    Parameters
    ----------
    ax : Axes
        With its limits as they shall be.
    size : float, default 7.5
        Of the letters, in points.
    taken : ndarray of shape (n, 2), optional
        Where there are markers, in data coordinates: no word covers one.
    radii : ndarray of shape (n,), optional
        Of the markers, in points.
    """

    def __init__(
        self,
        ax: Axes,
        *,
        size: float = 7.5,
        taken: np.ndarray | None = None,
        radii: np.ndarray | None = None,
    ) -> None:
        self._ax = ax
        self._size = size
        self._unit = ax.figure.dpi / 72  # pixels a point
        points = np.zeros((0, 2)) if taken is None else taken
        self._points = ax.transData.transform(points)
        self._radii = (np.zeros(len(points)) if radii is None else radii) * self._unit
        self._boxes: list[tuple[float, float, float, float]] = []
        self._frame = ax.get_window_extent()

    def put(self, words: str, point: Sequence[float], *, gap: float, color: object) -> bool:
        """Write words beside a point of the data; say whether there was room.

        Parameters
        ----------
        words : str
        point : (float, float)
        gap : float
            Between the point and the words, in points.
        color : color
        """
        x, y = self._ax.transData.transform(point)
        width = self._unit * self._size * (0.58 * len(words) + 0.15)
        height = self._unit * self._size * 0.95
        reach = self._unit * gap
        for right, up in _AROUND:
            # The middle of the box; its near edge or corner is `gap` away from the point.
            factor = 0.75 if right and up else 1.0
            cx = x + right * (reach * factor + width / 2)
            cy = y + up * (reach * factor + height / 2)
            box = (cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2)
            if self._free(box):
                self._boxes.append(box)
                self._write(words, (cx - x) / self._unit, (cy - y) / self._unit, point, color)
                return True
        return False

    def _free(self, box: tuple[float, float, float, float]) -> bool:
        left, low, right, high = box
        frame = self._frame
        if left < frame.x0 or right > frame.x1 or low < frame.y0 or high > frame.y1:
            return False
        px, py = self._points.T
        # How far each marker's centre is from the box.
        dx = np.maximum(np.maximum(left - px, px - right), 0.0)
        dy = np.maximum(np.maximum(low - py, py - high), 0.0)
        if np.any(np.hypot(dx, dy) < self._radii):
            return False
        return not any(
            left < other[2] and right > other[0] and low < other[3] and high > other[1]
            for other in self._boxes
        )

    def _write(
        self, words: str, dx: float, dy: float, point: Sequence[float], color: object
    ) -> None:
        self._ax.annotate(
            words, (float(point[0]), float(point[1])), xytext=(dx, dy),
            textcoords="offset points", ha="center", va="center", fontsize=self._size,
            color=color, zorder=6, path_effects=[withStroke(linewidth=2, foreground="white")],
        )  # fmt: skip
