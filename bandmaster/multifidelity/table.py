"""Brackets as a text table."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from bandmaster.core.formatting import format_budget
from bandmaster.multifidelity.budgets import exact

__all__ = ["render"]

_HEADER = ("bracket", "rung", "trials", "budget", "trials × budget")


def render(table: Sequence[Sequence[tuple[int, float]]]) -> str:
    """Return the brackets of a cycle as aligned text, a line a rung, with the totals below."""
    rows: list[tuple[str, ...]] = [_HEADER]
    evaluations, total = 0, Fraction(0)
    for bracket, rungs in enumerate(table):
        for rung, (n, budget) in enumerate(rungs):
            spent = n * exact(budget, "budget")
            evaluations, total = evaluations + n, total + spent
            rows.append((
                str(bracket) if rung == 0 else "", str(rung), str(n),
                format_budget(budget), format_budget(spent),
            ))  # fmt: skip
    rows.append(("total", "", str(evaluations), "", format_budget(total)))
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEADER))]
    lines = [
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    rule = "-" * len(lines[0])
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])
