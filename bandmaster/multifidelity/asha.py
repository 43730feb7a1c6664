"""Asynchronous successive halving."""

from __future__ import annotations

from typing import ClassVar

from bandmaster.core.decisions import Action, Done, New, Promote, Wait
from bandmaster.core.job import Job
from bandmaster.core.objectives import Rank
from bandmaster.errors import ConfigurationError
from bandmaster.multifidelity.budgets import (
    as_budgets,
    as_count,
    exact_eta,
    exact_range,
    rung_budgets,
)
from bandmaster.multifidelity.ladder import Ladder
from bandmaster.multifidelity.options import as_flag
from bandmaster.multifidelity.shapes import hyperband_brackets
from bandmaster.multifidelity.tabled import TabledIterGenerator

__all__ = ["ASHAIterGenerator"]


class ASHAIterGenerator(TabledIterGenerator):
    """ASHA of Li, Jamieson, Rostamizadeh et al. (MLSys 2020): halving in which nobody waits.

    Whenever a worker is free, the trial goes on that is among the best 1/eta of those that have
    ended in its rung, in the highest rung that has such a trial; if there is none, a new one
    starts. So no worker is idle before the last trials, whatever the evaluations take.

    Parameters
    ----------
    min_budget, max_budget, eta
        As for `HyperBandIterGenerator`, with the same rungs.
    n_brackets : int, default 1
        The first starts its trials at the smallest budget; each further one a rung higher, as
        Hyperband's brackets do, for objectives whose small budgets mislead.
    delayed : bool, default False
        Promote only while a rung has eta times as many results as it let go. Fewer trials are
        promoted by mistake, and the first good one comes later.

    Raises
    ------
    ConfigurationError
        When the arguments give no brackets.

    Notes
    -----
    An iteration is as much work as the bracket of `HyperBandIterGenerator` with these rungs: so
    many new trials, and at most so many promotions to each rung. Without a limit on iterations
    promotions have none either. All trials of a bracket share their rungs, over all iterations, so
    `Job.bracket` counts up to `n_brackets` only.

    Examples
    --------
    >>> ASHAIterGenerator(1, 9).configs_per_budget(1)
    {1: 9, 3: 3, 9: 1}
    """

    extensible: ClassVar[bool] = True

    def __init__(
        self,
        min_budget: float,
        max_budget: float,
        eta: float = 3,
        *,
        n_brackets: int = 1,
        delayed: bool = False,
    ) -> None:
        factor = exact_eta(eta)
        rungs = rung_budgets(*exact_range(min_budget, max_budget), factor)
        if as_count(n_brackets, "n_brackets", least=1) > len(rungs):
            raise ConfigurationError(
                f"n_brackets={n_brackets} needs as many rungs, but from {min_budget!r} to "
                f"{max_budget!r} with eta {eta!r} there are {len(rungs)}"
            )
        budgets = as_budgets(rungs, min_budget, max_budget)
        shapes = hyperband_brackets(len(rungs), factor, "default")[:n_brackets]
        super().__init__([
            list(zip(trials, budgets[-len(trials) :], strict=True)) for trials in shapes
        ])  # fmt: skip
        self.min_budget = min_budget
        self.max_budget = max_budget
        self.eta = eta
        self.n_brackets = n_brackets
        self.delayed = as_flag(delayed, "delayed")
        self._ladders = self._make_ladders()
        self._top: int | None = None  # the highest rung in use, for subclasses
        self._left = 0  # new trials of the iteration that began last

    def _make_ladders(self) -> list[Ladder]:
        eta = exact_eta(self.eta)
        return [Ladder(len(rungs), eta, delayed=self.delayed) for rungs in self._table]

    def _laid_out(self, budgets: tuple[float, ...]) -> None:
        self._ladders = self._make_ladders()

    def _extended(self, budgets: list[float]) -> None:
        for ladder in self._ladders:
            ladder.extend(len(budgets))

    def _with_max_budget(self, max_budget: float) -> ASHAIterGenerator:
        return type(self)(
            self.min_budget, max_budget, self.eta, n_brackets=self.n_brackets, delayed=self.delayed
        )

    def needs_checkpoint(self, trial: int) -> bool:
        """Return whether a trial that has no job out may be promoted yet."""
        return any(ladder.may_go_on(trial) for ladder in self._ladders)

    def _decide_next(self) -> Action:
        intake = self._may_begin or (self._left > 0 and not self._closed)
        for bracket, ladder in enumerate(self._ladders):
            rung = ladder.promotable(self._most(bracket), final=not intake, top=self._top)
            if rung is not None:
                _, trial, checkpoint = ladder.best(rung)
                budget = self._table[bracket][rung + 1][1]
                return Promote(trial, budget, bracket, rung + 1, checkpoint)
        if intake:
            bracket = (self._begun - bool(self._left)) % len(self._table)
            return New(self._table[bracket][0][1], "model", bracket)
        return Wait() if self._out else Done()

    def _started(self, job: Job, *, new: bool) -> int:
        if new:
            if not self._left:
                self._left = self._eras.rungs(self._begun)[0][0]
                self._begun += 1
            self._left -= 1
            self._ladders[job.bracket].start()
        else:
            self._ladders[job.bracket].promote(job.rung - 1)
        return job.bracket

    def _ended(self, bracket: int, job: Job, rank: Rank | None, checkpoint: str | None) -> None:
        self._ladders[bracket].finish(job.rung, job.trial, rank, checkpoint)

    def _most(self, bracket: int) -> list[int] | None:
        """Return how many trials may come into each rung of a bracket in all."""
        if self._n_iterations is None:
            return None
        most = [0] * len(self._table[bracket])
        n_iterations = max(self._n_iterations, self._begun)
        for rungs, place, times in self._eras.times(n_iterations):
            if place == bracket:
                most = [n + times * more for n, (more, _) in zip(most, rungs, strict=True)]
        return most

    def _signature(self) -> str:
        options = (f", n_brackets={self.n_brackets}" * (self.n_brackets > 1)) + (
            ", delayed=True" * self.delayed
        )
        return (
            f"{type(self).__name__}(min_budget={self.min_budget!r}, "
            f"max_budget={self.max_budget!r}, eta={self.eta!r}{options})"
        )
