"""Generators whose brackets repeat in a cycle, as a table says."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from bandmaster.core.decisions import Action, New, Promote
from bandmaster.core.job import Job
from bandmaster.multifidelity.base import IterGenerator
from bandmaster.multifidelity.budgets import as_count, exact
from bandmaster.multifidelity.table import render

__all__ = ["TabledIterGenerator", "fits", "name_of"]


class TabledIterGenerator(IterGenerator):
    """Knows how much work a number of brackets is.

    Parameters
    ----------
    table : sequence of brackets
        Each a sequence of rungs (number of trials, budget). Bracket i of a run has the shape
        ``table[i % len(table)]``.
    """

    def __init__(self, table: Sequence[Sequence[tuple[int, float]]]) -> None:
        self._table = [list(rungs) for rungs in table]

    def get_budgets(self) -> tuple[float, ...]:
        """Return all budgets that occur, ascending."""
        return tuple(sorted({budget for rungs in self._table for _, budget in rungs}))

    def get_table(self) -> list[list[tuple[int, float]]]:
        """Return for each bracket of one cycle its rungs as (number of trials, budget)."""
        return [list(rungs) for rungs in self._table]

    def num_all_configs(self, n_iterations: int) -> int:
        """Return how many evaluations (jobs) `n_iterations` brackets make in all."""
        return sum(self.configs_per_budget(n_iterations).values())

    def configs_per_budget(self, n_iterations: int) -> dict[float, int]:
        """Return how many evaluations `n_iterations` brackets make at each budget, ascending."""
        n_iterations = as_count(n_iterations, "n_iterations", least=0)
        cycles, rest = divmod(n_iterations, len(self._table))
        counts = dict.fromkeys(self.get_budgets(), 0)
        for i, rungs in enumerate(self._table):
            for n, budget in rungs:
                counts[budget] += n * (cycles + (i < rest))
        return counts

    def total_budget(self, n_iterations: int) -> float:
        """Return the sum of the budgets of all evaluations of `n_iterations` brackets."""
        counts = self.configs_per_budget(n_iterations)
        total = sum((n * exact(b, "budget") for b, n in counts.items()), Fraction(0))
        return int(total) if all(isinstance(b, int) for b in counts) else float(total)

    def _signature(self) -> str:
        return f"{type(self).__name__}()"

    def __repr__(self) -> str:
        return f"{self._signature()}\n{render(self._table)}"


def fits(job: Job, action: Action) -> bool:
    """Return whether a job is what an action asks for."""
    if not isinstance(action, (New, Promote)):
        return False
    if isinstance(action, Promote) and job.trial != action.trial:
        return False
    return (job.bracket, job.rung, job.budget) == (action.bracket, action.rung, action.budget)


def name_of(job: Job) -> str:
    """Return a job's name for messages."""
    return (
        f"job {job.number} (trial {job.trial}, attempt {job.attempt}, bracket {job.bracket}, "
        f"rung {job.rung}, budget {job.budget!r})"
    )
