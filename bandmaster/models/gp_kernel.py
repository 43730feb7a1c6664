"""The kernel of the Gaussian process: Matérn 5/2 over scaled Euclidean distances."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["matern52", "squared_distances"]

FloatArray = npt.NDArray[np.float64]

_ROOT5 = 5**0.5


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


def matern52(squared: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the kernel and its derivative by the squared distance, at squared distances.

    ``k = (1 + √5 r + 5/3 r²) exp(-√5 r)`` (Rasmussen and Williams 2006, eq. 4.17), so that
    ``dk/d(r²) = -5/6 (1 + √5 r) exp(-√5 r)``: no division by r.
    """
    root = np.sqrt(squared)
    root *= _ROOT5
    decay = np.exp(-root)
    slope = (root + 1.0) * decay
    value = slope + (5 / 3) * squared * decay
    slope *= -5 / 6
    return value, slope
