"""Sampling numbers from other than a uniform distribution: the quantile functions.

Only spaces that have such a parameter load this module and SciPy.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from bandmaster.errors import SpaceError
from bandmaster.space.columns import Column, Grid, LogGrid
from bandmaster.space.parameters import Float, Integer, Normal

__all__ = ["quantiles"]

FloatArray = npt.NDArray[np.float64]


def quantiles(column: Column) -> Callable[[FloatArray], FloatArray]:
    """Return the map from uniform numbers to the column's scale, before snapping.

    The distributions live on ConfigSpace's scale, where 0 is `lower` and 1 is `upper`; a grid's
    codes are the middles of cells, so it is shrunk a little for them.
    """
    from scipy import special

    parameter = column.parameter
    assert isinstance(parameter, (Float, Integer))
    distribution = parameter.distribution
    assert distribution is not None
    offset, factor = _cells(column)
    if not isinstance(distribution, Normal):
        alpha, beta = distribution.alpha, distribution.beta

        def by_beta(u: FloatArray) -> FloatArray:
            x: FloatArray = special.betaincinv(alpha, beta, u)
            return offset + factor * x

        return by_beta
    mu, sigma = _on_unit_scale(parameter, distribution)
    low, high = special.ndtr((0.0 - mu) / sigma), special.ndtr((1.0 - mu) / sigma)
    if not high > low:
        raise SpaceError(
            f"parameter {parameter.name!r}: {distribution} has no mass from {parameter.lower} "
            f"to {parameter.upper}"
        )

    def by_normal(u: FloatArray) -> FloatArray:
        x: FloatArray = mu + sigma * special.ndtri(low + u * (high - low))
        return offset + factor * np.clip(x, 0.0, 1.0)

    return by_normal


def _cells(column: Column) -> tuple[float, float]:
    """Return offset and factor from the scale of values to the scale of codes."""
    if isinstance(column, LogGrid):
        low, high = math.log(column.value(0)), math.log(column.value(column.n - 1))
        return (low - column.log_lower) / column.log_span, (high - low) / column.log_span
    if isinstance(column, Grid):
        return 0.5 / column.n, (column.n - 1) / column.n
    return 0.0, 1.0


def _on_unit_scale(parameter: Float | Integer, normal: Normal) -> tuple[float, float]:
    """Return mean and deviation on the unit scale (log: by ConfigSpace's own formula)."""
    lower, upper = float(parameter.lower), float(parameter.upper)
    if not parameter.log:
        return (normal.mu - lower) / (upper - lower), normal.sigma / (upper - lower)
    span = math.log(upper) - math.log(lower)
    sigma = abs(math.log(lower + normal.sigma)) / span
    if sigma == 0:
        raise SpaceError(
            f"parameter {parameter.name!r}: lower + sigma is 1, which on a log scale means a "
            "deviation of 0; choose another sigma"
        )
    return (math.log(normal.mu) - math.log(lower)) / span, sigma
