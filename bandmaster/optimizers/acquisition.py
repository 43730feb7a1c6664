"""Expected improvement, as a logarithm that is right in the far tail."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

__all__ = [
    "log_expected_improvement",
    "log_expected_improvement_of_max",
    "log_h",
    "log_probability_below",
]

FloatArray = npt.NDArray[np.float64]

_FAR = -1e4
_NODES = 48  # of the integral over the logarithm of the improvement
_DEPTHS = (-14.0, 3.0)  # where it reaches, in units of the deviations
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


def log_probability_below(
    mean: FloatArray, deviation: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the log of the probability that a normal variable is below 0, and its derivatives.

    Parameters
    ----------
    mean, deviation : float64, any shape

    Returns
    -------
    three float64 arrays
        The value, its derivative by the mean and by the deviation.
    """
    from scipy.special import log_ndtr

    z = -mean / deviation
    value = log_ndtr(z)
    slope = np.exp(-0.5 * z * z - _LOG_ROOT_2PI - value)  # φ/Φ
    return value, -slope / deviation, -slope * z / deviation


def log_expected_improvement_of_max(
    mean: FloatArray, deviation: FloatArray, best: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the log of the expected improvement below `best` of the largest of several variables.

    With independent normal variables it is ``∫ Π_j P(f_j < best - s) ds`` over s > 0, taken with
    the trapezoidal rule over log s.

    Parameters
    ----------
    mean, deviation : float64 (k, m)
        Of k variables at each of m points.
    best : float

    Returns
    -------
    float64 (m,), float64 (k, m), float64 (k, m)
        The value, its derivative by the means and by the deviations.
    """
    logs = np.linspace(*_DEPTHS, _NODES)
    unit = deviation.max(axis=0)
    depth = np.exp(logs)[:, None, None] * unit  # (nodes, 1, m)
    log_below, by_mean, by_deviation = log_probability_below(
        mean - best + depth, np.broadcast_to(deviation, (_NODES, *deviation.shape))
    )
    parts = log_below.sum(axis=1) + logs[:, None]
    top = parts.max(axis=0)
    weights = np.exp(parts - top)
    total = weights.sum(axis=0)
    value = top + np.log(total * (logs[1] - logs[0]) * unit)
    weights /= total
    return (
        value,
        np.einsum("sm,skm->km", weights, by_mean),
        np.einsum("sm,skm->km", weights, by_deviation),
    )
