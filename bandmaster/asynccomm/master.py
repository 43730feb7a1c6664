"""The master: a study and the dispatcher that serves it to the workers of a run."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from bandmaster.asynccomm.addresses import Address
from bandmaster.asynccomm.announcing import Announcer
from bandmaster.asynccomm.certificates import TlsOption
from bandmaster.asynccomm.control import in_background
from bandmaster.asynccomm.dispatcher import Dispatcher
from bandmaster.asynccomm.driver import Driver
from bandmaster.asynccomm.entrance import Entrance
from bandmaster.asynccomm.gathering import wait_for_workers
from bandmaster.asynccomm.naming import check_run_id
from bandmaster.asynccomm.reception import Reception
from bandmaster.asynccomm.relaying import Relay
from bandmaster.asynccomm.studying import StudyOptions, open_study
from bandmaster.checkpoints import Keep, StoredCheckpoints
from bandmaster.core.job import Job
from bandmaster.core.objectives import Metric, Objectives
from bandmaster.core.plan import Plan
from bandmaster.core.progress import NoProgress, Progress
from bandmaster.core.randomness import DEFAULT_SEED
from bandmaster.core.seconds import check_seconds, seconds_left
from bandmaster.errors import ConfigurationError
from bandmaster.interrupts import SIGTERM_GRACE, Interrupts
from bandmaster.multifidelity import IterGenerator
from bandmaster.optimizers import Optimizer
from bandmaster.storage import LEASE_SECONDS, Journal
from bandmaster.study.critical import CRITICAL
from bandmaster.study.follower import MAX_INITIAL_FAILURES, Callback, Follower, check_callbacks
from bandmaster.study.forecast import forecast_study
from bandmaster.study.keeper import CheckpointKeeper, check_keeping
from bandmaster.study.previous import Previous

if TYPE_CHECKING:
    from bandmaster.study.result import Result

__all__ = ["Master"]

logger = logging.getLogger(__name__)

_LEAVE_WITHIN = 2.0


class Master:
    """Drives one search with the workers of a run.

    Parameters
    ----------
    run_id : str
    optimizer : str, Optimizer or Optimizer class
        Who proposes; a name such as ``"ETPE"``. An instance belongs to this master alone. A stored
        search may go on with another one; a warning and the result say from which trial on.
    iter_generator : IterGenerator, optional
        Who decides at which budget. Default: every configuration once, at budget 1.
    progress_callback : callable or Progress, optional
        What shows the progress, e.g. `bandmaster.default_callback`. Default: nothing.
    checkpoint_file : path, optional
        Keep the study in this SQLite file (or storage URL), under the run_id. A master that is
        started again with the same file goes on where the last one ended.
    checkpoint_freq : int, default 1
        Has no effect: every evaluation is kept before its worker hears that it arrived.
    nameserver : str, optional
        Host of the name server. Default: the connection file of the run, then the environment,
        then this machine.
    nameserver_port : int, optional
        Likewise; 9090 in the end.
    host : str, optional
        The interface to listen on. Default: loopback when the name server is on this machine's
        loopback, else all.
    port : int, default 0
        The port to listen on; 0 takes any free one.
    config_space : Space, ConfigurationSpace or HDL mapping, optional
        Needed when the optimizer is not initialised.
    metrics : sequence of Metric, optional
        Default: minimise ``loss``.
    random_state : int or None, default 0
        The seed; None draws one. A stored search keeps its own, and refuses another one.
    job_timeout : float, optional
        Seconds after which a job that neither ended nor reported is given to another worker,
        whatever its connection says; after `max_retries` it ends with status TIMEOUT.
    max_retries : int, default 3
        How often a job whose worker died is given to another one.
    retry_failed : int, default 0
        How often a job that failed is tried again before it counts as failed.
    max_initial_failures : int or None, default 10
        End a run with AllFailedError when so many evaluations have failed and none has succeeded.
    journal : Journal, optional
        Where the events are kept. One that has events already is gone on with: jobs that are out
        wait 30 s for their workers to come back.
    standby : bool, default False
        Whether the constructor waits while another master has the checkpoint file, and takes over
        after it: at once when it ends or dies on this machine, else when its lease has run out.
    lease_seconds : float, default 30
        A master that has the checkpoint file and is not heard of for so long may be replaced.
    checkpoint_store : str or path, optional
        Where evaluations keep their states: a directory, or a URL such as ``s3://bucket/run``, in
        which each study has a folder of its own. Default: beside the `checkpoint_file`, or without
        one a directory of this user that is removed at the end. Workers that do not see it go
        through the master.
    keep_checkpoints : Keep or "all", optional
        Which of them stay that nothing goes on from any more. Default: that of the best trial.
    previous_result : Result, Study, path, (name, storage) or iterable of Evaluation, optional
        What a new study learns from first (`Study.learn_from`).
    callbacks : iterable of callable
        Called with (study, evaluation) from the thread of `run`; ``study.stop("why")`` ends the
        run.
    connection_file : path, optional
        Names the connection file of the run.
    tls : bool or (path, path), optional
        Insist on TLS; the files of a certificate and its private key to show to workers. Default:
        as the connection file says, with a certificate that was made for the run.
    insecure : bool, default False
        Listen without a key where other machines may come from, if the run has none.
    warn_after : float, default 30.0
        Seconds without news after which a warning says what the run waits for.

    Raises
    ------
    ConfigurationError
        When the arguments do not fit together.
    StudyBusyError
        When another master has the checkpoint file, and this one does not stand by.

    Examples
    --------
    >>> with Master(run_id="tuning", optimizer=optimizer) as master:    # doctest: +SKIP
    ...     result = master.run(n_trials=100)

    Attributes
    ----------
    interrupted : int or None
        The signal that ended the last `run` early.

    Notes
    -----
    The constructor starts nothing; the first `run` does.
    """

    def __init__(  # noqa: PLR0917 - the order in which scripts of this family give them
        self,
        run_id: str,
        optimizer: str | Optimizer | type[Optimizer],
        iter_generator: IterGenerator | None = None,
        progress_callback: Progress | Callable[[], Progress] | bool | None = None,
        checkpoint_file: str | os.PathLike[str] | None = None,
        checkpoint_freq: int = 1,
        nameserver: str | None = None,
        nameserver_port: int | None = None,
        *,
        host: str | None = None,
        port: int = 0,
        config_space: Any = None,
        metrics: Objectives | Sequence[Metric | Mapping[str, Any] | str] | None = None,
        random_state: int | None = DEFAULT_SEED,
        job_timeout: float | None = None,
        max_retries: int = 3,
        retry_failed: int = 0,
        max_initial_failures: int | None = MAX_INITIAL_FAILURES,
        journal: Journal | None = None,
        standby: bool = False,
        lease_seconds: float = LEASE_SECONDS,
        checkpoint_store: str | os.PathLike[str] | None = None,
        keep_checkpoints: Keep | Literal["all"] | None = None,
        previous_result: Previous | None = None,
        callbacks: Iterable[Callback] = (),
        connection_file: str | os.PathLike[str] | None = None,
        tls: TlsOption = None,
        insecure: bool = False,
        warn_after: float = 30.0,
    ) -> None:
        check_seconds("job_timeout", job_timeout, zero=False)
        check_seconds("warn_after", warn_after, optional=False, zero=False)
        options = StudyOptions(
            config_space, metrics, random_state, max_retries, retry_failed, previous_result,
            checkpoint_file, journal, standby, lease_seconds,
        )  # fmt: skip
        check_keeping(checkpoint_store, keep_checkpoints)
        self._callbacks = check_callbacks(callbacks)
        self.run_id = check_run_id(run_id)
        self._entrance = Entrance(
            run_id, nameserver, nameserver_port, connection_file=connection_file, tls=tls,
            insecure=insecure,
        )  # fmt: skip
        self._announcer = Announcer(run_id, self._entrance)
        self.study = open_study(run_id, optimizer, iter_generator, options)
        self.dispatcher = Dispatcher(
            self.study, run_id=run_id, job_timeout=job_timeout, on_stop=self._announcer.stop
        )
        self._keeper = CheckpointKeeper(
            self.study, checkpoint_store, keep=keep_checkpoints, beside=options.url, shared=True
        )
        self._owns_journal = checkpoint_file is not None
        self.interrupted: int | None = None
        self._most_failures = max_initial_failures
        self._progress = progress_callback
        self._reception = Reception(run_id, self._entrance, self.dispatcher, host, port)
        self._warn_after = warn_after
        self._waking: threading.Thread | None = None
        self._closed = threading.Event()
        self._running = threading.Lock()

    # -- looking --------------------------------------------------------------------------------

    @property
    def optimizer(self) -> Optimizer:
        """Who proposes."""
        return self.study.optimizer

    @property
    def result(self) -> Result:
        """A view on what has finished by now; it grows with the run."""
        from bandmaster.study.result import Result

        return Result.of(self.study)

    @property
    def n_workers(self) -> int:
        """How many workers are connected."""
        return len(self.dispatcher.sessions)

    @property
    def checkpoints(self) -> StoredCheckpoints:
        """What evaluations have kept: ``master.checkpoints.load(name)``; not before `start`."""
        return self._keeper.checkpoints

    @property
    def address(self) -> Address:
        """Where it listens; ConfigurationError before `start`."""
        return self._reception.address

    # -- driving --------------------------------------------------------------------------------

    def start(self, *, wait_for_nameserver: float | None = 0.0) -> None:
        """Listen, register at the name server and wake the workers; `run` does it by itself.

        Parameters
        ----------
        wait_for_nameserver : float, optional
            Seconds to go on looking for a name server that cannot be reached; None looks until
            it is there. Default: it must be there.

        Raises
        ------
        NameServerError
            When the name server cannot be reached.
        AuthenticationError
            When it is another run's.
        """
        if self._closed.is_set():
            raise ConfigurationError("this master was shut down: make another one")
        if self._reception.open:
            return
        self._keeper.start()
        self.dispatcher.relay = Relay(self._keeper.store, self._keeper.mark)
        try:
            self._reception.start(patience=wait_for_nameserver, stop=self._closed)
        except BaseException:
            self._keeper.close()
            raise
        self._waking = in_background(
            lambda: self._announcer.tell_all("wake", self._reception.advertised),
            f"wake-{self.run_id}",
        )

    def run(
        self,
        n_iterations: int | None = None,
        *,
        n_trials: int | None = None,
        n_evaluations: int | None = None,
        timeout: float | None = None,
        target_loss: float | None = None,
        min_n_workers: int = 1,
        grace: float | None = 5.0,
        handle_signals: bool = True,
        sigterm_grace: float | None = SIGTERM_GRACE,
    ) -> Result:
        """Search until a limit is reached; more can be run afterwards with higher limits.

        Parameters
        ----------
        n_iterations : int, optional
            Brackets of the iteration generator, counted from the beginning of the study.
        n_trials : int, optional
            Configurations, likewise.
        n_evaluations : int, optional
            Evaluations at any budget, likewise.
        timeout : float, optional
            Seconds. When they are over, what runs is asked to stop, and what still runs `grace`
            seconds later ends with status STOPPED; its worker's late result is ignored.
        target_loss : float, optional
            Stop when a loss at the largest budget is not above this.
        min_n_workers : int, default 1
            Begin when so many workers are connected.
        grace : float or None, default 5.0
            None lets what runs end.
        handle_signals : bool, default True
            Whether, in the main thread, a first Ctrl-C or SIGTERM drains (see `drain`) and a
            second one ends the run at once. Handlers that you have set yourself are left alone.
        sigterm_grace : float or None, default 10.0
            Seconds after which SIGTERM ends the run whatever is running; None: never.

        Returns
        -------
        Result
            Of what there is, when the run was drained.

        Raises
        ------
        ConfigurationError
            When nothing would ever end the run, another one is going on, or a master of another
            process serves the same run_id (without a storage; with one, the study's lease decides).
        NameServerError
            When the name server cannot be reached.
        AllFailedError
            When nothing but failures comes in.
        KeyboardInterrupt, SystemExit
            When it was interrupted twice. The study is whole, and another run goes on.
        Exception
            What the optimizer, the iteration generator or a callback raised.
        """
        self.interrupted = None
        check_seconds("timeout", timeout)
        check_seconds("grace", grace)
        plan = Plan(n_trials, n_evaluations, n_iterations, target_loss)
        plan = plan.or_iterations(self.study.generator.default_iterations)
        if not plan.bounded and timeout is None and target_loss is None and not self._callbacks:
            raise ConfigurationError(
                "nothing would ever end this run: give n_iterations, n_trials, n_evaluations or "
                "timeout"
            )
        deadline = None if timeout is None else time.monotonic() + timeout
        interrupts = Interrupts(
            f"Run {self.run_id!r}", drain=self.dispatcher.drain, end=self.dispatcher.fail,
            sigterm_grace=sigterm_grace, enabled=handle_signals, unsafe=CRITICAL,
        )  # fmt: skip
        study = self.study
        with self._alone():
            self.dispatcher.begin()
            self.start()
            study.set_plan(plan)
            try:
                with interrupts:
                    self._search(deadline, min_n_workers, grace)
            finally:
                self.interrupted = interrupts.signum
        why = study.ending or "its study can go on"
        logger.info("Run %s is over after %d evaluations: %s", self.run_id, len(study.history), why)
        return self.result

    def drain(self, reason: str = "drained") -> None:
        """Let what is running end, start nothing more, and have `run` return; from any thread.

        The study is not stopped: the next `run` goes on where it was.
        """
        self.dispatcher.drain(reason)

    def cancel(
        self,
        job: Job | int | None = None,
        *,
        trial: int | None = None,
        reason: str = "cancelled",
    ) -> bool:
        """End a job, or whatever a trial has out, with status STOPPED; from any thread.

        Its evaluation is ended at once when its worker isolates it, otherwise it hears of it with
        its next report. What it still brings is ignored.

        Parameters
        ----------
        job : Job or int, optional
            The job, or its number.
        trial : int, optional
            The number of a trial, instead.
        reason : str, default "cancelled"

        Returns
        -------
        bool
            Whether anything was out.

        Raises
        ------
        UnknownJobError
            When there is no such job or trial.
        """
        if (job is None) == (trial is None):
            raise ConfigurationError("say what to cancel: give either a job or a trial")
        jobs = [job] if trial is None else [e.job for e in self.study.open_jobs_of(trial)]
        return sum(self.dispatcher.cancel(j, reason) for j in jobs if j is not None) > 0

    def shutdown(self, shutdown_workers: bool = True) -> None:
        """Stop serving; safe to call again. A `run` in another thread returns what there is.

        Parameters
        ----------
        shutdown_workers : bool, default True
            Whether the workers end too, those that compute after what they are doing. Otherwise
            they wait for the next master of this run. So they do after the storage has failed, or
            another master has taken the study over: they have outcomes to hand over to that one.
        """
        if self._closed.is_set():
            return
        self._closed.set()
        if self._reception.open:
            logger.info(
                "Master of run %s: shutdown initiated, shutdown_workers = %s",
                self.run_id, shutdown_workers,
            )  # fmt: skip
        with contextlib.ExitStack() as ending:  # each step, whatever happens in another
            if self._owns_journal:
                ending.callback(self.study.close)
            ending.callback(self._keeper.close)
            ending.callback(self.dispatcher.close)
            ending.callback(self._reception.close)
            if self._waking is not None:
                self._waking.join()
            if shutdown_workers and self.study.poisoned and self.study.waits_for_storage:
                logger.warning(
                    "Run %s: the workers stay, for a master that can store what they bring",
                    self.run_id,
                )
                shutdown_workers = False
            if not shutdown_workers:
                self.dispatcher.detach()
            elif self._reception.open:
                self._dismiss()

    def _dismiss(self) -> None:
        reason = "the master ended the run"
        self._reception.withdraw()
        self.dispatcher.stop(reason)
        if not self.dispatcher.sessions.wait_for_count(0, 0, _LEAVE_WITHIN):
            busy = [str(session) for session in self.dispatcher.sessions.all()]
            logger.warning("These workers leave when they are done: %s", ", ".join(busy))
        self._announcer.tell_all("shutdown", reason)

    def __repr__(self) -> str:
        state = f"at {self.address}, workers: {self.n_workers}" if self._reception.open else ""
        state = "shut down" if self._closed.is_set() else state or "not started"
        return f"<Master of run {self.run_id!r}, {state}>"

    def __enter__(self) -> Master:
        return self

    def __exit__(self, *exc: object) -> None:
        self.shutdown()

    # -- inside ---------------------------------------------------------------------------------

    def _search(self, deadline: float | None, min_n_workers: int, grace: float | None) -> None:
        study, dispatcher, trouble = self.study, self.dispatcher, self._reception.trouble
        expected = forecast_study(study)
        logger.info("Run %s: %s", self.run_id, expected or "an open number of evaluations")
        follower = Follower(
            study, progress=self._make_progress(), callbacks=self._callbacks,
            max_initial_failures=self._most_failures,
        )  # fmt: skip
        try:
            if not wait_for_workers(
                dispatcher, min_n_workers, timeout=seconds_left(deadline),
                warn_after=self._warn_after, trouble=trouble,
            ):  # fmt: skip
                late = f"the timeout was over before {min_n_workers} workers came"
                study.stop(late, cause="timeout")
            follower.start(None if expected is None else expected.n_evaluations)
            dispatcher.open()
            Driver(
                dispatcher, follower, timeout=seconds_left(deadline), grace=grace,
                warn_after=self._warn_after, trouble=trouble,
            ).run()  # fmt: skip
        finally:
            dispatcher.pause()
            follower.close()

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._running.acquire(blocking=False):
            raise ConfigurationError(f"a run of {self!r} is going on: wait for it, or drain it")
        try:
            yield
        finally:
            self._running.release()

    def _make_progress(self) -> Progress:
        if self._progress is None:
            return NoProgress()
        from bandmaster.progress import make_progress

        return make_progress(self._progress, self.study.objectives)
