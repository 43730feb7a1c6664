"""Predicates turned into functions of an encoded row and of an encoded matrix."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from bandmaster.errors import IllegalConfigurationError, SpaceError
from bandmaster.space.columns import Choice, Column, Grid, LinearFloat
from bandmaster.space.parameters import Ordinal
from bandmaster.space.predicates import (
    And,
    Equals,
    GreaterThan,
    GreaterThanEquals,
    In,
    LessThan,
    LessThanEquals,
    Literal,
    NotEquals,
    Or,
    Predicate,
    Relation,
)

__all__ = ["RowTest", "RowsTest", "compile_predicate"]

RowTest = Callable[[Sequence[float]], bool]
"""A function of one encoded row (a list of floats, NaN where inactive)."""
RowsTest = Callable[[npt.NDArray[np.float64]], npt.NDArray[np.bool_]]
"""A function of an encoded matrix of shape (n, dim), giving a mask of shape (n,)."""

_SIGNS: Final[Mapping[type, Callable[[Any, Any], Any]]] = {
    LessThan: operator.lt,
    LessThanEquals: operator.le,
    GreaterThan: operator.gt,
    GreaterThanEquals: operator.ge,
}
_RELATIONS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "==": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def compile_predicate(
    predicate: Predicate, columns: Sequence[Column], index: Mapping[str, int]
) -> tuple[RowTest, RowsTest]:
    """Return the predicate as a function of a row and as a function of a matrix.

    Both take encoded rows with NaN where inactive, so that a statement about an inactive
    parameter is false by the rules of NaN.

    Raises
    ------
    SpaceError
        When the predicate names no parameter of the space, or a value its parameter cannot have.
    """
    if isinstance(predicate, (And, Or)):
        return _compound(predicate, [compile_predicate(p, columns, index) for p in predicate.parts])
    if isinstance(predicate, Relation):
        return _relation(predicate, columns, index)
    return _literal(predicate, columns, index)


def position(name: str, index: Mapping[str, int], predicate: Predicate) -> int:
    """Return the column of a name, or raise SpaceError."""
    if name not in index:
        raise SpaceError(f"{predicate}: there is no parameter {name!r} in this space")
    return index[name]


def _compound(
    predicate: And | Or, parts: list[tuple[RowTest, RowsTest]]
) -> tuple[RowTest, RowsTest]:
    if len(parts) == 1:
        return parts[0]
    rows = [part[0] for part in parts]
    matrices = [part[1] for part in parts]
    if isinstance(predicate, And):
        return (
            _all_hold(rows),
            lambda X: np.logical_and.reduce([test(X) for test in matrices]),
        )
    return (
        lambda row: any(test(row) for test in rows),
        lambda X: np.logical_or.reduce([test(X) for test in matrices]),
    )


def _all_hold(tests: list[RowTest]) -> RowTest:
    """Return the conjunction; pairs, the most frequent, without a generator's cost."""
    first, second, *rest = tests
    if not rest:
        return lambda row: first(row) and second(row)
    return lambda row: first(row) and second(row) and all(test(row) for test in rest)


def _literal(
    literal: Literal, columns: Sequence[Column], index: Mapping[str, int]
) -> tuple[RowTest, RowsTest]:
    j = position(literal.parameter, index, literal)
    column = columns[j]
    if isinstance(literal, In):
        codes = [_code(value, column, literal) for value in literal.values]
        allowed = frozenset(codes)
        if len(allowed) > 8:
            return (lambda row: row[j] in allowed), (lambda X: np.isin(X[:, j], codes))
        return (
            lambda row: row[j] in allowed,
            lambda X: np.logical_or.reduce([X[:, j] == code for code in allowed]),
        )
    code = _code(literal.value, column, literal)
    if isinstance(literal, Equals):
        return (lambda row: row[j] == code), (lambda X: X[:, j] == code)
    if isinstance(literal, NotEquals):
        return (
            lambda row: row[j] == row[j] != code,
            lambda X: ~np.isnan(X[:, j]) & (X[:, j] != code),
        )
    if column.is_choice and not isinstance(column.parameter, Ordinal):
        raise SpaceError(
            f"{literal}: {literal.parameter!r} is a {type(column.parameter).__name__}, which has "
            "no order; use Equals, NotEquals or In"
        )
    compare = _SIGNS[type(literal)]
    return (lambda row: bool(compare(row[j], code))), (lambda X: np.asarray(compare(X[:, j], code)))


def _code(value: Any, column: Column, literal: Literal) -> float:
    try:
        return column.encode(value)
    except IllegalConfigurationError as error:
        raise SpaceError(f"{literal}: {error}") from None


def _relation(
    relation: Relation, columns: Sequence[Column], index: Mapping[str, int]
) -> tuple[RowTest, RowsTest]:
    i, j = position(relation.left, index, relation), position(relation.right, index, relation)
    left, right = columns[i], columns[j]
    compare = _RELATIONS[relation.sign]
    decode_left, decode_right = left.decode, right.decode

    def row_test(row: Sequence[float]) -> bool:
        x, y = row[i], row[j]
        if math.isnan(x) or math.isnan(y):
            return False
        return bool(compare(decode_left(x), decode_right(y)))

    if isinstance(left, Choice) and isinstance(right, Choice):
        table = _choice_table(relation, left, right)

        def by_table(X: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
            known = ~(np.isnan(X[:, i]) | np.isnan(X[:, j]))
            result = np.zeros(len(X), dtype=np.bool_)
            result[known] = table[X[known, i].astype(np.intp), X[known, j].astype(np.intp)]
            return result

        return row_test, by_table

    left_numbers, right_numbers = _numbers(left, relation), _numbers(right, relation)

    def by_numbers(X: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
        known = ~(np.isnan(X[:, i]) | np.isnan(X[:, j]))
        result = np.zeros(len(X), dtype=np.bool_)
        result[known] = compare(left_numbers(X[known, i]), right_numbers(X[known, j]))
        return result

    return row_test, by_numbers


def _choice_table(relation: Relation, left: Choice, right: Choice) -> npt.NDArray[np.bool_]:
    compare = _RELATIONS[relation.sign]
    try:
        return np.array(
            [[bool(compare(a, b)) for b in right.values] for a in left.values], dtype=np.bool_
        )
    except TypeError as error:
        raise SpaceError(f"{relation}: the values cannot be compared ({error})") from None


def _numbers(
    column: Column, relation: Relation
) -> Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]:
    """Return the function from codes to numbers of a column in a relation."""
    if isinstance(column, (LinearFloat, Grid)):
        return column.numbers
    assert isinstance(column, Choice)
    for value in column.values:
        if not isinstance(value, (int, float)):
            raise SpaceError(
                f"{relation}: {column.name!r} has the value {value!r}, which cannot be compared "
                "with a number"
            )
    table = np.array(column.values, dtype=np.float64)
    return lambda x: table[x.astype(np.intp)]
