"""The part of a result that HpBandSter's users know: its methods, with their meanings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from bandmaster.core.history import History
from bandmaster.core.job import ConfigId
from bandmaster.core.objectives import Objectives
from bandmaster.errors import ConfigurationError
from bandmaster.study.incumbent import Trajectory, find_trajectory
from bandmaster.study.rows import config_id_of, own
from bandmaster.study.runs import Run, RunBook, extract_learning_curves

if TYPE_CHECKING:
    import pandas as pd
    from ConfigSpace import ConfigurationSpace

    from bandmaster.core.evaluation import Evaluation
    from bandmaster.space import Space
    from bandmaster.study.fanova import FanovaData

__all__ = ["ResultRuns"]

LossFunction = Callable[[Run], float]


class ResultRuns:
    """Incumbents, runs and learning curves of `Result`.

    A configuration's identifier is (bracket, 0, trial), the `config_id` that `compute` gets:
    HpBandSter's (iteration, stage, number), but that trials are numbered through the whole search.
    Evaluations of a previous result that the study learned from have bracket -1 and a negative
    number each. Failed evaluations are runs without a loss.
    """

    if TYPE_CHECKING:  # what `Result` has
        history: History
        space: Space | None
        objectives: Objectives

        @property
        def budgets(self) -> tuple[float, ...]:
            """The budgets that were planned or occur, ascending."""

        def get_incumbent(
            self, policy: str = "largest budget", *, budget: float | None = None
        ) -> Evaluation | None:
            """The incumbent under a policy."""

    def get_incumbent_id(self, policy: str = "largest budget") -> ConfigId | None:
        """Return the identifier of the best configuration, None without a success.

        Parameters
        ----------
        policy : {"largest budget", "any budget", "non-decreasing budget"}
            See `get_incumbent`. By default it is that of `best`: the lowest loss at the largest
            budget with a success (HpBandSter: at the largest budget that was planned, or None).
        """
        best = self.get_incumbent(policy)
        return None if best is None else config_id_of(best)

    def get_incumbent_trajectory(
        self,
        all_budgets: bool = True,
        bigger_is_better: bool = True,
        non_decreasing_budget: bool = True,
        *,
        policy: str | None = None,
        budget: float | None = None,
    ) -> Trajectory:
        """Follow the incumbent through the search, by HpBandSter's switches or by a policy.

        Parameters
        ----------
        all_budgets : bool, default True
            Whether evaluations at any budget can be the incumbent, or only those at the largest
            that was planned or occurs.
        bigger_is_better : bool, default True
            Whether an evaluation at a larger budget always wins.
        non_decreasing_budget : bool, default True
            Whether an evaluation at a smaller budget never wins.
        policy : {"largest budget", "any budget", "non-decreasing budget"}, optional
            In place of the last two switches: both are on; both are off; the last is on.
        budget : float, optional
            Look at this budget only.

        Returns
        -------
        Trajectory
            Has HpBandSter's keys, too: ``trajectory["losses"]``.

        Raises
        ------
        ConfigurationError
            If there is no such policy, or arguments exclude each other.
        """
        switches = (bigger_is_better, non_decreasing_budget)
        if type(all_budgets) is not bool:
            raise ConfigurationError(
                f"all_budgets is True or False, got {all_budgets!r}; one budget is named by budget="
            )
        if policy is not None and switches != (True, True):
            raise ConfigurationError(
                "give a policy, or bigger_is_better and non_decreasing_budget, not both"
            )
        if not all_budgets:
            if budget is not None:
                raise ConfigurationError("give all_budgets=False or a budget, not both")
            budget = self.budgets[-1] if self.budgets else None
        return find_trajectory(
            self.history, budget=budget, policy=policy or switches, objectives=self.objectives
        )

    def get_all_runs(self, only_largest_budget: bool = False) -> list[Run]:
        """Return every finished evaluation as a `Run`, in the order the study learned of them.

        Parameters
        ----------
        only_largest_budget : bool, default False
            Return for each configuration the last run at its largest budget only.
        """
        return self._book.largest() if only_largest_budget else self._book.all()

    def get_runs_by_id(self, config_id: Sequence[int] | int) -> list[Run]:
        """Return the runs of one configuration, budgets ascending; the last is the longest.

        Parameters
        ----------
        config_id : (int, int, int) or int
            The identifier, or the number of the trial.

        Raises
        ------
        UnknownJobError
            If no evaluation of it has finished.
        """
        return self._book.get(config_id)

    def get_id2config_mapping(self) -> dict[ConfigId, dict[str, Any]]:
        """Return ``{config_id: {"config": ..., "config_info": ...}}`` of all that was evaluated.

        Of a trial whose configuration changed on its way, the last one at its largest budget.
        """
        return self._book.configs()

    def get_learning_curves(
        self,
        lc_extractor: Callable[[list[Run]], list[Any]] = extract_learning_curves,
        config_ids: Iterable[Sequence[int] | int] | None = None,
    ) -> dict[ConfigId, list[Any]]:
        """Return the learning curves of each configuration.

        Parameters
        ----------
        lc_extractor : callable, optional
            Gets a configuration's runs, budgets ascending, and returns a list of curves. By
            default one: [(budget, loss), ...], without the budgets where it has no loss.
        config_ids : iterable, optional
            Of these only.

        Raises
        ------
        UnknownJobError
            If no evaluation of one of them has finished.
        """
        return self._book.curves(lc_extractor, config_ids)

    def num_iterations(self) -> int:
        """Return how many brackets of the iteration generator have a finished evaluation."""
        return len({e.bracket for e in self.history if own(e)})

    def get_pandas_dataframe(
        self, budgets: Iterable[float] | None = None, loss_fn: LossFunction | None = None
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return the configurations and the losses of the evaluations that have one.

        `to_dataframe` has all that is known, in one frame, failed evaluations included.

        Parameters
        ----------
        budgets : iterable of float, optional
            At these budgets only.
        loss_fn : callable, optional
            Gives the loss of a `Run`.

        Returns
        -------
        X : DataFrame
            One column a parameter, typed as in `to_dataframe`, and ``budget`` if there is more than
            one (unless that is the name of a parameter).
        y : DataFrame
            Its one column is ``loss``.
        """
        from bandmaster.study.fanova import scores
        from bandmaster.study.frame import config_frame

        chosen = self._chosen(budgets)
        runs, y = scores(self.get_all_runs(), chosen, loss_fn)
        return config_frame([run.evaluation for run in runs], y, with_budget=len(chosen) > 1)

    def get_fANOVA_data(
        self,
        config_space: ConfigurationSpace | None = None,
        budgets: Iterable[float] | None = None,
        loss_fn: LossFunction | None = None,
        failed_loss: float | None = None,
    ) -> FanovaData:
        """Return what the fANOVA package reads.

        Parameters
        ----------
        config_space : ConfigurationSpace, optional
            Default: the study's space as one, where quantised numbers count their steps. Not
            changed.
        budgets : iterable of float, optional
            At these budgets only.
        loss_fn : callable, optional
            Gives the loss of a `Run`.
        failed_loss : float, optional
            The loss of runs without one; they are left out by default.

        Returns
        -------
        X : ndarray of shape (n, d)
            One column a hyperparameter, in the order of the space that is returned: choices by
            their index, NaN where inactive. With more than one budget a column is ``budget``.
        y : ndarray of shape (n,)
        config_space : ConfigurationSpace
            What the columns are, ``budget`` included.

        Raises
        ------
        ConfigurationError
            If there is no space, or a value is not in it.
        SpaceError
            If ConfigSpace cannot express the study's space.
        """
        from bandmaster.study.fanova import fanova_data, scores

        chosen = self._chosen(budgets)
        runs, y = scores(self.get_all_runs(), chosen, loss_fn, failed_loss)
        return fanova_data(runs, y, chosen, self.space, config_space)

    @cached_property
    def _book(self) -> RunBook:
        return RunBook(self.history)

    def _chosen(self, budgets: Iterable[float] | None) -> list[float]:
        return sorted(set(self.budgets if budgets is None else budgets))
