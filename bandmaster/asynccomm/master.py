"""The master: a study and the dispatcher that serves it to the workers of a run."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bandmaster.asynccomm import protocol
from bandmaster.asynccomm.addresses import Address
from bandmaster.asynccomm.certificates import TlsOption
from bandmaster.asynccomm.control import (
    call_worker,
    call_workers,
    in_background,
    registered_workers,
)
from bandmaster.asynccomm.dispatcher import Dispatcher
from bandmaster.asynccomm.driver import Driver
from bandmaster.asynccomm.entrance import Entrance
from bandmaster.asynccomm.naming import Names, check_run_id, dispatcher_name
from bandmaster.asynccomm.net import advertised_host
from bandmaster.asynccomm.patience import until_found
from bandmaster.asynccomm.registration import Registration
from bandmaster.asynccomm.sessions import Held, Session
from bandmaster.asynccomm.wire import Server
from bandmaster.core.objectives import Metric, Objectives
from bandmaster.core.plan import Plan
from bandmaster.core.progress import NoProgress, Progress
from bandmaster.errors import BandmasterError, ConfigurationError
from bandmaster.multifidelity import FlatIterGenerator
from bandmaster.multifidelity.base import IterGenerator
from bandmaster.optimizers.base import Optimizer
from bandmaster.storage import Journal, open_study_journal
from bandmaster.study.follower import Callback, Follower
from bandmaster.study.forecast import forecast
from bandmaster.study.study import Study

if TYPE_CHECKING:
    from bandmaster.study.result import Result

__all__ = ["Master"]

logger = logging.getLogger(__name__)

_LEAVE_WITHIN = 2.0
_FIRST_WARNING = 5.0  # seconds without any worker


class Master:
    """Drives one search with the workers of a run.

    Parameters
    ----------
    run_id : str
    optimizer : Optimizer
        Who proposes. It belongs to this master alone.
    iter_generator : IterGenerator, optional
        Who decides at which budget. Default: every configuration once, at budget 1.
    progress_callback : callable or Progress, optional
        What shows the progress, e.g. `bandmaster.default_callback`. Default: nothing.
    checkpoint_file : path, optional
        Keep the study in this SQLite file, under the run_id. A master that is started again with
        the same file goes on where the last one ended.
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
    objectives : Objectives or sequence of Metric, optional
        Default: minimise ``loss``.
    random_state : int, default 0
        All randomness is keyed by it.
    job_timeout : float, optional
        Seconds after which a job that neither ended nor reported is given to another worker,
        whatever its connection says; after `max_retries` it ends with status TIMEOUT.
    max_retries : int, default 3
        How often a job whose worker died is given to another one.
    journal : Journal, optional
        Where the events are kept. One that has events already is gone on with: jobs that are out
        wait 30 s for their workers to come back.
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

    Examples
    --------
    >>> with Master(run_id="tuning", optimizer=optimizer) as master:    # doctest: +SKIP
    ...     result = master.run(n_trials=100)

    Notes
    -----
    The constructor starts nothing; the first `run` does.
    """

    def __init__(  # noqa: PLR0917 - the order in which scripts of this family give them
        self,
        run_id: str,
        optimizer: Optimizer,
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
        objectives: Objectives | Sequence[Metric | Mapping[str, Any] | str] | None = None,
        random_state: int = 0,
        job_timeout: float | None = None,
        max_retries: int = 3,
        journal: Journal | None = None,
        callbacks: Iterable[Callback] = (),
        connection_file: str | os.PathLike[str] | None = None,
        tls: TlsOption = None,
        insecure: bool = False,
        warn_after: float = 30.0,
    ) -> None:
        if config_space is None:
            if not optimizer.initialized:
                raise ConfigurationError(
                    "the optimizer knows no search space: call optimizer.initialize(config_space, "
                    "budgets=iter_generator.get_budgets()) first, or give config_space"
                )
            config_space = optimizer.space
        self.run_id = check_run_id(run_id)
        self._entrance = Entrance(
            run_id, nameserver, nameserver_port, connection_file=connection_file, tls=tls,
            insecure=insecure,
        )  # fmt: skip
        if checkpoint_file is not None:
            if journal is not None:
                raise ConfigurationError("give checkpoint_file or journal, not both")
            journal = open_study_journal(
                f"sqlite:///{os.fspath(checkpoint_file)}", run_id, load_if_exists=True
            )
        try:
            self.study = Study(
                config_space,
                optimizer=optimizer,
                generator=FlatIterGenerator() if iter_generator is None else iter_generator,
                objectives=objectives,
                journal=journal,
                name=run_id,
                seed=random_state,
                max_retries=max_retries,
            )
        except BaseException:
            if checkpoint_file is not None and journal is not None:
                journal.close()
            raise
        self._owns_journal = checkpoint_file is not None
        self.dispatcher = Dispatcher(
            self.study, run_id=run_id, job_timeout=job_timeout, on_stop=self._tell_to_stop
        )
        self._progress = progress_callback
        self._callbacks = tuple(callbacks)
        self._host, self._port = host, port
        self._warn_after = warn_after
        self._server: Server | None = None
        self._registration: Registration | None = None
        self._waking: threading.Thread | None = None
        self._closed = threading.Event()

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
    def address(self) -> Address:
        """Where it listens; ConfigurationError before `start`."""
        if self._server is None:
            raise ConfigurationError("the master has not been started")
        return self._server.address

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
        if self._server is not None:
            return
        nameserver, key = until_found(
            self._look,
            f"Master of run {self.run_id!r}",
            patience=wait_for_nameserver,
            stop=self._closed,
        )
        entrance = self._entrance
        server = entrance.server(
            nameserver, key, host=self._host, port=self._port, name=f"master-{self.run_id}"
        )
        server.register(protocol.DISPATCHER, self.dispatcher)
        with contextlib.ExitStack() as undo:
            server.start()
            undo.callback(server.close)
            host = advertised_host(entrance.interface, nameserver)
            registration = Registration(
                entrance.find,
                dispatcher_name(self.run_id),
                str(Address(host, server.address.port)),
                lambda key: entrance.admit(server, key),
            )
            undo.callback(registration.close)
            registration.start(insist=True)
            self.dispatcher.start()
            undo.pop_all()
        self._server, self._registration = server, registration
        self._waking = in_background(lambda: self._tell_all("wake", None), f"wake-{self.run_id}")
        logger.info("Master of run %s listens on %s", self.run_id, server.address)

    def run(
        self,
        n_iterations: int | None = None,
        *,
        n_trials: int | None = None,
        n_evaluations: int | None = None,
        timeout: float | None = None,
        target_loss: float | None = None,
        min_n_workers: int = 1,
        grace: float = 5.0,
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
        grace : float, default 5.0

        Returns
        -------
        Result

        Raises
        ------
        ConfigurationError
            When nothing would ever end the run.
        NameServerError
            When the name server cannot be reached.
        Exception
            What the optimizer, the iteration generator or a callback raised.
        """
        plan = Plan(n_trials, n_evaluations, n_iterations, target_loss)
        if not plan.bounded and timeout is None and target_loss is None and not self._callbacks:
            raise ConfigurationError(
                "nothing would ever end this run: give n_iterations, n_trials, n_evaluations or "
                "timeout"
            )
        started = time.monotonic()
        self.start()
        study = self.study
        study.set_plan(plan)
        follower = Follower(study, progress=self._make_progress(), callbacks=self._callbacks)
        expected = forecast(study.generator, plan, n_trials=study.n_trials, n_jobs=study.n_jobs)
        logger.info("Run %s: %s", self.run_id, expected or "an open number of evaluations")
        try:
            if not self._wait_for_workers(min_n_workers, timeout):
                study.stop(f"timeout of {timeout} s before {min_n_workers} workers came")
            follower.start(None if expected is None else expected.n_evaluations)
            self.dispatcher.open()
            left = None if timeout is None else max(0.0, timeout - time.monotonic() + started)
            Driver(
                self.dispatcher,
                follower,
                timeout=left,
                grace=grace,
                warn_after=self._warn_after,
            ).run()
        finally:
            self.dispatcher.pause()
            follower.close()
        logger.info("Run %s is over after %d evaluations", self.run_id, len(study.history))
        return self.result

    def shutdown(self, shutdown_workers: bool = True) -> None:
        """Stop serving; safe to call again.

        Parameters
        ----------
        shutdown_workers : bool, default True
            Whether the workers end too, those that compute after what they are doing. Otherwise
            they wait for the next master of this run.
        """
        if self._closed.is_set():
            return
        self._closed.set()
        if self._server is None:
            self.dispatcher.close()
            self._close_journal()
            return
        logger.info(
            "Master of run %s: shutdown initiated, shutdown_workers = %s",
            self.run_id, shutdown_workers,
        )  # fmt: skip
        assert self._registration is not None
        assert self._waking is not None
        try:
            self._waking.join()
            if shutdown_workers:
                self._registration.close()  # nobody new shall find us
                self.dispatcher.stop("the master ended the run")
                if not self.dispatcher.sessions.wait_for_count(0, 0, _LEAVE_WITHIN):
                    busy = [str(session) for session in self.dispatcher.sessions.all()]
                    logger.warning("These workers leave when they are done: %s", ", ".join(busy))
                self._tell_all("shutdown", "the master ended the run")
            else:
                self.dispatcher.detach()
        finally:
            self._registration.close()
            self._server.close()
            self.dispatcher.close()
            self._close_journal()

    def _close_journal(self) -> None:
        if self._owns_journal:
            self.study.close()

    def __repr__(self) -> str:
        if self._closed.is_set():
            state = "shut down"
        elif self._server is None:
            state = "not started"
        else:
            state = f"at {self._server.address}, workers: {self.n_workers}"
        return f"<Master of run {self.run_id!r}, {state}>"

    def __enter__(self) -> Master:
        return self

    def __exit__(self, *exc: object) -> None:
        self.shutdown()

    # -- inside ---------------------------------------------------------------------------------

    def _look(self) -> tuple[Address, bytes | None]:
        """Return where the name server is, and the key, if it answers."""
        with self._entrance.names() as (names, key):
            names.list(dispatcher_name(self.run_id))
        return names.address, key

    def _make_progress(self) -> Progress:
        if self._progress is None:
            return NoProgress()
        from bandmaster.progress import make_progress

        return make_progress(self._progress, self.study.objectives)

    def _wait_for_workers(self, wanted: int, timeout: float | None) -> bool:
        sessions, started = self.dispatcher.sessions, time.monotonic()
        deadline = None if timeout is None else started + timeout
        patience = min(_FIRST_WARNING, self._warn_after)
        if len(sessions) < wanted:
            logger.info("Run %r waits for workers: %d of %d are connected",
                        self.run_id, len(sessions), wanted)  # fmt: skip
        while True:
            left = patience
            if deadline is not None:
                left = min(left, max(0.0, deadline - time.monotonic()))
            if sessions.wait_for_count(wanted, timeout=left):
                return True
            if deadline is not None and time.monotonic() >= deadline:
                return False
            count, waited = len(sessions), time.monotonic() - started
            logger.warning(
                "%s: %d of %d are connected after %.0f s; start one with: "
                "bandmaster worker module:function --run-id %s",
                f"Run {self.run_id!r} waits for more workers" if count
                else f"No worker has joined run {self.run_id!r} yet",
                count, wanted, waited, self.run_id,
            )  # fmt: skip
            patience = max(2 * patience, self._warn_after)

    def _tell_to_stop(self, session: Session, held: Held) -> None:
        if session.hello.control:
            address = self._entrance.secured(Address.parse(session.hello.control))
            key = self._entrance.key
            in_background(
                lambda: call_worker(address, key, "cancel", [held.job, held.attempt]),
                f"cancel-{held.job}",
            )

    def _tell_all(self, method: str, argument: object) -> None:
        """Say a word to all workers that are registered, connected or not."""
        try:
            address, key = self._entrance.find()
            with Names(address, key=key) as names:
                workers = registered_workers(names, f"bandmaster.{self.run_id}.worker.")
        except BandmasterError as error:
            logger.debug("the workers of run %s cannot be told to %s: %s",
                         self.run_id, method, error)  # fmt: skip
            return
        call_workers(workers, key, method, argument)
