"""The rules of an HDL: ``__activate``, ``__condition`` and ``__forbidden``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from bandmaster.space.hdl_types import Path, fail
from bandmaster.space.parameters import Categorical, Constant, Ordinal, Parameter
from bandmaster.space.predicates import (
    And,
    Equals,
    GreaterThan,
    GreaterThanEquals,
    In,
    LessThan,
    LessThanEquals,
    NotEquals,
    Predicate,
    Relation,
)
from bandmaster.space.values import value_key

__all__ = ["SIGNS", "Rules"]

SIGNS: Final[Mapping[str, Any]] = {
    "==": Equals,
    "!=": NotEquals,
    "<": LessThan,
    "<=": LessThanEquals,
    ">": GreaterThan,
    ">=": GreaterThanEquals,
}

FindParameter = Callable[[Any, Path], Parameter]
FindChildren = Callable[[Any, Path], list[str]]
Check = Callable[[Predicate, Path], None]


class Rules:
    """Reads the rules of one dict; what names mean there is asked of the functions given."""

    def __init__(self, parameter: FindParameter, children: FindChildren, check: Check) -> None:
        self._parameter = parameter
        self._children = children
        self._check = check

    def activate(self, rules: Any, path: Path) -> Iterator[tuple[str, Predicate]]:
        """Yield child and condition of ``{parent: {value: [children]}}``."""
        if not isinstance(rules, Mapping):
            raise fail(path, f"found {rules!r}; expected {{parent: {{value: [children]}}}}")
        for parent_name, table in rules.items():
            here = (*path, str(parent_name))
            parent = self._parameter(parent_name, here)
            if not isinstance(table, Mapping):
                raise fail(here, f"found {table!r}; expected {{value: [children]}}")
            values: dict[str, list[Any]] = {}
            for key, children in table.items():
                where = (*here, str(key))
                value = _match(key, parent, where)
                listed = [children] if isinstance(children, str) else children
                if not isinstance(listed, (list, tuple)):
                    raise fail(where, f"found {children!r}; expected a list of parameters' names")
                for child in listed:
                    for name in self._children(child, where):
                        if value not in values.setdefault(name, []):
                            values[name].append(value)
            for name, active_at in values.items():
                if name == parent.name:
                    raise fail(here, f"{name!r} activates itself")
                yield name, self._checked(_among(parent.name, active_at), here)

    def condition(self, rules: Any, path: Path) -> Iterator[tuple[str, Predicate]]:
        """Yield child and condition of ``[{"_child": …, "_parent": …, "_values": …}]``."""
        for i, rule in enumerate(_items(rules, path)):
            here = (*path, str(i))
            _check_keys(rule, ("_child", "_parent", "_values"), ("_op",), here)
            parent = self._parameter(rule["_parent"], here)
            children = self._children(rule["_child"], here)
            if parent.name in children:
                raise fail(here, f"{parent.name!r} is its own parent")
            sign, value = rule.get("_op"), rule["_values"]
            if sign in (None, "==", "in"):
                when = _among(parent.name, _values(value, parent, here))
            elif sign in SIGNS:
                when = SIGNS[sign](parent.name, value)
            else:
                signs = ", ".join(map(repr, (*SIGNS, "in")))
                raise fail(here, f"'_op' is {sign!r}; expected one of {signs}")
            self._checked(when, here)
            for child in children:
                yield child, when

    def forbidden(self, rules: Any, path: Path) -> Iterator[Predicate]:
        """Yield the clauses of ``[{name: value or [values], …}]``."""
        for i, rule in enumerate(_items(rules, path)):
            here = (*path, str(i))
            if "_left" in rule:
                _check_keys(rule, ("_left", "_op", "_right"), (), here)
                if rule["_op"] not in ("==", "<", "<=", ">", ">="):
                    raise fail(here, f"'_op' is {rule['_op']!r}; expected one of == < <= > >=")
                left = self._parameter(rule["_left"], here).name
                right = self._parameter(rule["_right"], here).name
                if left == right:
                    raise fail(here, f"{left!r} is compared with itself")
                yield self._checked(Relation(left, rule["_op"], right), here)
                continue
            if not rule:
                raise fail(here, "the dict is empty; expected {name: value, …}")
            parts = []
            for name, value in rule.items():
                where = (*here, str(name))
                parameter = self._parameter(name, where)
                parts.append(
                    self._checked(_among(parameter.name, _values(value, parameter, where)), where)
                )
            yield parts[0] if len(parts) == 1 else And(*parts)

    def _checked(self, predicate: Predicate, path: Path) -> Predicate:
        self._check(predicate, path)
        return predicate


def _items(rules: Any, path: Path) -> list[Mapping[str, Any]]:
    items = [rules] if isinstance(rules, Mapping) else rules
    if not isinstance(items, (list, tuple)) or not all(isinstance(r, Mapping) for r in items):
        raise fail(path, f"found {rules!r}; expected a list of dicts")
    return list(items)


def _check_keys(
    rule: Mapping[str, Any], needed: tuple[str, ...], optional: tuple[str, ...], path: Path
) -> None:
    for key in needed:
        if key not in rule:
            raise fail(path, f"{key!r} is missing; expected {', '.join((*needed, *optional))}")
    for key in rule:
        if key not in (*needed, *optional):
            raise fail(path, f"{key!r} is unknown; expected {', '.join((*needed, *optional))}")


def _choices(parameter: Parameter) -> Sequence[Any] | None:
    if isinstance(parameter, Categorical):
        return parameter.choices
    if isinstance(parameter, Ordinal):
        return parameter.values
    return (parameter.value,) if isinstance(parameter, Constant) else None


def _values(value: Any, parameter: Parameter, path: Path) -> list[Any]:
    """Return the values that a rule lists; a list that is itself a choice is one value."""
    if not isinstance(value, (list, tuple)):
        return [value]
    choices = _choices(parameter)
    if choices is not None and value_key(value) in map(value_key, choices):
        return [value]
    if not value:
        raise fail(path, "the list of values is empty")
    return list(value)


def _among(name: str, values: list[Any]) -> Predicate:
    return Equals(name, values[0]) if len(values) == 1 else In(name, tuple(values))


def _match(key: Any, parent: Parameter, path: Path) -> Any:
    """Return the parent's value that a dict key means (JSON has only strings as keys)."""
    choices = _choices(parent)
    if choices is None:
        if isinstance(key, str):
            try:
                return json.loads(key)
            except ValueError:
                raise fail(path, f"found {key!r}; {parent.name!r} is a number") from None
        return key
    for choice in choices:
        if value_key(choice) == value_key(key):
            return choice
    spelled = [choice for choice in choices if isinstance(key, str) and key in _spellings(choice)]
    if len(spelled) == 1:
        return spelled[0]
    raise fail(
        path,
        f"{parent.name!r} has no value {key!r}; it has {', '.join(map(repr, choices))}",
    )


def _spellings(value: Any) -> tuple[str, ...]:
    try:
        return (str(value), json.dumps(value))
    except (TypeError, ValueError):
        return (str(value),)
