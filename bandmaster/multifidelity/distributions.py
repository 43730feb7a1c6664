"""What the entries of a `param_space` may be: grids, functions of other entries, distributions.

The distributions are entries of the HDL (docs/hdl.md), so they can be written by hand as well::

    {"lr": qloguniform(5e-3, 1e-1, 5e-4), "h0": grid_search([0.0, 1.0]),
     "h1": sample_from(lambda config: 1.0 - config["h0"])}
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from bandmaster.errors import ConfigurationError

__all__ = [
    "GridSearch",
    "SampleFrom",
    "choice",
    "grid_search",
    "int_loguniform",
    "int_quniform",
    "int_uniform",
    "loguniform",
    "ordinal",
    "qloguniform",
    "quniform",
    "sample_from",
    "uniform",
]

Distribution = dict[str, Any]
"""An entry of the HDL with ``_type`` and ``_value``."""


@dataclass(frozen=True, slots=True)
class GridSearch:
    """Each of these values once; several grids are crossed."""

    values: tuple[Any, ...]

    def __post_init__(self) -> None:
        if not self.values:
            raise ConfigurationError("grid_search needs at least one value")


@dataclass(frozen=True, slots=True)
class SampleFrom:
    """A value that a function makes of the others."""

    function: Callable[[Any], Any]
    domain: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise ConfigurationError(f"sample_from takes a function, got {self.function!r}")


def grid_search(values: Iterable[Any]) -> GridSearch:
    """Return an entry that takes each value once; several such entries are crossed."""
    return GridSearch(tuple(values))


def sample_from(
    function: Callable[[Any], Any], domain: Mapping[str, Any] | None = None
) -> SampleFrom:
    """Return an entry that is computed from the other ones.

    Parameters
    ----------
    function : callable
        It gets the values already resolved, nested as the `param_space` is; ``spec.config["h0"]``
        and ``spec["h0"]`` are the same. It may use other `sample_from` entries, but not in a ring.
    domain : mapping, optional
        A distribution that has all values that may come out, for the search space. Needed where the
        entry depends on what is drawn and is not mutated.
    """
    return SampleFrom(function, domain)


def uniform(lower: float, upper: float) -> Distribution:
    """Return real numbers from `lower` to `upper`."""
    return _leaf("uniform", lower, upper)


def loguniform(lower: float, upper: float) -> Distribution:
    """Return real numbers whose logarithm is uniform."""
    return _leaf("loguniform", lower, upper)


def quniform(lower: float, upper: float, q: float) -> Distribution:
    """Return the numbers ``lower + k q`` up to `upper`."""
    return _leaf("quniform", lower, upper, q)


def qloguniform(lower: float, upper: float, q: float) -> Distribution:
    """Return the numbers ``lower + k q`` up to `upper`, the logarithm uniform."""
    return _leaf("qloguniform", lower, upper, q)


def int_uniform(lower: int, upper: int) -> Distribution:
    """Return whole numbers from `lower` to `upper`, both included."""
    return _leaf("int_uniform", lower, upper)


def int_loguniform(lower: int, upper: int) -> Distribution:
    """Return whole numbers from `lower` to `upper`, the logarithm uniform."""
    return _leaf("int_loguniform", lower, upper)


def int_quniform(lower: int, upper: int, q: int) -> Distribution:
    """Return the whole numbers ``lower + k q`` up to `upper`."""
    return _leaf("int_quniform", lower, upper, q)


def choice(values: Iterable[Any]) -> Distribution:
    """Return one of several values without an order."""
    return {"_type": "choice", "_value": list(values)}


def ordinal(values: Iterable[Any]) -> Distribution:
    """Return one of several values in this order."""
    return {"_type": "ordinal", "_value": list(values)}


def _leaf(kind: str, *numbers: float) -> Distribution:
    return {"_type": kind, "_value": list(numbers)}
