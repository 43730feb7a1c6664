"""Counting and listing the configurations of finite spaces."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from bandmaster.errors import SpaceError
from bandmaster.space.predicates import And, In, Literal, Or, Predicate, Relation, literals

if TYPE_CHECKING:
    from bandmaster.space.space import Space

__all__ = ["count_configurations", "enumerate_rows"]

_EXACT: Final = 100_000  # with forbidden clauses, so many configurations are counted one by one


def count_configurations(space: Space) -> int | float:
    """Return how many configurations there are; see `Space.n_configurations`."""
    when = {
        j: group.when for group in space.groups for j in group.columns if group.when is not None
    }
    relations = any(isinstance(literal, Relation) for p in when.values() for literal in literals(p))
    if relations:
        # ConfigSpace and the HDL cannot say this; where a user does, every column counts.
        count: int | float = math.prod(c.n_values for c in space.columns)
    else:
        open_columns = {j: when.get(j) for j in range(space.dim)}
        count = _Counter(space).count(open_columns)
    if space.forbidden and count <= _EXACT:
        return sum(1 for _ in enumerate_rows(space, None, None))
    return count


_Residue = Mapping[int, "Predicate | bool | None"]


class _Counter:
    """Counts by deciding a parent at a time; parts that share no parent are multiplied."""

    def __init__(self, space: Space) -> None:
        self.columns = space.columns
        self._index = space.index

    def count(self, residue: _Residue) -> int | float:
        """Count the ways to fill columns, each with what is still unknown of its activity."""
        total: int | float = 1
        for part in self._components(residue):
            total *= self._count_connected(part)
            if not total:
                return 0
        return total

    def _parents(self, predicate: Predicate | bool | None) -> set[int]:
        if predicate is None or isinstance(predicate, bool):
            return set()
        return {
            self._index[literal.parameter]
            for literal in literals(predicate)
            if not isinstance(literal, Relation)
        }

    def _components(self, residue: _Residue) -> Iterator[_Residue]:
        neighbours: dict[int, set[int]] = {j: set() for j in residue}
        for j, predicate in residue.items():
            for parent in self._parents(predicate):
                neighbours[j].add(parent)
                neighbours[parent].add(j)
        todo = set(residue)
        while todo:
            part, front = set(), [min(todo)]
            while front:
                j = front.pop()
                if j not in part:
                    part.add(j)
                    front.extend(neighbours[j])
            todo -= part
            yield {j: residue[j] for j in sorted(part)}

    def _count_connected(self, residue: _Residue) -> int | float:
        if len(residue) == 1:
            ((j, _),) = residue.items()
            return self.columns[j].n_values
        root = next(j for j, predicate in residue.items() if not self._parents(predicate))
        rest = {j: predicate for j, predicate in residue.items() if j != root}
        if self.columns[root].n_values == math.inf:
            return math.inf
        total: int | float = 0
        for size, code in self._classes(root, rest):
            total += size * self.count(self._decide(rest, root, code))
        return total

    def _classes(self, j: int, residue: _Residue) -> Iterator[tuple[int, float]]:
        """Yield the values of a column in classes that no open statement tells apart."""
        column = self.columns[j]
        n = int(column.n_values)
        named: set[int] = set()
        codes = {
            column.encode(value)
            for predicate in residue.values()
            if predicate is not None and not isinstance(predicate, bool)
            for literal in literals(predicate)
            if not isinstance(literal, Relation) and self._index[literal.parameter] == j
            for value in (literal.values if isinstance(literal, In) else (literal.value,))
        }
        for code in codes:
            named.add(self._number(j, code))
        previous = -1
        for k in [*sorted(named), n]:
            if k - previous > 1:
                yield k - previous - 1, column.code(previous + 1)
            if k < n:
                yield 1, column.code(k)
            previous = k

    def _number(self, j: int, code: float) -> int:
        from bandmaster.space.columns import Grid

        column = self.columns[j]
        return column.index(code) if isinstance(column, Grid) else int(code)

    def _decide(self, residue: _Residue, j: int, code: float) -> _Residue:
        """Put a column's value (NaN: inactive) into the open statements, again and again."""
        known = {j: code}
        current = dict(residue)
        while known:
            settled: dict[int, float] = {}
            following: dict[int, Predicate | bool | None] = {}
            for child, predicate in current.items():
                value = _simplify(predicate, known, self)
                if value is False:
                    settled[child] = math.nan
                else:
                    following[child] = None if value is True else value
            known, current = settled, following
        return current


def _simplify(
    predicate: Predicate | bool | None, known: Mapping[int, float], counter: _Counter
) -> Predicate | bool | None:
    if predicate is None or isinstance(predicate, bool):
        return predicate
    if isinstance(predicate, (And, Or)):
        decides = isinstance(predicate, Or)
        parts: list[Predicate] = []
        for part in predicate.parts:
            value = _simplify(part, known, counter)
            if value is decides:
                return decides
            if not isinstance(value, bool) and value is not None:
                parts.append(value)
        if not parts:
            return not decides
        return parts[0] if len(parts) == 1 else type(predicate)(*parts)
    assert not isinstance(predicate, Relation)
    j = counter._index[predicate.parameter]
    return _test(predicate, known[j], counter) if j in known else predicate


def _test(literal: Literal, code: float, counter: _Counter) -> bool:
    from bandmaster.space.evaluate import compile_predicate

    test, _ = compile_predicate(literal, counter.columns, counter._index)
    row = [math.nan] * len(counter.columns)
    row[counter._index[literal.parameter]] = code
    return test(row)


def enumerate_rows(
    space: Space, limit: int | None, resolution: int | None
) -> Iterator[npt.NDArray[np.float64]]:
    """Yield the legal rows in order; see `Space.enumerate`."""
    if resolution is not None and resolution < 1:
        raise SpaceError(f"resolution is {resolution}; it must be at least 1")
    levels = [_levels(space, j, resolution) for j in range(space.dim)]
    return _rows(space, limit, levels)


def _levels(space: Space, j: int, resolution: int | None) -> list[float] | range:
    """Return the codes that a column takes in turn (a range stands for the numbers of codes)."""
    column = space.columns[j]
    n = column.n_values
    if n == math.inf:
        if resolution is None:
            raise SpaceError(
                f"parameter {column.name!r} is continuous: its values cannot be listed without "
                "a resolution"
            )
        if resolution == 1:
            return [0.5]
        return [float(x) for x in np.linspace(0.0, 1.0, resolution)]
    if resolution is None or n <= resolution or column.is_choice:
        return range(int(n))
    picks = np.unique(np.rint(np.linspace(0, n - 1, resolution)).astype(np.int64))
    return [column.code(int(k)) for k in (picks if resolution > 1 else [(int(n) - 1) // 2])]


def _rows(
    space: Space, limit: int | None, levels: list[list[float] | range]
) -> Iterator[npt.NDArray[np.float64]]:
    order = [j for group in space.groups for j in group.columns]
    tests = {j: test for test, columns in space._tests for j in columns}
    row = [math.nan] * space.dim
    position = [-1] * space.dim  # of the level a column stands at; -1 before the first
    depth = given = 0
    while depth >= 0 and (limit is None or given < limit):
        if depth == space.dim:
            if not any(test(row) for test in space._forbidden_row):
                yield np.array(row)
                given += 1
            depth -= 1
            continue
        j = order[depth]
        if position[depth] < 0 and j in tests and not tests[j](row):
            row[j] = math.nan
            position[depth] = len(levels[j]) - 1  # one visit, and no other level after it
            depth += 1
            continue
        position[depth] += 1
        if position[depth] >= len(levels[j]):
            position[depth] = -1
            row[j] = math.nan
            depth -= 1
            continue
        level = levels[j][position[depth]]
        row[j] = space.columns[j].code(level) if isinstance(level, int) else level
        depth += 1
