"""A space as a readable table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bandmaster.core.formatting import cut_end
from bandmaster.space.parameters import Categorical, Constant, Float, Integer, Parameter

if TYPE_CHECKING:
    from bandmaster.space.space import Space

__all__ = ["describe", "space_table"]

_WIDEST = 60


def describe(parameter: Parameter) -> str:
    """Return what values a parameter has, in a few words: ``1 .. 300, log``."""
    if isinstance(parameter, Constant):
        return repr(parameter.value)
    if isinstance(parameter, (Float, Integer)):
        parts = [f"{parameter.lower!r} .. {parameter.upper!r}"]
        if parameter.log:
            parts.append("log")
        if parameter.q is not None and not (isinstance(parameter, Integer) and parameter.q == 1):
            parts.append(f"q={parameter.q!r}")
        if parameter.distribution is not None:
            parts.append(str(parameter.distribution))
        return ", ".join(parts)
    if isinstance(parameter, Categorical):
        choices = "{" + ", ".join(map(repr, parameter.choices)) + "}"
        if parameter.weights is not None:
            choices += " weights " + ", ".join(f"{w:g}" for w in parameter.weights)
        return choices
    return " < ".join(map(repr, parameter.values))


def space_table(space: Space) -> str:
    """Return the table: a row a parameter, then the forbidden clauses."""
    when = {}
    for group in space.groups:
        for j in group.columns:
            when[j] = "" if group.when is None else str(group.when)
    rows = [("parameter", "type", "values", "default", "active when")]
    for j, (parameter, column) in enumerate(zip(space.parameters, space.columns, strict=True)):
        default = (
            ""
            if isinstance(parameter, Constant)
            else cut_end(repr(column.default_value()), _WIDEST)
        )
        kind = type(parameter).__name__.lower()
        rows.append((parameter.name, kind, cut_end(describe(parameter), _WIDEST), default, when[j]))
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    lines = [
        "  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    lines.insert(1, "  ".join("-" * w for w in widths if w))
    lines.extend(f"forbidden: {clause.when}" for clause in space.forbidden)
    title = "Space" if space.name is None else f"Space {space.name!r}"
    return "\n".join([f"{title} of {space.dim} parameters", *lines])
