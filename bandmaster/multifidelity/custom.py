"""Brackets whose shape the user writes down."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from bandmaster.errors import ConfigurationError
from bandmaster.multifidelity.budgets import as_budgets, as_count, exact
from bandmaster.multifidelity.synchronous import SynchronousIterGenerator

__all__ = ["CustomIterGenerator"]


class CustomIterGenerator(SynchronousIterGenerator):
    """Brackets of any shape.

    Parameters
    ----------
    num_configs_list : sequence of int, or of such sequences
        How many trials each rung of the bracket holds, not ascending. With one inner sequence a
        bracket, the brackets are run in turn.
    budgets_list : sequence of int, float or Fraction, or of such sequences
        The budget of each rung, ascending; of the same shape.

    Raises
    ------
    ConfigurationError
        When the two differ in shape, or the numbers are not in order.

    Examples
    --------
    >>> CustomIterGenerator([8, 2], [1, 10]).get_table()
    [[(8, 1), (2, 10)]]
    >>> CustomIterGenerator([[8, 2], [4]], [[1, 10], [10]]).get_table()
    [[(8, 1), (2, 10)], [(4, 10)]]
    """

    def __init__(
        self,
        num_configs_list: Sequence[int] | Sequence[Sequence[int]],
        budgets_list: Sequence[float] | Sequence[Sequence[float]],
    ) -> None:
        counts, budgets = (
            _brackets(num_configs_list, "num_configs_list"),
            _brackets(budgets_list, "budgets_list"),
        )
        if len(counts) != len(budgets):
            raise ConfigurationError(
                f"num_configs_list has {len(counts)} brackets, budgets_list {len(budgets)}: "
                "give both as many"
            )
        super().__init__([
            _rungs(*pair, f" of bracket {i}" if len(counts) > 1 else "")
            for i, pair in enumerate(zip(counts, budgets, strict=True))
        ])  # fmt: skip
        self.num_configs_list = [[n for n, _ in rungs] for rungs in self._table]
        self.budgets_list = [[budget for _, budget in rungs] for rungs in self._table]

    def _signature(self) -> str:
        return f"{type(self).__name__}({self.num_configs_list!r}, {self.budgets_list!r})"


def _listed(value: Any, name: str) -> list[Any]:
    if isinstance(value, (str, bytes)) or not hasattr(value, "__iter__"):
        raise ConfigurationError(f"{name} must be a list, got {value!r}")
    items = list(value)
    if not items:
        raise ConfigurationError(f"{name} is empty: a bracket needs at least one rung")
    return items


def _brackets(value: Any, name: str) -> list[list[Any]]:
    items = _listed(value, name)
    nested = [hasattr(item, "__iter__") and not isinstance(item, (str, bytes)) for item in items]
    if not any(nested):
        return [items]
    if not all(nested):
        raise ConfigurationError(
            f"{name} mixes numbers and lists: give numbers (one bracket) or lists (one a bracket), "
            f"got {value!r}"
        )
    return [_listed(item, f"{name}[{i}]") for i, item in enumerate(items)]


def _rungs(counts: list[Any], budgets: list[Any], where: str) -> list[tuple[int, float]]:
    if len(counts) != len(budgets):
        raise ConfigurationError(
            f"num_configs_list{where} has {len(counts)} rungs, budgets_list{where} {len(budgets)}: "
            "give each rung a number of trials and a budget"
        )
    counts = [as_count(n, f"a number in num_configs_list{where}", least=1) for n in counts]
    if any(after > before for before, after in itertools.pairwise(counts)):
        raise ConfigurationError(
            f"num_configs_list{where} increases: {counts!r}; a rung takes its trials from the one "
            "before, so it cannot hold more"
        )
    exactly = [exact(budget, f"a budget in budgets_list{where}") for budget in budgets]
    if any(after <= before for before, after in itertools.pairwise(exactly)):
        raise ConfigurationError(
            f"budgets_list{where} must ascend from rung to rung, got {budgets!r}"
        )
    return list(zip(counts, as_budgets(exactly, *budgets), strict=True))
