"""A result as HpBandSter's users know it: runs, their configurations, learning curves."""

from __future__ import annotations

import operator
import threading
from bisect import insort
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bandmaster.core.evaluation import Evaluation
from bandmaster.core.job import ConfigId
from bandmaster.errors import UnknownJobError
from bandmaster.study.rows import config_id_of, loss_of, stamps_of

__all__ = [
    "Curve",
    "Run",
    "RunBook",
    "extract_learning_curves",
]

Curve = list[tuple[float, float]]
"""One learning curve: (budget, loss), budgets ascending."""


@dataclass(frozen=True, slots=True)
class Run:
    """One finished evaluation under the names that HpBandSter has for its parts.

    Parameters
    ----------
    config_id : (int, int, int)
        (bracket, 0, trial), as `compute` gets it.
    budget : float
    loss : float or None
        What is minimised; None unless the evaluation ended well.
    info : object
        What `compute` returned under ``"info"``.
    time_stamps : dict
        ``submitted``, ``started`` and ``finished`` in seconds since the epoch.
    error_logs : str or None
        The traceback, or why it ended.
    evaluation : Evaluation
        All that is known of it.
    """

    config_id: ConfigId
    budget: float
    loss: float | None
    info: Any
    time_stamps: Mapping[str, float]
    error_logs: str | None
    evaluation: Evaluation = field(repr=False)

    @classmethod
    def of(cls, evaluation: Evaluation) -> Run:
        """Name the parts of an evaluation."""
        e = evaluation
        return cls(config_id_of(e), e.budget, loss_of(e), e.info, stamps_of(e), e.error, e)


class RunBook:
    """The runs of a history by configuration; it grows with the history.

    Thread-safe, and each evaluation is looked at once.

    Parameters
    ----------
    history : sequence of Evaluation
        Append-only, in the order in which the study learned of them.
    """

    def __init__(self, history: Sequence[Evaluation]) -> None:
        self._history = history
        self._lock = threading.Lock()
        self._runs: list[Run] = []
        self._by_trial: dict[int, list[Run]] = {}

    def _catch_up(self) -> dict[int, list[Run]]:
        """Take in what is new; return the runs by trial. The lock is held."""
        while len(self._runs) < len(self._history):
            run = Run.of(self._history[len(self._runs)])
            self._runs.append(run)
            runs = self._by_trial.setdefault(run.evaluation.trial, [])
            insort(runs, run, key=_budget)  # after those at the same budget
        return self._by_trial

    def _lists(self) -> list[list[Run]]:
        with self._lock:
            return [list(runs) for runs in self._catch_up().values()]

    def all(self) -> list[Run]:
        """Return all runs in the order of the history."""
        with self._lock:
            self._catch_up()
            return list(self._runs)

    def get(self, config_id: Sequence[int] | int) -> list[Run]:
        """Return the runs of one configuration, budgets ascending.

        Parameters
        ----------
        config_id : (int, int, int) or int
            The identifier, or the number of the trial.

        Raises
        ------
        UnknownJobError
            If no evaluation of it has finished.
        """
        named = (
            tuple(config_id) if isinstance(config_id, Sequence) else (operator.index(config_id),)
        )
        with self._lock:
            runs = list(self._catch_up().get(named[-1], ())) if named else []
        if not runs or named not in (runs[0].config_id, (named[-1],)):
            raise UnknownJobError(
                f"no evaluation of the configuration {config_id!r} has finished; see "
                "get_id2config_mapping() for those there are"
            )
        return runs

    def largest(self) -> list[Run]:
        """Return the last run at the largest budget of each configuration."""
        return [runs[-1] for runs in self._lists()]

    def configs(self) -> dict[ConfigId, dict[str, Any]]:
        """Return configuration and what the optimizer said about it, by identifier."""
        return {
            runs[-1].config_id: {
                "config": dict(runs[-1].evaluation.config),
                "config_info": dict(runs[-1].evaluation.config_info),
            }
            for runs in self._lists()
        }

    def curves(
        self,
        extract: Callable[[list[Run]], list[Any]],
        config_ids: Iterable[Sequence[int] | int] | None,
    ) -> dict[ConfigId, list[Any]]:
        """Return what `extract` makes of the runs of each configuration, or of some."""
        chosen = self._lists() if config_ids is None else map(self.get, config_ids)
        return {runs[0].config_id: extract(runs) for runs in chosen}


def _budget(run: Run) -> float:
    return run.budget


def extract_learning_curves(runs: Sequence[Run]) -> list[Curve]:
    """Make one curve of a configuration's runs: its loss at each budget where it has one.

    Of several runs at a budget the last with a loss counts.
    """
    return [sorted({run.budget: run.loss for run in runs if run.loss is not None}.items())]
