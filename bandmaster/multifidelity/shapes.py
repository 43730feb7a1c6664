"""How many trials at which budget: the shapes of brackets (pure arithmetic)."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import ceil, floor
from typing import Literal

from bandmaster.errors import ConfigurationError

__all__ = [
    "Mode",
    "check_mode",
    "further_rungs",
    "halving",
    "hyperband_brackets",
    "hyperband_start",
]

Mode = Literal["default", "paper"]


def check_mode(mode: str) -> None:
    """Raise ConfigurationError unless `mode` is one of `Mode`."""
    if not isinstance(mode, str) or mode not in ("default", "paper"):
        raise ConfigurationError(f"mode must be 'default' or 'paper', got {mode!r}")


def hyperband_start(s: int, s_max: int, eta: Fraction, mode: Mode) -> int:
    """Return how many trials the bracket with `s` promotions starts with.

    ``paper`` is line 2 of Algorithm 1 of Li et al. (2018), ⌈(s_max+1)/(s+1) · eta^s⌉ (their B/R is
    s_max+1). ``default`` rounds the first factor down instead, ⌊⌊(s_max+1)/(s+1)⌋ · eta^s⌋, as the
    programs descended from HpBandSter do.
    """
    if mode == "paper":
        return ceil(Fraction(s_max + 1, s + 1) * eta**s)
    return floor((s_max + 1) // (s + 1) * eta**s)


def halving(n: int, rungs: int, eta: Fraction) -> list[int]:
    """Return the trials of each rung, ⌊n · eta^-i⌋ but at least one."""
    return [max(1, floor(n / eta**i)) for i in range(rungs)]


def further_rungs(
    rungs: Sequence[tuple[int, float]], budgets: Sequence[float], eta: Fraction
) -> list[tuple[int, float]]:
    """Return the rungs that follow on the last one of a bracket, with these budgets."""
    sizes = halving(rungs[-1][0], len(budgets) + 1, eta)[1:]
    return list(zip(sizes, budgets, strict=True))


def hyperband_brackets(rungs: int, eta: Fraction, mode: Mode) -> list[list[int]]:
    """Return the trials per rung of every bracket of a cycle, the most aggressive one first."""
    s_max = rungs - 1
    return [halving(hyperband_start(s, s_max, eta, mode), s + 1, eta) for s in range(s_max, -1, -1)]
