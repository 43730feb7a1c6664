"""The shapes of a run's brackets, also where a larger budget was added on the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from bandmaster.multifidelity.shapes import further_rungs

__all__ = ["Eras", "Rungs", "Table"]

Rungs = list[tuple[int, float]]
"""Of one bracket: number of trials and budget, ascending."""

Table = list[Rungs]


class Eras:
    """Which rungs bracket number i has.

    Within an era the brackets repeat the cycle of its table. An era ends when budgets are added:
    brackets that had begun by then get further rungs on top, those that come begin a cycle of the
    new table.

    Parameters
    ----------
    table : sequence of brackets
        Each a sequence of rungs (number of trials, budget).
    """

    def __init__(self, table: Sequence[Sequence[tuple[int, float]]]) -> None:
        self._eras: list[tuple[int, Table]] = [(0, [list(rungs) for rungs in table])]

    @property
    def table(self) -> Table:
        """The cycle of the brackets that begin now."""
        return self._eras[-1][1]

    def rungs(self, bracket: int) -> Rungs:
        """Return the rungs of a bracket."""
        number = len(self._eras) - 1
        while self._eras[number][0] > bracket:
            number -= 1
        first, table = self._eras[number]
        return table[(bracket - first) % len(table)]

    def times(self, n_brackets: int) -> Iterator[tuple[Rungs, int, int]]:
        """Yield the rungs, the place in the cycle and how often they occur in so many brackets."""
        for number, (first, table) in enumerate(self._eras):
            last = self._eras[number + 1][0] if number + 1 < len(self._eras) else n_brackets
            cycles, rest = divmod(max(0, min(n_brackets, last) - first), len(table))
            for place, rungs in enumerate(table):
                yield rungs, place, cycles + (place < rest)

    def extend(self, begun: int, table: Table, eta: Fraction) -> list[float]:
        """Let the brackets after the first `begun` ones be those of a table with more budgets.

        Returns
        -------
        list of float
            The budgets that are new, ascending. The brackets that have begun get one rung each.
        """
        top = max(budget for rungs in self.table for _, budget in rungs)
        new = sorted({budget for rungs in table for _, budget in rungs if budget > top})
        self._eras = [
            (first, [[*rungs, *further_rungs(rungs, new, eta)] for rungs in before])
            for first, before in self._eras
            if first < begun
        ]
        self._eras.append((begun, [list(rungs) for rungs in table]))
        return new
