"""Asynchronous successive halving."""

from __future__ import annotations

from bandmaster.core.decisions import Action, Done, New, Promote, Wait
from bandmaster.core.job import Job
from bandmaster.core.outcome import Outcome
from bandmaster.errors import ConfigurationError, StudyError, UnknownJobError
from bandmaster.multifidelity.budgets import (
    as_budgets,
    as_count,
    exact_eta,
    exact_range,
    rung_budgets,
)
from bandmaster.multifidelity.ladder import Ladder
from bandmaster.multifidelity.shapes import hyperband_brackets
from bandmaster.multifidelity.tabled import TabledIterGenerator, fits, name_of

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
        self.delayed = delayed
        self._ladders = [Ladder(len(b), factor, delayed=delayed) for b in self._table]
        self._n_iterations: int | None = None
        self._closed = False
        self._top: int | None = None  # the highest rung in use, for subclasses
        self._begun = 0  # iterations
        self._left = 0  # new trials of the iteration that began last
        self._out: dict[int, int] = {}  # job number → bracket
        self._last_job = -1
        self._action: Action | None = None  # what `next` answers until the state changes

    def plan(self, n_iterations: int | None) -> None:
        """Say how many iterations to run in all; None is no limit (also before the first call).

        Raises
        ------
        ConfigurationError
            When it is no count.
        """
        if n_iterations is not None:
            n_iterations = as_count(n_iterations, "n_iterations", least=0)
        self._n_iterations = n_iterations
        self._closed = False
        self._action = None

    def close_intake(self) -> None:
        """Learn that no new trial may start any more; called again it changes nothing."""
        self._closed = True
        self._action = None

    def next(self) -> Action:
        """Return New, Promote, Wait (while jobs are out and nothing may start) or Done."""
        if self._action is None:
            self._action = self._decide_next()
        return self._action

    def issued(self, job: Job) -> None:
        """Learn that the last answer of `next` became `job`.

        Raises
        ------
        StudyError
            When the job is not what `next` answers.
        """
        action = self.next()
        if not fits(job, action) or job.number in self._out:
            out = "it is out already; " if job.number in self._out else ""
            raise StudyError(f"{name_of(job)} was issued, but {out}the next action is {action!r}")
        if isinstance(action, New):
            if not self._left:
                self._left = self._table[self._begun % len(self._table)][0][0]
                self._begun += 1
            self._left -= 1
            self._ladders[job.bracket].start()
        else:
            self._ladders[job.bracket].promote(job.rung - 1)
        self._out[job.number] = job.bracket
        self._last_job = max(self._last_job, job.number)
        self._action = None

    def observe(self, job: Job, outcome: Outcome) -> None:
        """Learn how a job ended.

        Raises
        ------
        UnknownJobError
            When no such job is out.
        """
        bracket = self._out.pop(job.number, None)
        if bracket is None:
            story = "it has ended before" if job.number <= self._last_job else "it was never issued"
            raise UnknownJobError(f"{name_of(job)} ended, but it is not out: {story}")
        rank = self.objectives.rank(outcome)
        self._ladders[bracket].finish(job.rung, job.trial, rank, outcome.checkpoint)
        self._action = None

    def _decide_next(self) -> Action:
        last = self._n_iterations is not None and self._begun >= self._n_iterations
        intake = not self._closed and bool(self._left or not last)
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

    def _most(self, bracket: int) -> list[int] | None:
        """Return how many trials may come into each rung of a bracket in all."""
        if self._n_iterations is None:
            return None
        cycles, rest = divmod(max(self._n_iterations, self._begun), len(self._table))
        return [n * (cycles + (bracket < rest)) for n, _ in self._table[bracket]]

    def _signature(self) -> str:
        options = (f", n_brackets={self.n_brackets}" * (self.n_brackets > 1)) + (
            ", delayed=True" * self.delayed
        )
        return (
            f"{type(self).__name__}(min_budget={self.min_budget!r}, "
            f"max_budget={self.max_budget!r}, eta={self.eta!r}{options})"
        )
