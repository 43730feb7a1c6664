"""The public Study: ask and tell by hand, or `optimize`."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from bandmaster import wiring
from bandmaster.checkpoints import Keep
from bandmaster.core.clock import Clock
from bandmaster.core.isolation import isolation_of
from bandmaster.core.objectives import Metric, Objectives
from bandmaster.core.plan import Plan
from bandmaster.core.progress import Progress
from bandmaster.core.randomness import DEFAULT_SEED, make_seed
from bandmaster.errors import ConfigurationError, StudyBusyError
from bandmaster.interrupts import SIGTERM_GRACE
from bandmaster.multifidelity import IterGenerator
from bandmaster.optimizers import Optimizer
from bandmaster.space import Space
from bandmaster.storage import (
    LEASE_SECONDS,
    Journal,
    Storage,
    StudySummary,
    checkpoint_url,
    open_storage,
    open_study_journal,
    stored_space,
)
from bandmaster.study.follower import GRACE, MAX_INITIAL_FAILURES, Callback
from bandmaster.study.places import Places
from bandmaster.study.previous import Previous, learn_first, past_before
from bandmaster.study.result import Result
from bandmaster.study.study import Study as _Study

__all__ = ["Study"]


class Study(_Study):
    """One search, to be driven by hand or by `optimize`.

    Parameters
    ----------
    space : Space, ConfigurationSpace or HDL mapping, optional
        Default: that of a generator which has one (`PBTIterGenerator`).
    optimizer : str, Optimizer or Optimizer class, default "auto"
        Who proposes configurations. A stored study may go on with another one, or with other
        options; a warning and the result say from which trial on.
    generator : IterGenerator, optional
        Who decides on budgets. Default: every trial once, at budget 1.
    metrics : sequence of Metric, mapping or str, optional
        Default: minimise what is returned (``loss``).
    name : str, default ""
    random_state : int or None, default 0
        The seed; None draws one. A stored study keeps its own, and refuses another one.
    max_retries : int, default 3
        How often a job whose worker died is issued again.
    retry_failed : int, default 0
        How often a job that failed is issued again.
    storage : str or Storage, optional
        Where the events are kept, e.g. ``"sqlite:///search.db"``. Default: memory. Such a study has
        a name, and is to be closed (`close`, or a ``with`` block).
    load_if_exists : bool, default False
        Whether to go on with a study of this name that the storage has already. Its seed and its
        metrics count then, and may be left out.
    standby : bool, default False
        Whether to wait while another process has the stored study, and to take over after it:
        at once when it closes the study or dies on this machine, else when its lease has run out.
    lease_seconds : float, default 30
        A process that has a stored study and is not heard of for so long may be replaced; it can
        write nothing more then.
    previous_result : Result, Study, path, (name, storage) or iterable of Evaluation, optional
        What a new study learns from first (`learn_from`).
    clock : Clock, optional
        Stamps the events.

    Examples
    --------
    By hand:

    >>> study = Study({"x": {"_type": "uniform", "_value": [-5, 5]}}, optimizer="Random")
    >>> job = study.ask()
    >>> study.tell(job, (job.config["x"] - 2) ** 2)
    True

    Or all at once:

    >>> result = study.optimize(lambda config: (config["x"] - 2) ** 2, n_trials=20)
    >>> len(result.evaluations)
    21
    """

    def __init__(
        self,
        space: Any = None,
        *,
        optimizer: str | Optimizer | type[Optimizer] = "auto",
        generator: IterGenerator | None = None,
        metrics: Objectives | Sequence[Metric | Mapping[str, Any] | str] | None = None,
        name: str = "",
        random_state: int | None = DEFAULT_SEED,
        max_retries: int = 3,
        retry_failed: int = 0,
        storage: str | Storage | None = None,
        load_if_exists: bool = False,
        standby: bool = False,
        lease_seconds: float = LEASE_SECONDS,
        previous_result: Previous | None = None,
        clock: Clock | None = None,
    ) -> None:
        journal: Journal | None = None
        if standby and storage is None:
            raise ConfigurationError("standby=True needs a storage, e.g. sqlite:///search.db")
        if standby and not load_if_exists:
            raise ConfigurationError(
                "standby=True waits for a study that another process has, so it needs "
                "load_if_exists=True, too"
            )
        if storage is not None:
            name = name or f"study-{secrets.token_hex(4)}"
            previous_result = past_before(previous_result, name, storage)
            journal = open_study_journal(
                storage, name,
                load_if_exists=load_if_exists, lease_seconds=lease_seconds, standby=standby,
            )  # fmt: skip
        try:
            super().__init__(
                space,
                optimizer=wiring.make_optimizer(optimizer),
                generator=wiring.make_generator(generator),
                objectives=metrics,
                name=name,
                seed=make_seed(random_state),
                max_retries=max_retries,
                retry_failed=retry_failed,
                journal=journal,
                clock=clock,
            )
            self._beside = checkpoint_url(storage) if isinstance(storage, str) else None
            learn_first(self, previous_result)
            self.wait_durable(self.position)  # who is told of a study finds it
        except BaseException:
            if journal is not None:
                journal.close()
            raise

    def __enter__(self) -> Study:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @classmethod
    def load(
        cls,
        name: str,
        storage: str | Storage,
        *,
        optimizer: str | Optimizer | type[Optimizer] = "auto",
        generator: IterGenerator | None = None,
        max_retries: int = 3,
        retry_failed: int = 0,
        standby: bool = False,
        lease_seconds: float = LEASE_SECONDS,
    ) -> Study:
        """Load a stored study, to look at it or to go on with it.

        Parameters
        ----------
        name : str
        storage : str or Storage
        optimizer : str, Optimizer or Optimizer class, default "auto"
            Who proposes from now on; a warning says so when that was another one before.
        generator : IterGenerator, optional
            The one it was made with.
        max_retries : int, default 3
        retry_failed : int, default 0
        standby : bool, default False
            Whether to wait while another process has it.
        lease_seconds : float, default 30

        Returns
        -------
        Study
            To be closed.

        Raises
        ------
        StorageError
            When there is no such study.
        StudyError
            When it was made with another iteration generator.
        StudyBusyError
            When another process writes it, and we do not stand by.
        """
        return cls(
            Space.from_dict(stored_space(storage, name)),
            optimizer=optimizer,
            generator=generator,
            name=name,
            max_retries=max_retries,
            retry_failed=retry_failed,
            storage=storage,
            load_if_exists=True,
            standby=standby,
            lease_seconds=lease_seconds,
        )

    @staticmethod
    def list_studies(storage: str | Storage) -> list[StudySummary]:
        """Return the studies of a storage by name: when made, how many events, who writes them.

        Raises
        ------
        StorageError
            When the storage cannot be read, or is not there.
        """
        with _opened(storage) as opened:
            return opened.list_studies()

    @staticmethod
    def delete_study(name: str, storage: str | Storage, *, force: bool = False) -> None:
        """Delete a stored study with all that happened in it, and its checkpoints.

        What cannot be deleted of its checkpoints, or is not found, is logged as a warning with
        its place.

        Parameters
        ----------
        name : str
        storage : str or Storage
        force : bool, default False
            Delete it even if a process writes it; that one gets a StorageError.

        Raises
        ------
        StorageError
            When there is no such study.
        StudyBusyError
            When a process writes it.
        """
        with _opened(storage) as opened:
            places = Places.of(opened.read_journal(name).read(), beside=opened.file)
            if force:
                opened.revoke(name)
            try:
                opened.delete_study(name)
            except StudyBusyError as error:
                raise StudyBusyError(
                    f"{error}; stop it first, or delete the study all the same with force=True"
                ) from error
        if places is not None:
            places.remove()

    @property
    def result(self) -> Result:
        """What was found so far; a view that grows with the study."""
        return Result.of(self)

    def optimize(  # noqa: PLR0917 - the order that Optuna's users know
        self,
        objective: Callable[..., Any],
        n_trials: int | None = None,
        timeout: float | None = None,
        n_jobs: int = 1,
        callbacks: Iterable[Callback] = (),
        catch: tuple[type[BaseException], ...] = (Exception, SystemExit),
        *,
        n_evaluations: int | None = None,
        n_iterations: int | None = None,
        target_loss: float | None = None,
        parallel_strategy: str = "AsyncComm",
        grace: float | None = GRACE,
        job_timeout: float | None = None,
        progress: Progress | Callable[[], Progress] | bool = False,
        max_initial_failures: int | None = MAX_INITIAL_FAILURES,
        handle_signals: bool = True,
        sigterm_grace: float | None = SIGTERM_GRACE,
        isolate: bool = False,
        time_limit: float | None = None,
        memory_limit: int | str | None = None,
        checkpoint_store: str | os.PathLike[str] | None = None,
        keep_checkpoints: Keep | None = None,
    ) -> Result:
        """Evaluate `objective` until a limit is reached; called again, the search goes on.

        Parameters
        ----------
        objective : callable
            Gets what its parameters name: config, budget, config_id, config_info,
            working_directory, job, context. Returns the loss, or a dict with the metrics.
        n_trials : int, optional
            How many more configurations to start.
        timeout : float, optional
            Seconds after which nothing starts any more. What runs then is asked to stop with its
            next report. In worker processes (AsyncComm) it is ended `grace` seconds later, with
            status STOPPED; in the calling thread and in batches it is waited for.
        n_jobs : int, default 1
            Worker processes; -1 is one a processor. One means the calling thread, unless
            `job_timeout` or `isolate` need a process.
        callbacks : iterable of callable, default ()
            Called with (study, evaluation) in the calling thread; ``study.stop("why")`` ends
            the run.
        catch : tuple of exception types
            What makes an evaluation a failed one; any other exception ends the run and is raised
            here. By default nothing that an objective raises ends the run, but Ctrl-C.
        n_evaluations : int, optional
            How many more jobs (evaluations at any budget) to start.
        n_iterations : int, optional
            How many brackets of the iteration generator to run, those begun before included.
        target_loss : float, optional
            Stop when the metric that is optimised is at least this good at the largest budget.
        parallel_strategy : {"AsyncComm", "MapReduce"}, default "AsyncComm"
            How several processes work together.
        grace : float or None, default 1.0
            Seconds that `timeout` leaves to what runs in worker processes; None lets it end.
        job_timeout : float, optional
            Seconds; a job that is silent for longer is given up, and its process ended
            (AsyncComm, also with one job).
        progress : Progress, callable or bool, default False
            True shows a bar.
        max_initial_failures : int or None, default 10
            End the run with AllFailedError when so many evaluations have failed and none of this
            study has succeeded.
        handle_signals : bool, default True
            Whether, in the main thread, a first Ctrl-C or SIGTERM lets what is running end and
            returns, and a second one ends the run at once. Handlers that you have set yourself
            are left alone.
        sigterm_grace : float or None, default 10.0
            Seconds after which SIGTERM ends the run whatever is running; None: never.
        isolate : bool, default False
            Evaluate in child processes of the workers: what kills such a process, or breaks a
            limit, makes one failed evaluation (AsyncComm).
        time_limit : float, optional
            Seconds that an evaluation may take, with `isolate`.
        memory_limit : int or str, optional
            Bytes, or ``"512MB"``, ``"2GiB"``, that an evaluation may use, with `isolate`. Linux
            only.
        checkpoint_store : str or path, optional
            Where evaluations keep their states (``context.save``): a directory, or any URL that
            fsspec knows. Default: beside the stored study; in memory, a directory that is removed
            at the end of the run.
        keep_checkpoints : Keep, optional
            What to keep of states that nothing goes on from any more. Default: that of the best
            configuration.

        Returns
        -------
        Result

        Raises
        ------
        ConfigurationError
            When nothing would end the run, or arguments do not fit together.
        AllFailedError
            When the first `max_initial_failures` evaluations have all failed.
        """
        isolation = isolation_of(isolate, time_limit, memory_limit)
        n_jobs = wiring.count_jobs(n_jobs)
        # With one job "flat" means Serial, whatever the generator.
        strategy = wiring.choose_strategy(
            parallel_strategy, n_jobs, flat=True, isolated=isolate, job_timeout=job_timeout,
            reports=self.generator.needs_reports,
        )  # fmt: skip
        options = wiring.RunOptions(
            strategy=strategy, n_jobs=n_jobs, timeout=timeout, grace=grace,
            job_timeout=job_timeout, catch=catch, callbacks=callbacks, progress=progress,
            isolation=isolation, max_initial_failures=max_initial_failures,
            handle_signals=handle_signals, sigterm_grace=sigterm_grace,
            checkpoint_store=checkpoint_store, keep_checkpoints=keep_checkpoints,
        )  # fmt: skip
        plan = Plan(
            n_trials=None if n_trials is None else self.n_trials + n_trials,
            n_evaluations=None if n_evaluations is None else self.n_jobs + n_evaluations,
            n_iterations=n_iterations,
            target_loss=target_loss,
        ).or_iterations(self.generator.default_iterations)
        options.check(objective, plan, self.generator)  # before it is in the journal
        self.set_plan(plan)
        wiring.run(self, objective, options, beside=self._beside)
        return self.result


def _opened(storage: str | Storage) -> contextlib.AbstractContextManager[Storage]:
    """Return a storage that is there for a ``with`` block, which closes it if it made it."""
    if isinstance(storage, Storage):
        return contextlib.nullcontext(storage)
    return open_storage(storage, create=False)
