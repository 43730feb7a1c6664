"""Results: a read-only view on a History, with its table and its plots."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bandmaster.core.evaluation import Evaluation
from bandmaster.core.history import History
from bandmaster.core.objectives import Objectives
from bandmaster.errors import ConfigurationError
from bandmaster.study.frame import attempts_frame, build_frame
from bandmaster.study.incumbent import find_trajectory
from bandmaster.study.notes import (
    note_ending,
    note_engines,
    note_exceptions,
    note_failures,
    note_front,
    note_proposers,
    note_retries,
)
from bandmaster.study.pickling import dump_result, load_result
from bandmaster.study.result_plots import ResultPlots
from bandmaster.study.result_runs import ResultRuns
from bandmaster.study.result_times import ResultTimes
from bandmaster.study.result_trainings import FAILURES, ResultTrainings
from bandmaster.study.rows import loss_of
from bandmaster.study.saving import Saved, load, save
from bandmaster.study.table import ResultTable

if TYPE_CHECKING:
    import pandas as pd

    from bandmaster.optimizers.base import Optimizer
    from bandmaster.space import Space
    from bandmaster.storage import Storage
    from bandmaster.study.importance import ParameterImportance
    from bandmaster.study.reader import StudyReader
    from bandmaster.study.view import StudyView

__all__ = ["FMinResult", "Result"]


class Result(ResultRuns, ResultTrainings, ResultTimes, ResultPlots):
    """What a search found: a read-only view on a History, also of one that still grows.

    Printing it shows the best configuration of each budget as a table. Pickling it saves the rows
    it has by then, and nothing of the study or the optimizer.

    Parameters
    ----------
    history : History
    space : Space, optional
        Gives the parameters and their order; without it they are those that occur, sorted.
    budgets : sequence of float, optional
        The budgets that were planned; those that occur are added.
    objectives : Objectives, optional
        The metrics of the study. Default: minimise ``loss``.

    Attributes
    ----------
    history : History
        The evaluations. Called with a trial's number, ``result.history(3)``, it gives that trial's
        training step by step, as a data frame (`History.__call__`).
    space : Space or None
    objectives : Objectives
    """

    def __init__(
        self,
        history: History,
        space: Space | None = None,
        *,
        budgets: Sequence[float] | None = None,
        objectives: Objectives | None = None,
    ) -> None:
        self.history = history
        self.space = space
        self.objectives = objectives or Objectives()
        self._budgets = tuple(budgets or ())
        self._proposers: Sequence[tuple[int, str]] = ()

    @classmethod
    def of(cls, study: StudyView | StudyReader) -> Result:
        """Return what a study has found so far; the view grows with the study."""
        result = cls(study.history, study.space, budgets=study.budgets, objectives=study.objectives)
        result._timings, result._proposers = study.timings, study.proposers
        result._last = study.last_ending
        return result

    @staticmethod
    def of_stored(name: str, storage: str | Storage) -> Result:
        """Return what a stored study has found by now, also while another process writes it.

        The study is not opened for writing, so its optimizer and iteration generator need not be
        given. It is read once: `study.reader.StudyReader` follows it.

        Parameters
        ----------
        name : str
        storage : str or Storage
            A URL, or the path of an SQLite file.

        Raises
        ------
        StorageError
            If there is no such study, there is nothing in it, or the storage cannot be read.
        """
        from bandmaster.study.reader import StudyReader

        with StudyReader(name, storage) as reader:
            return Result.of(reader)

    # ---- rows

    @property
    def evaluations(self) -> list[Evaluation]:
        """All finished evaluations, in the order in which the study learned of them."""
        return list(self.history)

    @property
    def failures(self) -> list[Evaluation]:
        """Evaluations that raised, timed out or crashed; `error` has the traceback or reason.

        Also those of trials that were tried again, and went well then; `errors` is without them.
        """
        return [e for e in self.history if e.status in FAILURES]

    @property
    def budgets(self) -> tuple[float, ...]:
        """The budgets that were planned or occur, ascending."""
        return tuple(sorted({*self._budgets, *self.history.budgets}))

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the parameters, in the order of the space."""
        known = dict.fromkeys(() if self.space is None else self.space.names)
        extra = {name for e in self.history for name in e.config if name not in known}
        return (*known, *sorted(extra))

    @property
    def n_configs(self) -> dict[float, int]:
        """How many configurations finished at each budget, failed ones included."""
        pairs = {(e.budget, e.trial) for e in self.evaluations}
        return {**dict.fromkeys(self.budgets, 0), **Counter(budget for budget, _ in pairs)}

    def to_dataframe(self, *, attempts: bool = False) -> pd.DataFrame:
        """Return a data frame with one row an evaluation.

        Parameters
        ----------
        attempts : bool, default False
            Add a row for each attempt that was tried again (`retries`), before that of its
            evaluation: with status ``lost`` or ``failed`` and, in a column ``tried_again``, True.
            ``started`` and ``finished`` are when the study issued and lost it.

        Returns
        -------
        DataFrame
            Columns ``job``, ``attempt``, ``trial``, ``bracket``, ``rung``, ``budget``; ``status``
            and ``worker`` (categories); ``loss`` (NaN without one); ``submitted``, ``started``
            and ``finished`` (UTC; NaT where no worker timed it), ``duration`` and ``wait`` from
            submitted to started (seconds); ``model_based`` (whether a model picked the
            configuration, missing if the optimizer does not say); ``error``; ``config.<name>`` for
            each parameter (integers, floats, booleans or categories; missing where inactive) and
            ``metric.<name>`` for each metric. Where the study has constraints also ``feasible``
            and ``met.<name>`` for each of them (missing unless the evaluation ended well).
        """
        if attempts:
            return attempts_frame(self.evaluations, self.retries, self.parameters, self.objectives)
        return build_frame(self.evaluations, self.parameters, self.objectives)

    # ---- incumbents

    @property
    def best(self) -> Evaluation | None:
        """The evaluation of lowest loss at the largest budget with a success, None without one.

        Where the study has constraints, only evaluations for which all of them hold count, here
        and in all that follows.
        """
        found = map(self._best_at, reversed(self.history.budgets))
        return next((e for e in found if e is not None), None)

    @property
    def best_config(self) -> dict[str, Any] | None:
        """The configuration of `best`."""
        return None if self.best is None else dict(self.best.config)

    @property
    def best_loss(self) -> float | None:
        """The loss of `best`: what was minimised, so a maximised metric with its sign turned."""
        return None if self.best is None else self.best.loss

    @property
    def best_value(self) -> float | None:
        """The value in `best` of the metric that is optimised; `best_loss` if that is the loss."""
        loss = self.best_loss
        return None if loss is None else self.objectives.value(loss)

    @property
    def best_budget(self) -> float | None:
        """The budget of `best`."""
        return None if self.best is None else self.best.budget

    @property
    def best_trial(self) -> int | None:
        """The number of the trial of `best`."""
        return None if self.best is None else self.best.trial

    @property
    def incumbents(self) -> dict[float, Evaluation]:
        """The evaluation of lowest loss at each budget where one succeeded, budgets ascending."""
        found = {b: self._best_at(b) for b in self.budgets}
        return {b: e for b, e in found.items() if e is not None}

    def _best_at(self, budget: float) -> Evaluation | None:
        if not self.objectives.constraints:
            best = self.history.best(budget)
            if best is None or loss_of(best) is not None:
                return best
        return self.get_incumbent(budget=budget)

    def get_incumbent(
        self, policy: str = "largest budget", *, budget: float | None = None
    ) -> Evaluation | None:
        """Return the incumbent at the end, under a policy of your choice.

        Parameters
        ----------
        policy : {"largest budget", "any budget", "non-decreasing budget"}
            ``"largest budget"``: the lowest loss at the largest budget with a success (this is
            `best`). ``"any budget"``: the lowest loss of all. ``"non-decreasing budget"``: who
            was left when each challenger had to have a lower loss at no smaller a budget; it
            depends on the order of the evaluations.
        budget : float, optional
            Look at this budget only.

        Returns
        -------
        Evaluation or None
            With its `config`, `loss` and `budget`. Of equals the earliest; None without a success.

        Raises
        ------
        ConfigurationError
            If there is no such policy.
        """
        rows: Sequence[Evaluation] = self.history
        if budget is not None:  # not a look at all of them for each of many budgets
            rows = [self.history[i] for i in self.history.at_budget(budget)]
        trajectory = find_trajectory(rows, policy=policy, objectives=self.objectives)
        return trajectory.evaluations[-1] if trajectory.evaluations else None

    def pareto_front(
        self, metrics: Sequence[str] | None = None, *, budget: float | None = None
    ) -> list[Evaluation]:
        """Return the evaluations that no other beats in one metric without losing in another.

        Parameters
        ----------
        metrics : sequence of str, optional
            Two or more. Default: all that are optimised.
        budget : float, optional
            Values at different budgets are not compared. Default: the largest at which an
            evaluation has all these metrics and breaks no constraint.

        Returns
        -------
        list of Evaluation
            The best by the first metric first; of equals all.

        Raises
        ------
        ConfigurationError
            If there is no such metric, or there are fewer than two.
        """
        from bandmaster.study.pareto import choose_metrics, find_front

        chosen = choose_metrics(self.objectives, metrics)
        return find_front(self.history, self.objectives, chosen, budget)

    def parameter_importance(
        self, budget: float | None = None, *, scale: str = "auto", n_trees: int = 16, seed: int = 0
    ) -> ParameterImportance:
        """Return which share of the loss's variance each parameter explains, and each two together.

        Parameters
        ----------
        budget : float, optional
            Default: the largest with ten successes, else the one with the most.
        scale : {"auto", "linear", "log", "rank"}, default "auto"
            Of the losses; ``"auto"`` takes logarithms where they span three decades.
        n_trees : int, default 16
            The size of the forest that is analysed (fANOVA).
        seed : int, default 0

        Returns
        -------
        ParameterImportance
            Without shares, and with the reason, where there is too little to see.

        Raises
        ------
        ConfigurationError
            If there is no such scale, or it needs positive losses.
        """
        from bandmaster.study.importance import compute_importance

        return compute_importance(
            self.evaluations, self.space, budget=budget, scale=scale, n_trees=n_trees, seed=seed,
            objectives=self.objectives,
        )  # fmt: skip

    # ---- shown

    def __repr__(self) -> str:
        if not self.history:
            return "<Result: no evaluation has finished yet>"
        notes = note_failures(self.failures, len(self.history)) + self._notes()
        return self._table(notes).to_text()

    def _repr_html_(self) -> str:
        if not self.history:
            return "<p>No evaluation has finished yet.</p>"
        from bandmaster.study.html_view import HtmlView

        return HtmlView(
            self.evaluations, self.failures, self.best, self._table(self._notes()), self.objectives,
            self.optimizer_time,
        ).to_html()  # fmt: skip

    def _notes(self) -> list[str]:
        front: list[str] = []
        if len(self.objectives.optimized) > 1:
            front = note_front(len(self.pareto_front()), self.objectives)
        return [
            *front,
            *note_exceptions(self.history, self.objectives),
            *note_retries(self.retries),
            *note_ending(self.ending),
            *note_proposers(self._proposers),
            *note_engines(self.history),
        ]

    def _table(self, notes: Sequence[str]) -> ResultTable:
        return ResultTable(
            self.parameters, self.budgets, self.incumbents, self.n_configs, notes, self.objectives
        )

    # ---- files

    def save(self, path: str | os.PathLike[str]) -> None:
        """Save the rows there are by now, in the format that the path means.

        The file appears, or takes the place of another one, whole or not at all.

        Parameters
        ----------
        path : path
            ``.jsonl`` (or ``.ndjson``), ``.parquet`` and ``.pkl`` (or ``.pickle``) keep all of a
            result; ``.csv`` keeps the evaluations, without space, objectives and planned budgets.
            Without a suffix: a directory with HpBandSter's ``configs.json`` and ``results.json``,
            which keep even less (see docs/results.md).

        Raises
        ------
        ConfigurationError
            When the path means no format, or there is no such folder.
        MissingExtraError
            Without pyarrow, for Parquet.
        StorageError
            When it cannot be written; what was there is as it was.
        CodecError
            When a value is no plain data.
        """
        save(Saved(self.history, self.space, self.budgets, self.objectives), path, result=self)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, space: Any = None) -> Result:
        """Read a result from what `save` wrote, or from HpBandSter's directory.

        The file is data, and nothing of it is run. That includes a pickle, of which only a
        Result's plain data is taken; ``pickle.load`` does the same with a file of yours, but runs
        whatever a stranger's file names.

        Parameters
        ----------
        path : path
        space : Space, ConfigurationSpace or HDL mapping, optional
            For CSV and HpBandSter's files, which keep none. Default: the file's.

        Raises
        ------
        ConfigurationError
            When the path means no format.
        MissingExtraError
            Without pyarrow, for Parquet.
        StorageError
            When there is no such file, or it cannot be read.
        CodecError
            When it is damaged; a last line that was cut off is left out with a warning.
        """
        if space is not None:
            from bandmaster.space import compile_space

            space = compile_space(space)
        saved = load(path, space=space)
        return cls(saved.history, saved.space, budgets=saved.budgets, objectives=saved.objectives)

    # ---- pickling

    def __reduce__(self) -> tuple[Any, ...]:
        state = dump_result(self.history, self.space, self.budgets)
        return _restore, ({**state, "objectives": self.objectives.to_data()},)


def FMinResult(optimizer: Optimizer) -> Result:
    """Return the Result over what an optimizer has been told.

    Raises
    ------
    ConfigurationError
        If the optimizer was never initialized.
    """
    if not optimizer.initialized:
        raise ConfigurationError(
            f"{type(optimizer).__name__} was never initialized, so it has no history; call its "
            "initialize(config_space, budgets) or give it to a Master or fmin first"
        )
    history = optimizer.history
    return Result(
        history, optimizer.space, budgets=optimizer.budgets, objectives=history.objectives
    )


def _restore(state: Mapping[str, Any]) -> Result:
    """Load a pickle; its name and module are part of the format."""
    history, space, budgets = load_result(state)
    kept = state.get("objectives")
    objectives = Objectives() if kept is None else Objectives.from_data(kept)
    return Result(history, space, budgets=budgets, objectives=objectives)
