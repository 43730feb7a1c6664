"""Expected improvement, as a logarithm that is right in the far tail."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

__all__ = ["log_expected_improvement", "log_h"]

FloatArray = npt.NDArray[np.float64]

_FAR = -1e4
_LOG_ROOT_2PI = 0.5 * math.log(2 * math.pi)


def log_h(z: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return ``log(φ(z) + z Φ(z))`` and its derivative.

    Below -1 by the scaled complementary error function, where φ and zΦ cancel, and far below by
    the asymptotic series ``z²h/φ -> 1 - 3/z²`` (Ament et al. 2023, eq. 9).
    """
    from scipy.special import erfcx, ndtr

    value, slope = np.empty_like(z), np.empty_like(z)
    near, far = z > -1.0, z < _FAR
    x = z[near]
    below = ndtr(x)
    h = np.exp(-0.5 * x * x - _LOG_ROOT_2PI) + x * below
    value[near], slope[near] = np.log(h), below / h
    x = z[~near & ~far]
    mills = math.sqrt(math.pi / 2) * erfcx(x * -(0.5**0.5))  # Φ/φ
    h = 1.0 + x * mills
    value[~near & ~far] = np.log(h) - 0.5 * x * x - _LOG_ROOT_2PI
    slope[~near & ~far] = mills / h
    x = z[far]
    value[far] = -0.5 * x * x - _LOG_ROOT_2PI - 2 * np.log(-x)
    slope[far] = -x - 2 / x
    return value, slope


def log_expected_improvement(
    mean: FloatArray, deviation: FloatArray, best: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the log of the expected improvement below `best`, and its derivatives.

    Parameters
    ----------
    mean, deviation : float64 (m,)
        Of the prediction; the deviation positive.
    best : float

    Returns
    -------
    float64 (m,), float64 (m,), float64 (m,)
        The value, its derivative by the mean and by the deviation.
    """
    z = (best - mean) / deviation
    value, slope = log_h(z)
    return value + np.log(deviation), -slope / deviation, (1 - z * slope) / deviation
