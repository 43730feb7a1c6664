"""The search space of a population: all that its members may begin with or come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bandmaster.errors import ConfigurationError, IllegalConfigurationError
from bandmaster.multifidelity.mutations import Called, Mutation
from bandmaster.space.parameters import (
    Categorical,
    Constant,
    Float,
    Integer,
    Ordinal,
    Parameter,
)
from bandmaster.space.values import value_key

if TYPE_CHECKING:
    from bandmaster.multifidelity.param_space import ParamSpace
    from bandmaster.space import Space

__all__ = ["population_space"]

_WIDE = 2.0**1022  # a range of twice that is still finite
_WIDE_INTEGER = 2**51


def population_space(
    param_space: ParamSpace | None, mutations: Mapping[str, Mutation], *, clip: bool
) -> Space:
    """Return the space in which all configurations of a population lie.

    A mutated parameter has the bounds of its mutation, widened to what members may begin with;
    without `clip` numbers have none.

    Raises
    ------
    ConfigurationError
        When nothing says what values a parameter may have.
    """
    from bandmaster.space import Space

    names = [] if param_space is None else param_space.names
    parameters = []
    for name in dict.fromkeys((*names, *mutations)):
        mutation = mutations.get(name)
        parameter = _parameter(name, param_space, mutation)
        if mutation is not None and not clip:
            parameter = _unbounded(parameter)
        parameters.append(parameter)
    return Space(parameters)


def _parameter(name: str, space: ParamSpace | None, mutation: Mutation | None) -> Parameter:
    values, drawn = _beginnings(name, space, mutated=mutation is not None)
    known = [p for p in (drawn, None if mutation is None else mutation.parameter) if p is not None]
    if isinstance(mutation, Called) and not known:
        raise ConfigurationError(
            f"nothing says what values {name!r} may have, which a function mutates: give a "
            f"distribution in hyperparam_mutations or in param_space, or the search space itself"
        )
    if not known:
        return _of_values(name, values)
    parameter = known[-1]
    for other in known[:-1]:
        parameter = _hull(parameter, other)
    return _including(parameter, values)


def _beginnings(
    name: str, space: ParamSpace | None, *, mutated: bool
) -> tuple[list[Any], Parameter | None]:
    """Return with which values members begin, or of which parameter they are drawn."""
    if space is None or name not in space.names:
        return [], None
    if name in space.constants:
        return [space.constants[name]], None
    if name in space.grids:
        return list(space.grids[name].values), None
    if name in space.drawn:
        return [], space.drawn[name].parameter
    entry = space.computed[name]
    if entry.domain is not None:
        from bandmaster.space.hdl_types import hdl_parameter

        return [], hdl_parameter(name, entry.domain, ("param_space", name))
    values = space.computed_values(name)
    if values is None and not mutated:
        raise ConfigurationError(
            f"param_space[{name!r}] is computed from what is drawn: say which values may come out, "
            "as in sample_from(function, domain=uniform(0, 1))"
        )
    return values or [], None


def _of_values(name: str, values: Sequence[Any]) -> Parameter:
    distinct = list({value_key(value): value for value in values}.values())
    return Constant(name, distinct[0]) if len(distinct) == 1 else Categorical(name, distinct)


def _including(parameter: Parameter, values: Sequence[Any]) -> Parameter:
    """Return a parameter that has these values, too."""
    from bandmaster.space.columns import make_column

    column, missing = make_column(parameter), []
    for value in values:
        try:
            column.encode(value)
        except IllegalConfigurationError:
            missing.append(value)
    if not missing:
        return parameter
    if isinstance(parameter, (Float, Integer)):
        if all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in missing):
            return _wider(parameter, min(missing), max(missing), whole=_whole(missing))
        raise ConfigurationError(
            f"members begin with {parameter.name!r} at {missing[0]!r}, but its mutation has numbers"
        )
    return _union(parameter, missing)


def _hull(parameter: Parameter, other: Parameter) -> Parameter:
    if parameter == other:
        return parameter
    if isinstance(parameter, (Float, Integer)) and isinstance(other, (Float, Integer)):
        whole = isinstance(other, Integer)
        inside = type(other) is type(parameter) and parameter.q is None and not whole
        if inside and parameter.lower <= other.lower and other.upper <= parameter.upper:
            return parameter
        return _wider(parameter, other.lower, other.upper, whole=whole)
    if isinstance(other, (Float, Integer)) or isinstance(parameter, (Float, Integer)):
        raise ConfigurationError(
            f"{parameter.name!r} is {other} in param_space and {parameter} in hyperparam_mutations"
        )
    return _union(parameter, _values(other))


def _wider(parameter: Float | Integer, low: float, high: float, *, whole: bool) -> Parameter:
    lower, upper = min(parameter.lower, low), max(parameter.upper, high)
    log = parameter.log and lower > 0
    if isinstance(parameter, Integer) and whole:
        return Integer(parameter.name, int(lower), int(upper), log=log)
    return Float(parameter.name, lower, upper, log=log)


def _union(parameter: Parameter, values: Sequence[Any]) -> Parameter:
    every = {value_key(value): value for value in (*_values(parameter), *values)}
    numeric = all(isinstance(v, (int, float)) for v in every.values())
    if isinstance(parameter, Ordinal):
        listed = sorted(every.values()) if numeric else list(every.values())
        return Ordinal(parameter.name, listed)
    return Categorical(parameter.name, list(every.values()))


def _values(parameter: Parameter) -> Sequence[Any]:
    if isinstance(parameter, Categorical):
        return parameter.choices
    if isinstance(parameter, Ordinal):
        return parameter.values
    assert isinstance(parameter, Constant)
    return (parameter.value,)


def _whole(values: Sequence[Any]) -> bool:
    return all(float(value).is_integer() for value in values)


def _unbounded(parameter: Parameter) -> Parameter:
    if isinstance(parameter, Float):
        return Float(parameter.name, -_WIDE, _WIDE)
    if isinstance(parameter, Integer):
        return Integer(parameter.name, -_WIDE_INTEGER, _WIDE_INTEGER)
    return parameter
