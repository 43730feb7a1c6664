"""What can be said about a configuration: the words of conditions and forbidden clauses.

A statement about a parameter that is inactive is false, whatever it says (`NotEquals` too).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Union

from bandmaster.errors import SpaceError
from bandmaster.space.values import native

__all__ = [
    "And",
    "Condition",
    "Equals",
    "Forbidden",
    "GreaterThan",
    "GreaterThanEquals",
    "In",
    "LessThan",
    "LessThanEquals",
    "Literal",
    "NotEquals",
    "Or",
    "Predicate",
    "Relation",
    "literals",
    "names_in",
]


@dataclass(frozen=True, slots=True)
class _Comparison:
    parameter: str
    value: Any
    sign: ClassVar[str] = "?"

    def __post_init__(self) -> None:
        where = f"a condition or forbidden clause on {self.parameter!r}"
        object.__setattr__(self, "value", native(self.value, where))

    def __str__(self) -> str:
        return f"{self.parameter} {self.sign} {self.value!r}"


class Equals(_Comparison):
    """The parameter has this value."""

    __slots__ = ()
    sign = "=="


class NotEquals(_Comparison):
    """The parameter is active and has another value."""

    __slots__ = ()
    sign = "!="


class LessThan(_Comparison):
    """The parameter, a number or an ordinal, is below this value (in an ordinal's own order)."""

    __slots__ = ()
    sign = "<"


class LessThanEquals(_Comparison):
    """The parameter, a number or an ordinal, is at most this value."""

    __slots__ = ()
    sign = "<="


class GreaterThan(_Comparison):
    """The parameter, a number or an ordinal, is above this value."""

    __slots__ = ()
    sign = ">"


class GreaterThanEquals(_Comparison):
    """The parameter, a number or an ordinal, is at least this value."""

    __slots__ = ()
    sign = ">="


@dataclass(frozen=True, slots=True)
class In:
    """The parameter has one of these values."""

    parameter: str
    values: tuple[Any, ...]

    def __post_init__(self) -> None:
        where = f"a condition or forbidden clause on {self.parameter!r}"
        object.__setattr__(self, "values", tuple(native(v, where) for v in self.values))
        if not self.values:
            raise SpaceError(f"{where} lists no values")

    def __str__(self) -> str:
        return f"{self.parameter} in {{{', '.join(map(repr, self.values))}}}"


@dataclass(frozen=True, slots=True)
class Relation:
    """The values of two parameters compare so; `sign` is one of ``== < > <= >=``.

    Ordinals are compared by their values here, not by their order.
    """

    left: str
    sign: str
    right: str

    def __post_init__(self) -> None:
        if self.sign not in ("==", "<", ">", "<=", ">="):
            raise SpaceError(f"a relation's sign is {self.sign!r}; it must be one of == < > <= >=")
        if self.left == self.right:
            raise SpaceError(f"a relation compares {self.left!r} with itself")

    def __str__(self) -> str:
        return f"{self.left} {self.sign} {self.right}"


@dataclass(frozen=True, slots=True, init=False)
class _Compound:
    parts: tuple[Predicate, ...]
    word: ClassVar[str] = "?"

    def __init__(self, *parts: Predicate) -> None:
        if not parts:
            raise SpaceError(f"an {type(self).__name__} has no parts")
        for part in parts:
            if not isinstance(part, (_Comparison, In, Relation, _Compound)):
                raise SpaceError(f"{part!r} is not a predicate such as Equals or In")
        object.__setattr__(self, "parts", parts)

    def __str__(self) -> str:
        return f" {self.word} ".join(
            f"({part})" if isinstance(part, _Compound) else str(part) for part in self.parts
        )


class And(_Compound):
    """All parts hold."""

    __slots__ = ()
    word = "and"


class Or(_Compound):
    """At least one part holds."""

    __slots__ = ()
    word = "or"


Literal = Union[  # noqa: UP007 (isinstance on 3.10)
    Equals, NotEquals, LessThan, LessThanEquals, GreaterThan, GreaterThanEquals, In
]
Predicate = Union[Literal, Relation, And, Or]  # noqa: UP007 (isinstance on 3.10)


@dataclass(frozen=True, slots=True)
class Condition:
    """`child` is active only where `when` holds; several conditions on a child must all hold."""

    child: str
    when: Predicate

    def __str__(self) -> str:
        return f"{self.child} | {self.when}"


@dataclass(frozen=True, slots=True)
class Forbidden:
    """No legal configuration makes `when` true."""

    when: Predicate

    def __str__(self) -> str:
        return f"not ({self.when})"


def literals(predicate: Predicate) -> Iterator[Literal | Relation]:
    """Yield the statements a predicate is made of, left to right."""
    if isinstance(predicate, (And, Or)):
        for part in predicate.parts:
            yield from literals(part)
    else:
        yield predicate


def names_in(predicate: Predicate) -> tuple[str, ...]:
    """The parameters a predicate speaks about, each once, left to right."""
    names: dict[str, None] = {}
    for literal in literals(predicate):
        if isinstance(literal, Relation):
            names[literal.left] = names[literal.right] = None
        else:
            names[literal.parameter] = None
    return tuple(names)
