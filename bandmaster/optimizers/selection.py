"""Some of many rows: those with the lowest losses, or some at even distances."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["lowest", "thinned"]

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.intp]


def lowest(losses: FloatArray, n: int) -> IntArray:
    """Return an order of all whose first `n + 1` entries are the lowest losses.

    These are sorted, the earliest of equals first; the others are in no order.
    """
    if n + 1 >= len(losses):
        return np.argsort(losses, kind="stable")
    order = np.argpartition(losses, n)
    head = np.sort(order[: n + 1])
    order[: n + 1] = head[np.argsort(losses[head], kind="stable")]
    return order


def thinned(rows: IntArray, most: int) -> IntArray:
    """Return `most` of many rows, evenly chosen, the first and the last among them; else all."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).astype(np.intp)]
