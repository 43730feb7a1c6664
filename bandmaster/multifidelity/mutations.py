"""How one hyper-parameter is changed when a member explores."""

from __future__ import annotations

import abc
import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bandmaster.errors import ConfigurationError
from bandmaster.multifidelity.distributions import GridSearch, SampleFrom
from bandmaster.space.layering import CHOICE, SEPARATOR
from bandmaster.space.parameters import Categorical, Constant, Float, Integer, Ordinal, Parameter
from bandmaster.space.values import native, value_key

if TYPE_CHECKING:
    import numpy as np

    from bandmaster.space.columns import Column

__all__ = ["Called", "Drawn", "Listed", "Mutation", "fit", "read_mutations", "refuse_choice"]

Factors = Sequence[float]


class Mutation(abc.ABC):
    """Draws a hyper-parameter anew, or takes a step from what it is.

    Attributes
    ----------
    name : str
    parameter : Parameter or None
        Its values, as far as they are known.
    """

    name: str
    parameter: Parameter | None

    @abc.abstractmethod
    def resample(self, rng: np.random.Generator) -> Any:
        """Draw a value, whatever it was."""

    @abc.abstractmethod
    def perturb(self, value: Any, factors: Factors, rng: np.random.Generator, clip: bool) -> Any:
        """Return a value near `value`."""


class Listed(Mutation):
    """One of several values in their order: a step goes to a neighbour."""

    def __init__(self, name: str, values: Sequence[Any]) -> None:
        self.name = name
        self.parameter: Parameter = Ordinal(name, values)
        self.values = tuple(self.parameter.values)
        self._positions = {value_key(value): i for i, value in enumerate(self.values)}

    def resample(self, rng: np.random.Generator) -> Any:
        """Draw one of them."""
        return self.values[int(rng.integers(len(self.values)))]

    def perturb(self, value: Any, factors: Factors, rng: np.random.Generator, clip: bool) -> Any:
        """Return a neighbour; at an end maybe the same; any of them for a value not listed."""
        position = self._positions.get(value_key(value))
        if position is None:
            equal = [i for i, known in enumerate(self.values) if known == value]
            if not equal:
                return self.resample(rng)
            position = equal[0]
        position += -1 if rng.random() < 0.5 else 1
        return self.values[min(max(position, 0), len(self.values) - 1)]


class Drawn(Mutation):
    """A distribution: numbers step by a factor, ordered values to a neighbour, choices not."""

    def __init__(self, parameter: Parameter) -> None:
        from bandmaster.space.columns import make_column

        self.name = parameter.name
        self.parameter: Parameter = parameter
        self._column: Column = make_column(parameter)
        self._listed = Listed(self.name, parameter.values) if type(parameter) is Ordinal else None
        self._quantiles: Callable[[Any], Any] | None = None
        if getattr(parameter, "distribution", None) is not None:
            from bandmaster.space.distributions import quantiles

            self._quantiles = quantiles(self._column)

    def resample(self, rng: np.random.Generator) -> Any:
        """Draw from the distribution."""
        u: Any = rng.random()
        if self._quantiles is not None:
            import numpy as np

            u = float(self._quantiles(np.array([u]))[0])
        return self._column.decode(self._column.from_unit(u))

    def perturb(self, value: Any, factors: Factors, rng: np.random.Generator, clip: bool) -> Any:
        """Return the value after a step."""
        if self._listed is not None:
            return self._listed.perturb(value, factors, rng, clip)
        if isinstance(self.parameter, (Categorical, Constant)):
            return value
        return _scaled(value, _factor(factors, rng), self._column, clip)


class Called(Mutation):
    """A function without arguments that draws; numbers step by a factor."""

    def __init__(
        self, name: str, function: Callable[[], Any], column: Column | None = None
    ) -> None:
        self.name = name
        self.parameter = None if column is None else column.parameter
        self.function = function
        self._column = column

    def resample(self, rng: np.random.Generator) -> Any:
        """Call the function."""
        return native(self.function(), f"hyperparam_mutations[{self.name!r}]")

    def perturb(self, value: Any, factors: Factors, rng: np.random.Generator, clip: bool) -> Any:
        """Return a number after a step; anything else is drawn anew."""
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return self.resample(rng)
        return _scaled(value, _factor(factors, rng), self._column, clip)


def fit(column: Column, value: Any) -> Any:
    """Return the value of a column that is nearest to a number, of its type.

    What is no number, and choices, come back as they are.
    """
    parameter = column.parameter
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not number or not isinstance(parameter, (Float, Integer)) or math.isnan(value):
        return value
    value = min(max(value, parameter.lower), parameter.upper)
    if parameter.q is None:
        return float(value)
    from bandmaster.space.columns import Grid

    assert isinstance(column, Grid)
    k = round((value * column.scale - column.start) / column.step)
    return column.value(min(max(k, 0), column.n - 1))


def read_mutations(mutations: Mapping[str, Any]) -> dict[str, Mutation]:
    """Return the mutations by flat name: nested dicts are joined as the HDL joins them.

    Raises
    ------
    ConfigurationError
        When an entry is no list, function, distribution or dict of these.
    """
    from bandmaster.space.hdl_types import hdl_parameter

    if not isinstance(mutations, Mapping):
        raise ConfigurationError(f"hyperparam_mutations is a dict, got {mutations!r}")
    found: dict[str, Mutation] = {}

    def read(entries: Mapping[str, Any], prefix: str) -> None:
        for key, entry in entries.items():
            name = f"{prefix}{key}"
            refuse_choice("hyperparam_mutations", name)
            if isinstance(entry, Mapping) and "_type" not in entry:
                read(entry, name + SEPARATOR)
            elif isinstance(entry, Mapping):
                found[name] = Drawn(hdl_parameter(name, entry, ("hyperparam_mutations", name)))
            elif isinstance(entry, (Float, Integer, Categorical, Ordinal)):
                found[name] = Drawn(entry)
            elif isinstance(entry, (list, tuple)):
                found[name] = Listed(name, entry)
            elif callable(entry) and not isinstance(entry, type):
                found[name] = Called(name, entry)
            else:
                grid = isinstance(entry, (GridSearch, SampleFrom))
                raise ConfigurationError(
                    f"hyperparam_mutations[{name!r}] is {entry!r}; expected a list of values, a "
                    "function without arguments, or a distribution such as uniform(0, 1)"
                    + (" (grid_search and sample_from are for param_space)" if grid else "")
                )

    read(mutations, "")
    return found


def refuse_choice(option: str, name: str) -> None:
    """Refuse a name that has a conditional choice, which only a search space has.

    Raises
    ------
    ConfigurationError
    """
    at = re.search(r"\s*\(choice\)", name)
    if at is None:
        return
    choice = name[: at.start()]
    if option == "param_space":
        then = (
            "and leave param_space out: num_samples members begin with what is proposed to them, "
            "and what is active in a member is mutated"
        )
    else:
        then = (
            f"and name its parameters here, {choice + SEPARATOR + CHOICE!r} and "
            f"'{choice}{SEPARATOR}<option>{SEPARATOR}<parameter>', or leave this out to mutate all"
        )
    raise ConfigurationError(
        f"{option} has the key {name[: at.end()]!r}, but here no parameter can depend on a choice: "
        f"write the search space with its choices as config_space (Study: space), {then}"
    )


def _factor(factors: Factors, rng: np.random.Generator) -> float:
    return factors[int(rng.integers(len(factors)))]


def _scaled(value: Any, factor: float, column: Column | None, clip: bool) -> Any:
    """Return value × factor, on the grid and of the type of the value.

    On a grid it is at least the neighbour in that direction, unless that is out of bounds: else
    small whole numbers would never change.
    """
    if not clip:
        return int(value * factor) if isinstance(value, int) else value * factor
    scaled = value * factor
    if not math.isfinite(scaled):
        return value
    step: float | None = 1 if isinstance(value, int) else None
    if column is not None and isinstance(column.parameter, (Float, Integer)):
        step = column.parameter.q
    if step is not None and scaled != value:
        least = value + math.copysign(step, scaled - value)
        scaled = max(scaled, least) if scaled > value else min(scaled, least)
    if column is not None and isinstance(column.parameter, (Float, Integer)):
        return fit(column, scaled)
    return round(scaled) if isinstance(value, int) else scaled
