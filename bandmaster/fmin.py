"""The one-liner."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from bandmaster import wiring
from bandmaster.checkpoints import Keep
from bandmaster.core.isolation import isolation_of
from bandmaster.core.objectives import Metric, Objectives
from bandmaster.core.plan import Plan
from bandmaster.core.randomness import DEFAULT_SEED
from bandmaster.errors import ConfigurationError
from bandmaster.facade import Study
from bandmaster.interrupts import SIGTERM_GRACE
from bandmaster.multifidelity import IterGenerator
from bandmaster.optimizers import Optimizer
from bandmaster.storage import LEASE_SECONDS, Storage, checkpoint_url
from bandmaster.study.binding import choose_space
from bandmaster.study.follower import GRACE, MAX_INITIAL_FAILURES, Callback
from bandmaster.study.previous import Previous
from bandmaster.study.result import Result

__all__ = ["fmin"]


class _Default(int):
    """A default that can be told from the same number when somebody gives it."""


_HUNDRED = _Default(100)


def fmin(  # noqa: PLR0917 - the order of seed users' scripts
    eval_func: Callable[..., Any],
    config_space: Any = None,
    optimizer: str | Optimizer | type[Optimizer] = "auto",
    n_iterations: int | None = _HUNDRED,
    n_trials: int | None = None,
    n_jobs: int = 1,
    parallel_strategy: str = "AsyncComm",
    auto_identify_serial_strategy: bool = True,
    multi_fidelity_iter_generator: IterGenerator | None = None,
    initial_points: Sequence[Mapping[str, Any]] | None = None,
    previous_result: Previous | None = None,
    random_state: int | None = DEFAULT_SEED,
    timeout: float | None = None,
    show_progressbar: bool = True,
    checkpoint_file: str | os.PathLike[str] | None = None,
    checkpoint_freq: int = 10,
    *,
    n_evaluations: int | None = None,
    target_loss: float | None = None,
    callbacks: Iterable[Callback] = (),
    catch: tuple[type[BaseException], ...] = (Exception, SystemExit),
    metrics: Objectives | Sequence[Metric | Mapping[str, Any] | str] | None = None,
    max_retries: int = 3,
    retry_failed: int = 0,
    max_initial_failures: int | None = MAX_INITIAL_FAILURES,
    grace: float | None = GRACE,
    job_timeout: float | None = None,
    storage: str | Storage | None = None,
    study_name: str = "fmin",
    standby: bool = False,
    lease_seconds: float = LEASE_SECONDS,
    handle_signals: bool = True,
    sigterm_grace: float | None = SIGTERM_GRACE,
    isolate: bool = False,
    time_limit: float | None = None,
    memory_limit: int | str | None = None,
    checkpoint_store: str | os.PathLike[str] | None = None,
    keep_checkpoints: Keep | None = None,
) -> Result:
    """Find the configuration for which `eval_func` returns the least.

    Parameters
    ----------
    eval_func : callable
        Gets what its parameters name: config, budget, config_id, config_info, working_directory,
        job, context (a first parameter of another name gets the configuration). Returns the loss
        as a number, or a dict with ``loss``, and further metrics and ``info`` at will. What it
        raises, and a loss that is no finite number, make a failed evaluation; the search goes on.
    config_space : ConfigurationSpace, HDL mapping or Space, optional
        Default: that of an iteration generator which has one (`PBTIterGenerator`).
    optimizer : str, Optimizer or Optimizer class, default "auto"
        Who proposes. A stored search may go on with another one, or with other options; a warning
        and the result say from which trial on.
    n_iterations : int, default 100
        Brackets of the iteration generator; without one, evaluations. Not used when `n_trials` or
        `n_evaluations` is given. `PBTIterGenerator` has another default: one population.
    n_trials : int, optional
        Configurations.
    n_jobs : int, default 1
        Worker processes; -1 is one a processor.
    parallel_strategy : {"AsyncComm", "MapReduce", "Serial"}, default "AsyncComm"
        AsyncComm: each worker gets its next job when it is ready. MapReduce: batches of `n_jobs`
        through joblib. Serial: one evaluation after the other in this thread.
    auto_identify_serial_strategy : bool, default True
        Whether ``n_jobs=1`` without an iteration generator means Serial, unless `job_timeout` or
        `isolate` need a process.
    multi_fidelity_iter_generator : IterGenerator, optional
        Default: every configuration once, at budget 1.
    initial_points : sequence of Mapping, optional
        Configurations to evaluate first.
    previous_result : Result, Study, path, (name, storage) or iterable of Evaluation, optional
        What to learn from before: a result, a saved one, or a stored study, also of a space that
        was a little different. What does not fit is left out, with a warning (`Study.learn_from`).
    random_state : int or None, default 0
        The seed; None draws one. A stored search keeps its own, and refuses another one.
    timeout : float, optional
        Seconds after which nothing starts any more. What runs then is asked to stop with its next
        report. In worker processes (AsyncComm) it is ended `grace` seconds later, with status
        STOPPED; in the calling thread and in batches it is waited for.
    show_progressbar : bool, default True
    checkpoint_file : path, optional
        Keep the search in this SQLite file; the same call goes on where an earlier one ended.
    checkpoint_freq : int, default 10
        Has no effect: every evaluation is kept as soon as it is finished.
    n_evaluations : int, optional
        Jobs, that is evaluations at any budget.
    target_loss : float, optional
        Stop when the metric that is optimised is at least this good at the largest budget.
    callbacks : iterable of callable
        Called with (study, evaluation) in this thread.
    catch : tuple of exception types
        What makes an evaluation fail; any other exception ends the search and is raised here.
    metrics : sequence of Metric, mapping or str, optional
        Named metrics; default: those of the stored search, or else minimise ``loss``.
    max_retries : int, default 3
        How often a job whose worker died is run again.
    retry_failed : int, default 0
        How often an evaluation that failed is run again before it counts as failed.
    max_initial_failures : int or None, default 10
        End the search with AllFailedError when so many evaluations have failed and none has
        succeeded.
    grace : float or None, default 1.0
        Seconds that `timeout` leaves to what runs in worker processes; None lets it end.
    job_timeout : float, optional
        Seconds; a job that is silent for longer is given up, and its process ended (AsyncComm,
        also with one job).
    storage : str or Storage, optional
        Keep the search there, e.g. ``"sqlite:///search.db"``, under `study_name`; a study of this
        name goes on where it was, and the limits count from its beginning.
    study_name : str, default "fmin"
        The study's name in the storage.
    standby : bool, default False
        Whether to wait while another process runs the stored search, and to take over after it.
    lease_seconds : float, default 30
        A process that runs a stored search and is not heard of for so long may be replaced.
    handle_signals : bool, default True
        Whether, in the main thread, a first Ctrl-C or SIGTERM lets what is running end and
        returns what there is, and a second one ends the search at once. Handlers that you have
        set yourself are left alone.
    sigterm_grace : float or None, default 10.0
        Seconds after which SIGTERM ends the search whatever is running; None: never.
    isolate : bool, default False
        Evaluate in child processes of the workers: what kills such a process, or breaks a limit,
        makes one failed evaluation (AsyncComm).
    time_limit : float, optional
        Seconds that an evaluation may take, with `isolate`.
    memory_limit : int or str, optional
        Bytes, or ``"512MB"``, ``"2GiB"``, that an evaluation may use, with `isolate`. Linux only.
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
        ``result.best_config``, ``result.best_loss`` (``best_value`` for a metric); printing it
        shows the table.

    Raises
    ------
    ConfigurationError
        When arguments are wrong or do not fit together (a ValueError).
    AllFailedError
        When the first `max_initial_failures` evaluations have all failed.
    SpaceError
        When the space is malformed, or an initial point does not fit it (a ValueError).

    Examples
    --------
    >>> space = {"x": {"_type": "uniform", "_value": [-5, 5]}}
    >>> result = fmin(lambda config: config["x"] ** 2, space, n_iterations=20,
    ...               show_progressbar=False)
    >>> len(result.evaluations)
    20
    """
    if checkpoint_file is not None:
        if storage is not None:
            raise ConfigurationError(
                "give checkpoint_file or storage, not both: they are one thing"
            )
        storage = checkpoint_url(checkpoint_file)
    if standby and storage is None:
        raise ConfigurationError("standby=True needs a storage or a checkpoint_file")
    isolation = isolation_of(isolate, time_limit, memory_limit)
    n_jobs = wiring.count_jobs(n_jobs)
    generator = wiring.make_generator(multi_fidelity_iter_generator)
    strategy = wiring.choose_strategy(
        parallel_strategy,
        n_jobs,
        flat=multi_fidelity_iter_generator is None,
        auto_identify_serial=auto_identify_serial_strategy,
        isolated=isolate,
        job_timeout=job_timeout,
        reports=generator.needs_reports,
    )
    if n_iterations is _HUNDRED and generator.default_iterations is not None:
        n_iterations = generator.default_iterations
    limited = n_trials is not None or n_evaluations is not None
    plan = Plan(
        n_trials=n_trials,
        n_evaluations=n_evaluations,
        n_iterations=None if limited else n_iterations,
        target_loss=target_loss,
    )
    # A stored search keeps what was done before a mistake was found, so all is looked at first.
    options = wiring.RunOptions(
        strategy=strategy, n_jobs=n_jobs, timeout=timeout, grace=grace, job_timeout=job_timeout,
        catch=catch, callbacks=callbacks, progress=show_progressbar, isolation=isolation,
        max_initial_failures=max_initial_failures, handle_signals=handle_signals,
        sigterm_grace=sigterm_grace, checkpoint_store=checkpoint_store,
        keep_checkpoints=keep_checkpoints,
    )  # fmt: skip
    options.check(eval_func, plan, generator)
    space = choose_space(config_space, _initialized(optimizer), generator)
    points = _points(initial_points)
    for point in points:
        space.validate(point)
    with Study(
        space,
        optimizer=optimizer,
        generator=generator,
        metrics=metrics,
        random_state=random_state,
        max_retries=max_retries,
        retry_failed=retry_failed,
        name="" if storage is None else study_name,
        storage=storage,
        standby=standby,
        lease_seconds=lease_seconds,
        load_if_exists=True,
        previous_result=previous_result,
    ) as study:
        if points and not (study.n_jobs or study.n_enqueued):
            study.enqueue(*points)
        study.set_plan(plan)
        beside = checkpoint_url(storage) if isinstance(storage, str) else None
        wiring.run(study, eval_func, options, beside=beside)
        return study.result


def _initialized(optimizer: Any) -> Optimizer | None:
    return optimizer if isinstance(optimizer, Optimizer) else None


def _points(initial_points: Any) -> list[Mapping[str, Any]]:
    given = () if initial_points is None else initial_points
    if isinstance(given, Mapping) or not isinstance(given, Iterable):
        raise ConfigurationError(
            f"initial_points is a list of configurations, got {initial_points!r}; write "
            '[{"name": value, ...}, ...]'
        )
    return list(given)
