"""The kernel of the Gaussian process: Matérn 5/2 over scaled Euclidean distances."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["matern52", "matern52_with_slope", "squared_distances"]

FloatArray = npt.NDArray[np.float64]


def squared_distances(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return the squared Euclidean distances of rows, shape (len(a), len(b)).

    By one matrix product. The error is some 1e-16 of the squared norms, which the kernel, flat
    at 0, does not show.
    """
    result = a @ b.T
    result *= -2.0
    result += np.einsum("ij,ij->i", a, a)[:, None]
    result += np.einsum("ij,ij->i", b, b)
    return np.maximum(result, 0.0, out=result)


def matern52(squared: FloatArray) -> FloatArray:
    """Return the kernel at squared distances.

    ``k = (1 + t + t²/3) exp(-t)`` with ``t = √5 r`` (Rasmussen and Williams 2006, eq. 4.17).
    """
    return _matern52(squared)[0]


def matern52_with_slope(squared: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the kernel and its derivative by the squared distance, at squared distances.

    ``dk/d(r²) = -5/6 (1 + t) exp(-t)``: no division by r.
    """
    value, root, decay = _matern52(squared)
    root += 1.0
    root *= decay
    root *= -5 / 6
    return value, root


def _matern52(squared: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    root = np.sqrt(squared)
    root *= 5**0.5
    decay = np.exp(-root)
    value = root / 3
    value += 1.0
    value *= root
    value += 1.0
    value *= decay
    return value, root, decay
