"""The conditions of a space as groups of columns in an order that has parents before children."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bandmaster.errors import SpaceError
from bandmaster.space.columns import Column
from bandmaster.space.evaluate import RowsTest, RowTest, compile_predicate
from bandmaster.space.predicates import And, Condition, Predicate, names_in

__all__ = ["CompiledGroup", "Group", "make_groups"]


@dataclass(frozen=True, slots=True)
class Group:
    """Columns that are always active together.

    Parameters
    ----------
    columns : tuple of int
        The columns, ascending.
    when : Predicate or None
        Holds exactly where the columns are active; None for the columns that always are.
    parents : tuple of int
        The columns that `when` speaks about.
    """

    columns: tuple[int, ...]
    when: Predicate | None
    parents: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CompiledGroup:
    """A conditional group with its tests of a row and of a matrix."""

    group: Group
    row: RowTest
    rows: RowsTest


def make_groups(
    columns: Sequence[Column], index: Mapping[str, int], conditions: Sequence[Condition]
) -> tuple[tuple[Group, ...], tuple[CompiledGroup, ...]]:
    """Return all groups, the unconditional one first, and the conditional ones compiled.

    Parents come before children in both.

    Raises
    ------
    SpaceError
        When a condition names an unknown parameter, or conditions form a cycle.
    """
    needs: dict[str, list[Predicate]] = {}
    for condition in conditions:
        if condition.child not in index:
            raise SpaceError(
                f"the condition {condition}: there is no parameter {condition.child!r} in this "
                "space"
            )
        parts = needs.setdefault(condition.child, [])
        if condition.when not in parts:
            parts.append(condition.when)
    depth = _depths(columns, needs, index)
    gathered: dict[str, tuple[Predicate | None, list[int]]] = {}
    for j, column in enumerate(columns):
        parts = needs.get(column.name, [])
        when = None if not parts else parts[0] if len(parts) == 1 else And(*parts)
        gathered.setdefault(repr(when), (when, []))[1].append(j)
    groups = [
        Group(
            columns=tuple(members),
            when=when,
            parents=() if when is None else tuple(index[name] for name in names_in(when)),
        )
        for when, members in gathered.values()
    ]
    groups.sort(key=lambda group: (depth[columns[group.columns[0]].name], group.columns))
    compiled = tuple(
        CompiledGroup(group, *compile_predicate(group.when, columns, index))
        for group in groups
        if group.when is not None
    )
    return tuple(groups), compiled


def _depths(
    columns: Sequence[Column], needs: Mapping[str, list[Predicate]], index: Mapping[str, int]
) -> dict[str, int]:
    """Return how many conditions deep every parameter lies."""
    depth = {column.name: 0 for column in columns if column.name not in needs}
    open_names = [column.name for column in columns if column.name in needs]
    for name in open_names:
        for predicate in needs[name]:
            for parent in names_in(predicate):
                if parent not in index:
                    raise SpaceError(
                        f"the condition {name} | {predicate}: there is no parameter {parent!r} "
                        "in this space"
                    )
    while open_names:
        rest = []
        for name in open_names:
            parents = [parent for predicate in needs[name] for parent in names_in(predicate)]
            if all(parent in depth for parent in parents):
                depth[name] = 1 + max(depth[parent] for parent in parents)
            else:
                rest.append(name)
        if len(rest) == len(open_names):
            raise SpaceError(f"the conditions of {', '.join(rest)} form a cycle")
        open_names = rest
    return depth
