"""From the compiled space to ConfigSpace 1.2.

ConfigSpace has no quantised numbers: ours become a whole number that counts the steps, and
``meta["bandmaster"]`` of that hyperparameter says what it stands for, for an exact way
back.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import ConfigSpace as CS
import ConfigSpace.conditions as csc
import ConfigSpace.forbidden as csf
import ConfigSpace.hyperparameters as csh
import numpy as np

from bandmaster.errors import SpaceError
from bandmaster.space.columns import Choice, Grid
from bandmaster.space.cs_import import META, is_exported_grid
from bandmaster.space.hdl import compile_hdl
from bandmaster.space.parameters import (
    Beta,
    Categorical,
    Constant,
    Float,
    Integer,
    Normal,
    Ordinal,
    Parameter,
)
from bandmaster.space.predicates import (
    And,
    Equals,
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
from bandmaster.space.serial import parameter_to_dict
from bandmaster.space.values import value_key

if TYPE_CHECKING:
    from ConfigSpace import Configuration, ConfigurationSpace

    from bandmaster.space.space import Space

__all__ = ["hdl2cs", "to_configspace", "to_configuration"]

_ROUNDED: Final = 13  # decimals that ConfigSpace keeps of a float
_RELATIONS: Final[Mapping[str, type[csf.ForbiddenRelation]]] = {
    "==": csf.ForbiddenEqualsRelation,
    "<": csf.ForbiddenLessThanRelation,
    "<=": csf.ForbiddenLessThanEqualsRelation,
    ">": csf.ForbiddenGreaterThanRelation,
    ">=": csf.ForbiddenGreaterThanEqualsRelation,
}
_CLAUSES: Final[Mapping[type, Any]] = {
    Equals: csf.ForbiddenEqualsClause,
    LessThan: csf.ForbiddenLessThanClause,
    GreaterThan: csf.ForbiddenGreaterThanClause,
}
_CONDITIONS: Final[Mapping[type, Any]] = {
    Equals: csc.EqualsCondition,
    LessThan: csc.LessThanCondition,
    GreaterThan: csc.GreaterThanCondition,
}


def hdl2cs(hdl: Mapping[str, Any]) -> ConfigurationSpace:
    """Return the ConfigurationSpace that an HDL dict describes.

    Raises
    ------
    SpaceError
        When the HDL is malformed, or says what ConfigSpace cannot express.
    """
    return to_configspace(compile_hdl(hdl))


def to_configspace(space: Space) -> ConfigurationSpace:
    """Return the space as a ConfigurationSpace.

    Quantised numbers become the number of their step (see the module's text).

    Raises
    ------
    SpaceError
        When the space has something that ConfigSpace cannot express: choices that Python takes for
        equal (``1`` and ``True``), dicts as choices, bounds below its 13 decimals, relations in
        conditions or between quantised numbers.
    """
    defaults = space.default_config()
    result = CS.ConfigurationSpace(
        name=space.name, meta=None if space.meta is None else dict(space.meta)
    )
    export = _Export(space)
    hps = [
        export.hyperparameter(j, defaults.get(name, column.default_value()))
        for j, (name, column) in enumerate(zip(space.names, space.columns, strict=True))
    ]
    conditions = [
        export.condition(hps[j], group.when)
        for group in space.groups
        if group.when is not None
        for j in group.columns
    ]
    result.add(*hps, *conditions, *(export.clause(f.when) for f in space.forbidden))
    return result


def to_configuration(
    space: Space, exported: ConfigurationSpace, config: Mapping[str, Any]
) -> Configuration:
    """Return one of our configurations as one of the exported space.

    Raises
    ------
    IllegalConfigurationError
        When it is not legal in `space`.
    """
    space.validate(config)
    values = {}
    for name, value in config.items():
        j = space.index[name]
        values[name] = _exported(space, j, value)
        if isinstance(space.parameters[j], Float) and not is_exported_grid(space.parameters[j]):
            hp: Any = exported[name]
            values[name] = min(max(float(value), hp.lower), hp.upper)
    return CS.Configuration(exported, values=values)


def _exported(space: Space, j: int, value: Any) -> Any:
    """Return what ConfigSpace has in place of a value."""
    column = space.columns[j]
    if isinstance(column, Grid):
        number = column.index_of(value)
        return number if is_exported_grid(space.parameters[j]) else column.value(number)
    return column.decode(column.encode(value)) if isinstance(column, Choice) else float(value)


class _Export:
    """Makes the parts; conditions and clauses refer to the hyperparameters made before."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self._made: dict[str, Any] = {}

    def hyperparameter(self, j: int, default: Any) -> Any:
        """Return the hyperparameter of a column."""
        parameter = self._space.parameters[j]
        meta: dict[Any, Any] | None = None if parameter.meta is None else dict(parameter.meta)
        try:
            hp = self._hyperparameter(j, parameter, default, meta)
        except (ValueError, TypeError) as error:
            if isinstance(error, SpaceError):
                raise
            raise SpaceError(
                f"parameter {parameter.name!r} cannot be expressed in ConfigSpace: {error}"
            ) from error
        self._made[parameter.name] = hp
        return hp

    def _hyperparameter(
        self, j: int, parameter: Parameter, default: Any, meta: dict[Any, Any] | None
    ) -> Any:
        name = parameter.name
        if is_exported_grid(parameter):
            meta = {**(meta or {}), META: parameter_to_dict(parameter)}
            number = _exported(self._space, j, default)
            steps = int(parameter.n_values) - 1
            return csh.UniformIntegerHyperparameter(name, 0, steps, default_value=number, meta=meta)
        if isinstance(parameter, Constant):
            return csh.Constant(name, parameter.value, meta=meta)
        if isinstance(parameter, Categorical):
            _check_choices(name, parameter.choices)
            weights = None if parameter.weights is None else list(parameter.weights)
            return csh.CategoricalHyperparameter(
                name, parameter.choices, weights=weights, default_value=default, meta=meta
            )
        if isinstance(parameter, Ordinal):
            _check_choices(name, parameter.values)
            return csh.OrdinalHyperparameter(
                name, parameter.values, default_value=default, meta=meta
            )
        return _number(parameter, default, meta)

    def condition(self, child: Any, predicate: Predicate) -> Any:
        """Return the condition of a hyperparameter."""
        predicate = self._expressible(predicate)
        if isinstance(predicate, (And, Or)):
            kind = csc.AndConjunction if isinstance(predicate, And) else csc.OrConjunction
            return kind(*(self.condition(child, part) for part in predicate.parts))
        if isinstance(predicate, Relation):
            raise SpaceError(
                f"{child.name} | {predicate}: ConfigSpace has no relations in conditions"
            )
        parent = self._made[predicate.parameter]
        if isinstance(predicate, In):
            return csc.InCondition(child, parent, self._values(predicate))
        value = self._value(predicate.parameter, predicate.value)
        return _CONDITIONS[type(predicate)](child, parent, value)

    def clause(self, predicate: Predicate) -> Any:
        """Return the forbidden clause."""
        predicate = self._expressible(predicate)
        if isinstance(predicate, (And, Or)):
            kind: Any = csf.ForbiddenAndConjunction
            if isinstance(predicate, Or):
                kind = csf.ForbiddenOrConjunction
            return kind(*(self.clause(part) for part in predicate.parts))
        if isinstance(predicate, Relation):
            for name in (predicate.left, predicate.right):
                if is_exported_grid(self._space.parameters[self._space.index[name]]):
                    raise SpaceError(
                        f"{predicate}: {name!r} is quantised, and ConfigSpace would compare the "
                        "numbers of steps"
                    )
            left, right = self._made[predicate.left], self._made[predicate.right]
            return _RELATIONS[predicate.sign](left, right)
        hp = self._made[predicate.parameter]
        if isinstance(predicate, In):
            return csf.ForbiddenInClause(hp, self._values(predicate))
        value = self._value(predicate.parameter, predicate.value)
        return _CLAUSES[type(predicate)](hp, value)

    def _expressible(self, predicate: Predicate) -> Predicate:
        """Return the predicate in words that ConfigSpace has, and that are false when inactive.

        Its clauses for <= and >= are not used: in 1.2.2 the first samples as if it were >=, the
        second prints every row it looks at.
        """
        if isinstance(predicate, (And, Or)) and len(predicate.parts) == 1:
            return self._expressible(predicate.parts[0])
        if isinstance(predicate, NotEquals):
            name, value = predicate.parameter, predicate.value
            column = self._space.columns[self._space.index[name]]
            if not isinstance(column, Choice):
                return Or(LessThan(name, value), GreaterThan(name, value))
            code = column.encode(value)
            others = [v for i, v in enumerate(column.values) if i != code]
            if not others:
                raise SpaceError(f"{predicate}: never true, which ConfigSpace cannot express")
            return In(name, tuple(others))
        if isinstance(predicate, (LessThanEquals, GreaterThanEquals)):
            name, value = predicate.parameter, predicate.value
            strict = LessThan if isinstance(predicate, LessThanEquals) else GreaterThan
            return Or(strict(name, value), Equals(name, value))
        return predicate

    def _value(self, name: str, value: Any) -> Any:
        return _exported(self._space, self._space.index[name], value)

    def _values(self, predicate: In) -> list[Any]:
        return [self._value(predicate.parameter, value) for value in predicate.values]


def _number(parameter: Float | Integer, default: Any, meta: dict[Any, Any] | None) -> Any:
    whole = isinstance(parameter, Integer)
    if not whole:
        _check_bounds(parameter)
    distribution = parameter.distribution
    options: dict[str, Any] = {
        "name": parameter.name,
        "lower": parameter.lower,
        "upper": parameter.upper,
        "log": parameter.log,
        "default_value": default,
        "meta": meta,
    }
    if isinstance(distribution, Normal):
        kind: Any = csh.NormalIntegerHyperparameter if whole else csh.NormalFloatHyperparameter
        return kind(mu=distribution.mu, sigma=distribution.sigma, **options)
    if isinstance(distribution, Beta):
        kind = csh.BetaIntegerHyperparameter if whole else csh.BetaFloatHyperparameter
        return kind(alpha=distribution.alpha, beta=distribution.beta, **options)
    kind = csh.UniformIntegerHyperparameter if whole else csh.UniformFloatHyperparameter
    return kind(**options)


def _check_bounds(parameter: Float | Integer) -> None:
    for bound in (parameter.lower, parameter.upper):
        rounded = float(np.round(bound, _ROUNDED))
        if abs(rounded - bound) > 1e-9 * abs(bound):
            raise SpaceError(
                f"parameter {parameter.name!r}: ConfigSpace rounds the bound {bound!r} to "
                f"{rounded!r} ({_ROUNDED} decimals)"
            )


def _check_choices(name: str, choices: Sequence[Any]) -> None:
    for i, choice in enumerate(choices):
        if isinstance(choice, dict) or value_key(choice) == value_key(math.nan):
            raise SpaceError(f"parameter {name!r}: ConfigSpace cannot hold the choice {choice!r}")
        for other in choices[:i]:
            if choice == other:
                raise SpaceError(
                    f"parameter {name!r}: {other!r} and {choice!r} are equal to ConfigSpace"
                )
