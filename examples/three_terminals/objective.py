"""What the workers evaluate: the Branin function, blurred at low budgets."""

from __future__ import annotations

import math


def evaluate(config, budget):
    """Return Branin's value (minimum 0.398), as a coarse simulation of `budget` steps has it."""
    x, y = config["x"], config["y"]
    bowl = y - 5.1 / (4 * math.pi**2) * x**2 + 5 / math.pi * x - 6
    value = bowl**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10
    return value + 5 / budget * (1 + math.sin(3 * x + y))
