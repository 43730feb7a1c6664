"""From ConfigSpace 1.2 to the compiled space."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

import ConfigSpace.conditions as csc
import ConfigSpace.forbidden as csf
import ConfigSpace.hyperparameters as csh

from bandmaster.errors import SpaceError
from bandmaster.space.columns import Choice, Grid
from bandmaster.space.parameters import (
    Beta,
    Categorical,
    Constant,
    Distribution,
    Float,
    Integer,
    Normal,
    Ordinal,
    Parameter,
)
from bandmaster.space.predicates import (
    And,
    Condition,
    Equals,
    Forbidden,
    GreaterThan,
    GreaterThanEquals,
    In,
    LessThan,
    LessThanEquals,
    NotEquals,
    Or,
    Predicate,
    Relation,
)
from bandmaster.space.serial import parameter_from_dict
from bandmaster.space.space import Space
from bandmaster.space.values import native

if TYPE_CHECKING:
    from ConfigSpace import Configuration, ConfigurationSpace

__all__ = ["META", "from_configspace", "from_configuration"]

log = logging.getLogger(__name__)

META: Final = "bandmaster"
"""The key of a hyperparameter's `meta` under which the export keeps a quantised parameter."""

_FLOATS: Final = (
    csh.UniformFloatHyperparameter,
    csh.NormalFloatHyperparameter,
    csh.BetaFloatHyperparameter,
)
_INTEGERS: Final = (
    csh.UniformIntegerHyperparameter,
    csh.NormalIntegerHyperparameter,
    csh.BetaIntegerHyperparameter,
)
_COMPARISONS: Final[Mapping[type, Callable[[str, Any], Predicate]]] = {
    csc.EqualsCondition: Equals,
    csc.NotEqualsCondition: NotEquals,
    csc.LessThanCondition: LessThan,
    csc.GreaterThanCondition: GreaterThan,
    csf.ForbiddenEqualsClause: Equals,
    csf.ForbiddenLessThanClause: LessThan,
    csf.ForbiddenLessThanEqualsClause: LessThanEquals,
    csf.ForbiddenGreaterThanClause: GreaterThan,
    csf.ForbiddenGreaterThanEqualsClause: GreaterThanEquals,
}
_RELATIONS: Final[Mapping[type, str]] = {
    csf.ForbiddenEqualsRelation: "==",
    csf.ForbiddenLessThanRelation: "<",
    csf.ForbiddenLessThanEqualsRelation: "<=",
    csf.ForbiddenGreaterThanRelation: ">",
    csf.ForbiddenGreaterThanEqualsRelation: ">=",
}
_COMPOUNDS: Final[Mapping[type, type[And] | type[Or]]] = {
    csc.AndConjunction: And,
    csc.OrConjunction: Or,
    csf.ForbiddenAndConjunction: And,
    csf.ForbiddenOrConjunction: Or,
}


def from_configspace(space: ConfigurationSpace) -> Space:
    """Return the compiled space; nothing is left out.

    One difference in meaning: to ConfigSpace, "parent is not v" holds for some purposes where the
    parent is inactive; here it never does.

    Raises
    ------
    SpaceError
        When a hyperparameter, condition or clause is of a class that is not known here.
    """
    parameters = {name: _parameter(hp) for name, hp in space.items()}
    conditions = [
        Condition(condition.child.name, _predicate(condition, parameters))
        for condition in space.conditions
    ]
    forbidden = [Forbidden(_predicate(c, parameters)) for c in space.forbidden_clauses]
    return Space(
        parameters.values(),
        conditions=conditions,
        forbidden=forbidden,
        name=space.name,
        meta=_plain(space.meta, "the space") or None,
    )


def from_configuration(space: Space, configuration: Configuration) -> dict[str, Any]:
    """Return a ConfigSpace configuration of `to_configspace`'s result as our own values.

    Raises
    ------
    IllegalConfigurationError
        When it is not legal in `space`.
    """
    result: dict[str, Any] = {}
    vector = configuration.get_array()
    index = configuration.config_space.index_of
    for name, column, parameter in zip(space.names, space.columns, space.parameters, strict=True):
        code = float(vector[index[name]])
        if math.isnan(code):
            continue
        value: Any
        if isinstance(column, Choice):
            value = column.decode(0.0 if isinstance(parameter, Constant) else round(code))
        elif isinstance(column, Grid):
            number = int(configuration[name])
            value = column.value(number) if is_exported_grid(parameter) else number
        else:
            assert isinstance(parameter, Float)
            value = min(max(float(configuration[name]), parameter.lower), parameter.upper)
        result[name] = value
    space.validate(result)
    return result


def is_exported_grid(parameter: Parameter) -> bool:
    """Whether ConfigSpace gets the number of the step in place of the value."""
    if isinstance(parameter, Integer):
        return parameter.q != 1
    return isinstance(parameter, Float) and parameter.q is not None


def _parameter(hp: Any) -> Parameter:
    if hp.meta and META in hp.meta:
        return parameter_from_dict({**hp.meta[META], "name": hp.name})
    meta = _plain(hp.meta, f"hyperparameter {hp.name!r}") or None
    if isinstance(hp, csh.CategoricalHyperparameter):
        return Categorical(
            hp.name, hp.choices, weights=hp.weights, default=hp.default_value, meta=meta
        )
    if isinstance(hp, csh.OrdinalHyperparameter):
        return Ordinal(hp.name, hp.sequence, default=hp.default_value, meta=meta)
    if isinstance(hp, csh.Constant):
        return Constant(hp.name, hp.value, meta=meta)
    if not isinstance(hp, (*_FLOATS, *_INTEGERS)):
        raise SpaceError(
            f"hyperparameter {hp.name!r} is a {type(hp).__name__}, which has no counterpart here"
        )
    kind: Any = Float if isinstance(hp, _FLOATS) else Integer
    parameter: Parameter = kind(
        hp.name,
        hp.lower,
        hp.upper,
        log=hp.log,
        default=hp.default_value,
        distribution=_distribution(hp),
        meta=meta,
    )
    return parameter


def _distribution(hp: Any) -> Distribution:
    if isinstance(hp, (csh.NormalFloatHyperparameter, csh.NormalIntegerHyperparameter)):
        return Normal(hp.mu, hp.sigma)
    if isinstance(hp, (csh.BetaFloatHyperparameter, csh.BetaIntegerHyperparameter)):
        return Beta(hp.alpha, hp.beta)
    return None


def _predicate(clause: Any, parameters: Mapping[str, Parameter]) -> Predicate:
    kind = type(clause)
    if kind in _COMPOUNDS:
        return _COMPOUNDS[kind](*(_predicate(part, parameters) for part in clause.components))
    if kind in _RELATIONS:
        return Relation(clause.left.name, _RELATIONS[kind], clause.right.name)
    if kind is csc.InCondition:
        hp, values = clause.parent, clause.values
    elif kind is csf.ForbiddenInClause:
        hp, values = clause.hyperparameter, clause.values
    elif kind in _COMPARISONS:
        hp = clause.parent if isinstance(clause, csc.Condition) else clause.hyperparameter
        return _COMPARISONS[kind](hp.name, _value(clause.value, hp, parameters))
    else:
        raise SpaceError(f"{clause} is a {kind.__name__}, which has no counterpart here")
    return In(hp.name, tuple(_value(value, hp, parameters) for value in values))


def _value(value: Any, hp: Any, parameters: Mapping[str, Parameter]) -> Any:
    if hp.meta and META in hp.meta:
        from bandmaster.space.columns import make_column

        column = make_column(parameters[hp.name])
        assert isinstance(column, Grid)
        return column.value(int(value))
    return value


def _plain(meta: Mapping[Any, Any] | None, where: str) -> dict[str, Any]:
    """Return the entries of `meta` that are plain data; say which are not."""
    result = {}
    for key, value in (meta or {}).items():
        try:
            if not isinstance(key, str):
                raise SpaceError(f"the key {key!r} is not a string")
            result[key] = native(value, f"meta of {where}")
        except SpaceError as error:
            log.warning("meta of %s is not kept: %s", where, error)
    return result
