"""Looking at a stored study while somebody else writes it."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from typing import NoReturn

from bandmaster.core.decisions import Action
from bandmaster.core.evaluation import Evaluation
from bandmaster.core.events import StudyCreated
from bandmaster.core.history import History
from bandmaster.core.job import Job
from bandmaster.core.objectives import Objectives
from bandmaster.core.outcome import Outcome
from bandmaster.core.randomness import Key
from bandmaster.errors import StorageError, StudyError
from bandmaster.multifidelity.base import IterGenerator
from bandmaster.optimizers.base import Optimizer
from bandmaster.space import Space
from bandmaster.storage import Storage, checkpoint_url, open_storage
from bandmaster.study.ending import Ending, LastEnding, ending_of
from bandmaster.study.replay import fold
from bandmaster.study.reported import Reported
from bandmaster.study.state import StudyState

__all__ = ["StudyReader"]


class StudyReader:
    """A stored study, read only: its writer is not disturbed and need not have ended.

    It needs neither the optimizer nor the iteration generator, and knows the budgets that occur.
    Thread-safe. A ``with`` block closes it::

        with StudyReader("mine", "sqlite:///search.db") as reader:
            result = Result.of(reader)
            reader.refresh()        # the result has what was stored since

    Parameters
    ----------
    name : str
        The study.
    storage : str or Storage
        A URL or the path of an SQLite file, which has to be there. A Storage stays open.

    Raises
    ------
    StorageError
        If there is no such study, there is nothing in it, or the storage cannot be read.

    Attributes
    ----------
    history : History
        What had finished at the last `refresh`; it grows with each.
    space : Space
    last_ending : LastEnding
        `ending` as of the last `refresh`; it can be kept without the reader.
    timings : None
        What the study's proposals cost is known to its writer only.
    """

    timings = None

    def __init__(self, name: str, storage: str | Storage) -> None:
        self._owned: Storage | None = None
        if not isinstance(storage, Storage):
            self._owned = open_storage(checkpoint_url(storage), create=False)
        self._lock = threading.Lock()
        self.last_ending = LastEnding()
        self._closed = False
        try:
            source = storage if isinstance(storage, Storage) else self._owned
            assert source is not None
            self._journal = source.read_journal(name)
            first = next(iter(self._journal.read(0)), None)
            if not isinstance(first, StudyCreated):
                raise StorageError(f"study {name!r} is empty")
            space = Space.from_dict(first.space)
            self._state = StudyState(space, _NoOptimizer(), _NoGenerator(), History(space.dim))
            self.refresh()
        except BaseException:
            self.close()
            raise
        self.space = space
        self.history = self._state.history
        # With a journal of its own: each remembers how far it was read.
        self.history.reported = Reported(source.read_journal(name).read)

    def refresh(self) -> int:
        """Read what has been stored since the last time; return how many evaluations are new.

        Raises
        ------
        StorageError
            If it cannot be read, or the reader was closed.
        """
        with self._lock:
            if self._closed:
                raise StorageError(f"the reader of study {self._state.name!r} is closed")
            state = self._state
            before = len(state.history)
            fold(state, self._journal.read(state.n_events))
            self.last_ending.ending = ending_of(state, lambda: state.reserved and not state.open)
            return len(state.history) - before

    @property
    def objectives(self) -> Objectives:
        """The metrics and what each is for."""
        return self._state.objectives

    @property
    def proposers(self) -> Sequence[tuple[int, str]]:
        """From which trial on which optimizer proposed (its class and options); it may grow."""
        return self._state.proposers

    @property
    def budgets(self) -> tuple[float, ...]:
        """The budgets that occur, ascending."""
        return tuple(self.history.budgets)

    @property
    def n_open(self) -> int:
        """How many jobs were issued and have not ended."""
        return len(self._state.open)

    @property
    def stopped(self) -> str | None:
        """Why the study was stopped, or None."""
        return self._state.stopped

    @property
    def ending(self) -> Ending | None:
        """Why the search has ended; None if it has not, or its generator alone knows."""
        return self.last_ending.ending

    def close(self) -> None:
        """Read no more; close the storage if it was given by its URL. Twice does nothing."""
        with self._lock:
            self._closed = True
        if self._owned is not None:
            self._owned.close()

    def __enter__(self) -> StudyReader:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class _NoOptimizer(Optimizer):
    """Stands where a study has its optimizer; learns nothing."""

    def ask(self, budget: float, pending: Collection[Job], key: Key) -> NoReturn:
        raise StudyError("a study that is only read proposes nothing")

    def issued(self, job: Job) -> None:
        pass

    def tell(self, evaluation: Evaluation) -> None:
        pass


class _NoGenerator(IterGenerator):
    """Stands where a study has its iteration generator; decides nothing."""

    def get_budgets(self) -> tuple[float, ...]:
        return ()

    def next(self) -> Action:
        raise StudyError("a study that is only read issues nothing")

    def observe(self, job: Job, outcome: Outcome) -> None:
        pass

    def issued(self, job: Job) -> None:
        pass

    def plan(self, n_iterations: int | None) -> None:
        pass

    def close_intake(self) -> None:
        pass

    def extend(self, signature: str) -> None:
        pass

    def num_all_configs(self, n_iterations: int) -> int:
        return 0

    def total_budget(self, n_iterations: int) -> float:
        return 0.0

    def get_table(self) -> list[list[tuple[int, float]]]:
        return []
