"""What activity and legality mean, spelled out slowly over plain configurations."""

from __future__ import annotations

import operator

from bandmaster.space import (
    And,
    Categorical,
    Constant,
    Equals,
    In,
    NotEquals,
    Or,
    Ordinal,
    Relation,
)

SIGNS = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
}


def same(a, b):
    """Equal, and of the same type when both are choices that Python mixes up."""
    return a == b and isinstance(a, bool) == isinstance(b, bool)


def holds(predicate, config, space):
    """Whether a predicate is true of a configuration without inactive parameters."""
    if isinstance(predicate, And):
        return all(holds(part, config, space) for part in predicate.parts)
    if isinstance(predicate, Or):
        return any(holds(part, config, space) for part in predicate.parts)
    if isinstance(predicate, Relation):
        if predicate.left not in config or predicate.right not in config:
            return False
        return SIGNS[predicate.sign](config[predicate.left], config[predicate.right])
    if predicate.parameter not in config:
        return False
    value = config[predicate.parameter]
    if isinstance(predicate, In):
        return any(same(value, other) for other in predicate.values)
    if isinstance(predicate, Equals):
        return same(value, predicate.value)
    if isinstance(predicate, NotEquals):
        return not same(value, predicate.value)
    parameter = space.parameters[space.index[predicate.parameter]]
    other = predicate.value
    if isinstance(parameter, Ordinal):
        ranks = [
            next(i for i, v in enumerate(parameter.values) if same(v, x)) for x in (value, other)
        ]
        return SIGNS[predicate.sign](*ranks)
    assert not isinstance(parameter, (Categorical, Constant))
    return SIGNS[predicate.sign](value, other)


def active_names(space, full):
    """The active parameters when every parameter, active or not, has the value in `full`."""
    active = {p.name for p in space.parameters}
    while True:
        config = {name: full[name] for name in active}
        left = {
            name
            for name in active
            if all(holds(c.when, config, space) for c in space.conditions if c.child == name)
        }
        if left == active:
            return active
        active = left


def forbidden(space, config):
    """Whether a clause forbids a configuration."""
    return any(holds(clause.when, config, space) for clause in space.forbidden)
