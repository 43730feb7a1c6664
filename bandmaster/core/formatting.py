"""How budgets and long words are written for people."""

from __future__ import annotations

import math
from fractions import Fraction

__all__ = ["cut_end", "format_budget"]


def format_budget(budget: float | Fraction) -> str:
    """Write a budget as a fraction where that is exact and short: ``1/4``, ``27``, ``100/9``.

    Other budgets have six significant digits.
    """
    if isinstance(budget, Fraction) and budget.denominator <= 1000:
        return str(budget)
    budget = float(budget)
    if not math.isfinite(budget):
        return str(budget)
    if budget == int(budget):
        return str(int(budget))
    fraction = Fraction(budget).limit_denominator(10_000)
    close = abs(float(fraction) - budget) <= 1e-9 * abs(budget)
    if close and (fraction.numerator == 1 or fraction.denominator <= 128):
        return str(fraction)
    return f"{budget:.6g}"


def cut_end(text: str, most: int) -> str:
    """Cut what is longer than `most` characters, the last of which is then a ``…``."""
    return text if len(text) <= most else text[: most - 1] + "…"
