"""What an optimizer is."""

from __future__ import annotations

import abc
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from msgspec import Struct, field

from bandmaster.core.evaluation import Evaluation
from bandmaster.core.history import History
from bandmaster.core.job import Job
from bandmaster.core.randomness import Key
from bandmaster.errors import ConfigurationError, SpaceExhaustedError
from bandmaster.space import Space, compile_space

if TYPE_CHECKING:
    import numpy as np

    from bandmaster.optimizers.prior import Prior

__all__ = ["Optimizer", "Suggestion"]


class Suggestion(Struct, frozen=True, gc=False):
    """A proposed configuration.

    Parameters
    ----------
    config : Mapping of str to value
        Legal in the optimizer's space; inactive parameters absent.
    info : Mapping
        Plain data about the proposal, e.g. ``{"model_based_pick": True}``.

    Notes
    -----
    The study encodes the configuration itself (``space.encode_one``), live and in replay, so that
    the vectors in the history are the same to the last bit.
    """

    config: Mapping[str, Any]
    info: Mapping[str, Any] = field(default_factory=dict)


class Optimizer(abc.ABC):
    """Proposes configurations (`ask`), learns from evaluations (`tell`).

    An optimizer sees a space, budgets and a history, never a study, a storage or a clock. One
    study drives it, from one thread at a time. A call sequence::

        optimizer.initialize(space, budgets=(1, 3, 9))
        suggestion = optimizer.ask(1, pending=[], key=Key(seed=0, number=0))
        optimizer.issued(job)        # the study made a job of the suggestion
        optimizer.tell(evaluation)   # the study has put it into `optimizer.history` before

    The contract that makes *resume equal never having stopped*:

    - `ask` is pure: called twice it proposes the same, and all its randomness comes from `key`.
    - State advances in `issued` and `tell` only; a loaded study replays these and no `ask`.
      (Caches of pure functions are free.)
    - A model is a function of the history's prefix, not of when it was asked.

    What a user believes (`Prior`) reaches every engine the same way: its constructor has an option
    ``prior`` that sets ``self.prior``; `initialize` binds it to the space; the engine draws its
    start-up points with `start_from` (instead of the space's `from_unit`), and adds
    ``self.log_prior(rows, n)``, n being how many evaluations its model has seen, to the log of its
    acquisition.

    Attributes
    ----------
    space : Space
    budgets : tuple of float
        Ascending; the last is the one that counts.
    history : History
        What has finished; read-only for the optimizer.
    prior : Prior or None
        Set by constructors that have the option.
    """

    trusted: ClassVar[bool] = False  # the study checks every proposal of one that is not

    space: Space
    budgets: tuple[float, ...]
    history: History
    prior: Prior | None = None

    def initialize(
        self,
        config_space: Any,
        budgets: Sequence[float] = (1.0,),
        *,
        history: History | None = None,
        leader: Optimizer | None = None,
    ) -> None:
        """Bind the optimizer to a search space.

        Parameters
        ----------
        config_space : Space, ConfigurationSpace or HDL mapping
        budgets : sequence of float, default (1.0,)
            All budgets that will occur.
        history : History, optional
            The record to read; a new one by default.
        leader : Optimizer, optional
            Propose for this one, as one of its engines: its history is read, and what was issued is
            its to keep. It alone gets `issued` and `tell`, so an engine must learn from the history
            only.

        Raises
        ------
        SpaceError
            If the space is malformed.
        ConfigurationError
            If there is no budget, or a budget is not positive; if the prior does not fit.
        """
        if not budgets or any(not budget > 0 for budget in budgets):
            raise ConfigurationError(f"budgets must be positive numbers, got {budgets!r}")
        self.space = compile_space(config_space)
        self.budgets = tuple(sorted(budgets))
        if leader is not None:
            history = leader.history
        self.history = History(self.space.dim) if history is None else history
        self._bound_prior = None if self.prior is None else self.prior.bind(self.space)
        self._seen: set[bytes] = set() if leader is None else leader._seen
        self.setup()

    @property
    def initialized(self) -> bool:
        """Whether `initialize` has been called."""
        return hasattr(self, "history")

    def setup(self) -> None:  # noqa: B027 - a hook, empty by default
        """Prepare for `self.space`; called at the end of `initialize`."""

    @abc.abstractmethod
    def ask(self, budget: float, pending: Collection[Job], key: Key) -> Suggestion:
        """Propose a configuration, without changing anything.

        Parameters
        ----------
        budget : float
            Where its first job will run.
        pending : collection of Job
            Jobs that are out; each has a `vector`.
        key : Key
            Names all randomness of this proposal; `key.number` is the trial's number.

        Raises
        ------
        SpaceExhaustedError
            When a finite space has no configuration left that was never issued.
        """

    def issued(self, job: Job) -> None:
        """Learn that a new trial has begun (of whatever source). Overriders call super."""
        if job.vector is not None:
            self._seen.add(job.vector.tobytes())

    @abc.abstractmethod
    def tell(self, evaluation: Evaluation) -> None:
        """Learn that an evaluation finished; `self.history` has it already."""

    def log_prior(self, rows: np.ndarray, n: int) -> np.ndarray | float:
        """Return what the user's beliefs add to the log of an acquisition.

        Parameters
        ----------
        rows : float64 (k, dim)
            Encoded rows.
        n : int
            How many evaluations the model has seen: beliefs count ``confidence / n``.

        Returns
        -------
        float64 (k,), or 0.0 without a prior
        """
        bound = self._bound_prior
        return 0.0 if bound is None else bound.weight(n) * bound.log_density(rows)

    def from_unit(self, U: np.ndarray) -> np.ndarray:
        """Map points of the unit cube to encoded rows, by the user's beliefs where there are some.

        As `Space.from_unit`: on the grid, NaN where inactive, forbidden rows among them.
        """
        bound = self._bound_prior
        return self.space.from_unit(U) if bound is None else bound.from_unit(U)

    def start_from(self, U: np.ndarray, number: int) -> np.ndarray:
        """Map points of the unit cube to encoded rows for the start-up, of trial `number`.

        As `from_unit`, but that every other trial goes where it would go without beliefs: models
        that know one corner only find it hard to leave.
        """
        return self.space.from_unit(U) if number % 2 else self.from_unit(U)

    def seen(self, vector: np.ndarray) -> bool:
        """Whether a trial with exactly this encoded configuration was issued before."""
        return vector.tobytes() in self._seen

    @property
    def n_seen(self) -> int:
        """How many different configurations were issued."""
        return len(self._seen)

    def check_not_exhausted(self) -> None:
        """Raise SpaceExhaustedError if every configuration of the space was issued."""
        if self.n_seen >= self.space.n_configurations:
            raise SpaceExhaustedError(
                f"all {self.space.n_configurations} configurations of the space were proposed"
            )
