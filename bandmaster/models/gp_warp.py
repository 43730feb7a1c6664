"""Warps losses to targets that a stationary Gaussian process can follow."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["decades", "signed", "warped"]

FloatArray = npt.NDArray[np.float64]

_STRETCH = 0.5
_TINY = 1e-290
_TIMES = 10.0  # the least value that the largest must be to count by its logarithm


def warped(losses: FloatArray) -> FloatArray:
    """Return targets for losses: in their order, of mean 0 and variance 1.

    1. Of those above the median only the ranks count: they become the quantiles of a normal
       distribution that is as wide as the good half. One huge loss then changes nothing.
    2. Then a logarithm draws those close to the best apart.

    Both are what Vizier does to its labels (Song et al. 2024, appendix A).

    Parameters
    ----------
    losses : float64 (n,)
        Any size, finite.

    Returns
    -------
    float64 (n,)
        All 0 where the losses are equal.
    """
    result = _stretched(_half_ranked(losses))
    result -= result.mean()
    spread = result.std()
    if spread > 0:
        result /= spread
    return result


def decades(values: FloatArray, n: int) -> FloatArray:
    """Return values of one sign that span decades as logarithms, others as they are.

    Which they are say the first n, that no model has chosen: the largest is ten times the least or
    more, and their logarithms are less skewed than they are.

    Parameters
    ----------
    values : float64 (m,)
        NaN is left out, and stays.
    n : int

    Returns
    -------
    float64 (m,)
        In the order of the values.
    """
    known = values[~np.isnan(values)]
    if not len(known) or not ((known > 0.0).all() or (known < 0.0).all()):
        return values
    sign = np.sign(known[0])
    first = np.abs(known[:n])
    if not first.max() / _TIMES > first.min() or abs(_skew(np.log(first))) >= abs(_skew(first)):
        return values
    result: FloatArray = sign * np.log(np.abs(values))
    return result


def signed(violations: FloatArray) -> FloatArray:
    """Return targets for a constraint's violations: with their signs, of mean square 1.

    Large ones count by their logarithm.

    Parameters
    ----------
    violations : float64 (n,)
        Finite.
    """
    largest = np.abs(violations).max()
    if not largest > 0:
        return np.zeros(len(violations))
    share = violations / largest
    usual = max(float(np.median(np.abs(share[share != 0]))), 1e-200)
    result: FloatArray = np.arcsinh(share / usual)
    result /= np.sqrt(np.square(result).mean())
    return result


def _skew(y: FloatArray) -> float:
    y = y / np.abs(y).max()
    away = y - y.mean()
    return float(np.power(away, 3).mean() / np.square(away).mean() ** 1.5)


def _half_ranked(y: FloatArray) -> FloatArray:
    """Return the losses as shares of the good half's range, 0 at the median; the worse by rank."""
    from scipy.special import ndtri

    y = y / 4 if np.abs(y).max() > _TINY else y / _TINY  # differences neither overflow nor vanish
    y = y - np.median(y)
    bad = y > 0
    rank = np.searchsorted(np.sort(y), y[bad], side="right") - 0.5
    low, width = y.min(), 1.0
    if low < 0:
        y[~bad] /= -low
        width = np.sqrt(np.square(y[~bad]).mean())
    y[bad] = width * ndtri(rank / len(y))
    return y


def _stretched(y: FloatArray) -> FloatArray:
    low, high = y.min(), y.max()
    if not high > low:
        return np.zeros(len(y))
    result: FloatArray = np.log1p((y - low) / (high - low) * _STRETCH)
    return result
