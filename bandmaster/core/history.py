"""The columnar, append-only record of finished evaluations."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Protocol, overload

import numpy as np

from bandmaster.core.evaluation import Evaluation
from bandmaster.core.objectives import Objectives
from bandmaster.core.retried import Retried
from bandmaster.errors import ConfigurationError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["History", "Reports"]

_FIELDS = [
    ("job", np.int64), ("trial", np.int64), ("budget", np.float64), ("loss", np.float64),
    ("ok", np.bool_), ("bracket", np.int64), ("rung", np.int64),
    ("submitted", np.float64), ("started", np.float64), ("finished", np.float64),
]  # fmt: skip


class Reports(Protocol):
    """What trials reported, step by step: `study.reported.Reported`."""

    def frame(self, trial: int | None, objectives: Objectives) -> pd.DataFrame:
        """Return the steps of a trial, or of all."""


class History(Sequence[Evaluation]):
    """The finished evaluations in the order in which the study learned of them.

    Only the study appends. Everybody else reads: optimizers the columns, results the rows.
    Columns are read-only views of what is there now; they stay valid, and do not grow.

    Parameters
    ----------
    dim : int
        Columns of the encoded configurations.

    Attributes
    ----------
    objectives : Objectives
        The metrics of the study, which sets it. Default: minimise ``loss``.
    reported : Reports or None
        What trials reported while they ran, for whoever calls this history; the study sets it.
    retried : list of Retried
        The attempts that were lost or failed and were to be run again; the study appends.

    Notes
    -----
    Rows may be read in any thread while one appends. The columns are made when they are asked for,
    of what is new since the last time; their arrays double.
    """

    def __init__(self, dim: int) -> None:
        self.objectives = Objectives()
        self.reported: Reports | None = None
        self.retried: list[Retried] = []
        self._rows: list[Evaluation] = []
        self._table = np.zeros(16, dtype=_FIELDS)
        self._vectors = np.full((16, dim), np.nan)
        self._tabulated = 0
        self._lock = threading.Lock()
        self._by_budget: dict[float, list[int]] = {}
        self._best: dict[float, tuple[float, Evaluation]] = {}

    def append(self, evaluation: Evaluation) -> None:
        """Add a row (the study's business)."""
        e, n = evaluation, len(self._rows)
        self._rows.append(e)
        self._by_budget.setdefault(e.budget, []).append(n)
        if e.loss is not None and e.ok:
            best = self._best.get(e.budget)
            if best is None or e.loss < best[0]:
                self._best[e.budget] = (e.loss, e)

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Evaluation: ...
    @overload
    def __getitem__(self, index: slice) -> list[Evaluation]: ...
    def __getitem__(self, index: int | slice) -> Evaluation | list[Evaluation]:
        return self._rows[index]

    def __iter__(self) -> Iterator[Evaluation]:
        return iter(self._rows)

    def __call__(self, trial: int | None = None) -> pd.DataFrame:
        """Return what a trial reported while it ran: every step once, also after crashes.

        So ``result.history`` is the evaluations, and ``result.history(3)`` the training of trial 3.

        Parameters
        ----------
        trial : int, optional
            Default: all trials, one after the other.

        Returns
        -------
        DataFrame
            One row a step: ``trial``, ``step``, ``job``, ``attempt``, ``time`` (UTC), ``loss``
            (NaN without one), ``checkpoint`` (that came with it), ``exploited_from`` (whose
            checkpoint the job started from, if it began with an exploit), ``metric.<name>`` for
            each number that was reported and ``config.<name>`` for the configuration in force.

        Raises
        ------
        ConfigurationError
            When nobody knows: this history is not of a study, or was read from a file that keeps
            no steps.
        UnknownJobError
            When there is no such trial.
        StorageError
            When the journal cannot be read.
        """
        return self.reports.frame(trial, self.objectives)

    @property
    def reports(self) -> Reports:
        """What trials reported.

        Raises
        ------
        ConfigurationError
            When nobody knows.
        """
        if self.reported is None:
            raise ConfigurationError(
                "what trials reported is in the journal of their study, and this history has none: "
                "it was made without a study, or read from a file that keeps no steps (.csv, "
                "HpBandSter's, or older than this version); use study.result, or "
                "Result.of_stored(name, storage)"
            )
        return self.reported

    def __repr__(self) -> str:
        return f"<History of {len(self)} evaluations at budgets {self.budgets}>"

    @property
    def dim(self) -> int:
        """Columns of `vectors`."""
        return int(self._vectors.shape[1])

    @property
    def vectors(self) -> np.ndarray:
        """Encoded configurations, shape (n, dim); NaN where a parameter is inactive."""
        n = self._tabulate()
        return _frozen(self._vectors[:n])

    def column(self, name: str) -> np.ndarray:
        """Return one column, shape (n,).

        Parameters
        ----------
        name : str
            job, trial, budget, loss (NaN when there is none), ok, bracket, rung, submitted,
            started or finished.
        """
        n = self._tabulate()
        return _frozen(self._table[name][:n])

    @property
    def losses(self) -> np.ndarray:
        """Losses, shape (n,); NaN for evaluations that failed."""
        return self.column("loss")

    @property
    def budgets(self) -> list[float]:
        """The budgets seen so far, ascending."""
        return sorted(self._by_budget)

    def at_budget(self, budget: float) -> np.ndarray:
        """Row numbers of the evaluations at `budget`, ascending."""
        return np.asarray(self._by_budget.get(budget, ()), dtype=np.intp)

    def count(self, budget: float) -> int:
        """How many evaluations finished at `budget`, failed ones included."""
        return len(self._by_budget.get(budget, ()))

    def best(self, budget: float | None = None) -> Evaluation | None:
        """Return the evaluation of lowest loss (the earliest of equals).

        Parameters
        ----------
        budget : float, optional
            Default: the largest budget at which anything succeeded.
        """
        if budget is None:
            budget = max(self._best, default=None)
        best = None if budget is None else self._best.get(budget)
        return None if best is None else best[1]

    def _tabulate(self) -> int:
        """Write the rows that are new into the arrays; returns how many rows there are now.

        Only when somebody looks at columns: many rows at once cost a third of one by one, and some
        optimizers never look.
        """
        first, n = self._tabulated, len(self._rows)
        if first == n:
            return n
        with self._lock:
            first, n = self._tabulated, len(self._rows)
            while n > len(self._table):
                self._table = np.concatenate([self._table, np.zeros_like(self._table)])
                self._vectors = np.concatenate([self._vectors, np.full_like(self._vectors, np.nan)])
            rows = self._rows[first:n]
            self._table[first:n] = [
                (
                    e.job, e.trial, e.budget, np.nan if e.loss is None else e.loss, e.ok,
                    e.bracket, e.rung, e.submitted, e.started, e.finished,
                )
                for e in rows
            ]  # fmt: skip
            for row, e in enumerate(rows, first):
                if e.vector is not None:
                    self._vectors[row] = e.vector
            self._tabulated = n
            return n


def _frozen(view: np.ndarray) -> np.ndarray:
    view = view[:]
    view.flags.writeable = False
    return view
