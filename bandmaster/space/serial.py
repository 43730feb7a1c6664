"""A space as plain data with a version, and back."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from bandmaster.errors import SpaceError
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
from bandmaster.space.values import UNSET, from_plain, to_plain

if TYPE_CHECKING:
    from bandmaster.space.space import Space

__all__ = [
    "FORMAT",
    "VERSION",
    "fingerprint",
    "parameter_from_dict",
    "parameter_to_dict",
    "space_from_dict",
    "space_to_dict",
]

FORMAT: Final = "bandmaster.space"
VERSION: Final = 1

_COMPARISONS: Final = {
    kind.sign: kind
    for kind in (Equals, NotEquals, LessThan, LessThanEquals, GreaterThan, GreaterThanEquals)
}
_NUMBERS: Final[Mapping[str, type[Float] | type[Integer]]] = {"float": Float, "integer": Integer}


def space_to_dict(space: Space) -> dict[str, Any]:
    """Return the space as strict JSON data. Options that have their default value are left out."""
    data: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "parameters": [parameter_to_dict(p) for p in space.parameters],
    }
    if space.conditions:
        data["conditions"] = [
            {"child": c.child, "when": _predicate_out(c.when)} for c in space.conditions
        ]
    if space.forbidden:
        data["forbidden"] = [_predicate_out(f.when) for f in space.forbidden]
    if space.name is not None:
        data["name"] = space.name
    if space.meta is not None:
        data["meta"] = to_plain(space.meta)
    return data


def space_from_dict(data: Mapping[str, Any], make: type[Space]) -> Space:
    """Undo `space_to_dict` with the class `make`.

    Raises
    ------
    SpaceError
        When the data are not of this format or of a version this release does not know.
    """
    if not isinstance(data, Mapping) or data.get("format") != FORMAT:
        raise SpaceError(f"the data are not a stored space: 'format' is not {FORMAT!r}")
    if data.get("version") != VERSION:
        raise SpaceError(
            f"the space is stored in version {data.get('version')!r}; this release reads "
            f"version {VERSION}"
        )
    try:
        return make(
            [parameter_from_dict(p) for p in data["parameters"]],
            conditions=[
                Condition(c["child"], _predicate_in(c["when"])) for c in data.get("conditions", ())
            ],
            forbidden=[Forbidden(_predicate_in(f)) for f in data.get("forbidden", ())],
            name=data.get("name"),
            meta=from_plain(data.get("meta")),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise SpaceError(f"the stored space is damaged: {error!r}") from error


def fingerprint(space: Space) -> str:
    """Return the SHA-256 of the space's canonical JSON."""
    text = json.dumps(
        space_to_dict(space), sort_keys=True, separators=(",", ":"), ensure_ascii=True
    )
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def parameter_to_dict(parameter: Parameter) -> dict[str, Any]:
    """Return one parameter as plain data."""
    data: dict[str, Any] = {"type": type(parameter).__name__.lower(), "name": parameter.name}
    if isinstance(parameter, Constant):
        data["value"] = to_plain(parameter.value)
    elif isinstance(parameter, Ordinal):
        data["values"] = to_plain(list(parameter.values))
    elif isinstance(parameter, Categorical):
        data["choices"] = to_plain(list(parameter.choices))
        if parameter.weights is not None:
            data["weights"] = list(parameter.weights)
    else:
        data["lower"], data["upper"] = parameter.lower, parameter.upper
        if parameter.log:
            data["log"] = True
        if parameter.q is not None and not (isinstance(parameter, Integer) and parameter.q == 1):
            data["q"] = parameter.q
        if parameter.distribution is not None:
            data["distribution"] = _distribution_out(parameter.distribution)
    if not isinstance(parameter, Constant) and parameter.default is not UNSET:
        data["default"] = to_plain(parameter.default)
    if parameter.meta is not None:
        data["meta"] = to_plain(parameter.meta)
    return data


def parameter_from_dict(data: Mapping[str, Any]) -> Parameter:
    """Undo `parameter_to_dict`."""
    kind, name = data["type"], data["name"]
    meta = from_plain(data.get("meta"))
    default = from_plain(data["default"]) if "default" in data else UNSET
    if kind == "constant":
        return Constant(name, from_plain(data["value"]), meta=meta)
    if kind == "ordinal":
        return Ordinal(name, from_plain(data["values"]), default=default, meta=meta)
    if kind == "categorical":
        return Categorical(
            name,
            from_plain(data["choices"]),
            weights=data.get("weights"),
            default=default,
            meta=meta,
        )
    if kind not in _NUMBERS:
        raise SpaceError(f"the stored parameter {name!r} is of the unknown type {kind!r}")
    return _NUMBERS[kind](
        name,
        data["lower"],
        data["upper"],
        log=data.get("log", False),
        q=data.get("q", 1 if kind == "integer" else None),
        default=default,
        distribution=_distribution_in(data.get("distribution")),
        meta=meta,
    )


def _distribution_out(distribution: Normal | Beta) -> dict[str, Any]:
    if isinstance(distribution, Normal):
        return {"type": "normal", "mu": distribution.mu, "sigma": distribution.sigma}
    return {"type": "beta", "alpha": distribution.alpha, "beta": distribution.beta}


def _distribution_in(data: Mapping[str, Any] | None) -> Distribution:
    if data is None:
        return None
    if data["type"] == "normal":
        return Normal(data["mu"], data["sigma"])
    if data["type"] == "beta":
        return Beta(data["alpha"], data["beta"])
    raise SpaceError(f"the stored distribution is of the unknown type {data['type']!r}")


def _predicate_out(predicate: Predicate) -> list[Any]:
    if isinstance(predicate, (And, Or)):
        return [predicate.word, *map(_predicate_out, predicate.parts)]
    if isinstance(predicate, Relation):
        return ["relation", predicate.left, predicate.sign, predicate.right]
    if isinstance(predicate, In):
        return ["in", predicate.parameter, to_plain(list(predicate.values))]
    return [predicate.sign, predicate.parameter, to_plain(predicate.value)]


def _predicate_in(data: list[Any]) -> Predicate:
    word, *rest = data
    if word == "and":
        return And(*map(_predicate_in, rest))
    if word == "or":
        return Or(*map(_predicate_in, rest))
    if word == "relation":
        return Relation(*rest)
    if word == "in":
        return In(rest[0], tuple(from_plain(rest[1])))
    if word in _COMPARISONS:
        predicate: Predicate = _COMPARISONS[word](rest[0], from_plain(rest[1]))
        return predicate
    raise SpaceError(f"the stored predicate {data!r} begins with an unknown word")
