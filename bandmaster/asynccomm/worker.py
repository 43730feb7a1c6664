"""Workers: processes or threads that evaluate configurations for a run."""

from __future__ import annotations

import atexit
import itertools
import logging
import os
import socket
import threading
import weakref
from collections.abc import Callable
from typing import Any

from bandmaster.asynccomm import protocol
from bandmaster.asynccomm.about import ABOUT_OBJECT, AboutHandler
from bandmaster.asynccomm.addresses import Address
from bandmaster.asynccomm.certificates import TlsOption
from bandmaster.asynccomm.child import Child, dump
from bandmaster.asynccomm.control import ControlHandler
from bandmaster.asynccomm.entrance import Entrance
from bandmaster.asynccomm.leaving import leave_when
from bandmaster.asynccomm.naming import check_run_id, dispatcher_name, unique_worker, worker_name
from bandmaster.asynccomm.net import advertised_host
from bandmaster.asynccomm.registration import Registration
from bandmaster.asynccomm.wire import Client, Server
from bandmaster.asynccomm.worker_loop import WorkerLoop
from bandmaster.core.evaluate import Objective
from bandmaster.core.evaluator import Evaluator, InProcess
from bandmaster.core.isolation import isolation_of
from bandmaster.errors import BandmasterError, CommError, ConfigurationError
from bandmaster.interrupts import SIGTERM_GRACE, Interrupts

__all__ = ["Worker"]

logger = logging.getLogger(__name__)

_numbers = itertools.count()
_alive: weakref.WeakSet[Worker] = weakref.WeakSet()
_LEAVE_WITHIN = 5.0
_SIGNALLED = (130, 143)  # exit codes after SIGINT and SIGTERM
_PATIENCE = 90.0
"""Seconds until an answer must be there: a master keeps us waiting for 20 s, or for 60 s when its
journal is in trouble. Kernels notice dead links sooner, but not when something between acknowledges
what it does not deliver."""


class Worker:
    """Evaluates configurations for the master of a run.

    Give it a function with `initialize`, or subclass it and override `compute`. It finds the
    master through the name server, and may start before both; it survives the master's restart,
    keeping the outcome that it could not hand over.

    Parameters
    ----------
    run_id : str
    nameserver : str, optional
        Host of the name server. Default: the connection file of the run, then the environment,
        then this machine.
    nameserver_port : int, optional
        Likewise; 9090 in the end.
    worker_id : int or str, optional
        Tells the workers of a process apart in logs and results. Default: counts from 0.
    host : str, optional
        The interface on which the worker listens for words of its master. Default: loopback when
        the name server is on this machine's loopback, else all.
    working_directory : str, default "."
        For evaluations that ask for it.
    connection_file : path, optional
        Names the connection file of the run.
    tls : bool or (path, path), optional
        Insist on TLS; the files of a certificate and its private key to show to the master.
        Default: as the connection file says, with a certificate that was made for the run.
    insecure : bool, default False
        Listen without a key where other machines may come from, if the run has none.
    timeout : float, optional
        Seconds after which it gives up when there is no master. Default: never.
    sigterm_grace : float, optional
        Seconds that SIGTERM leaves to the evaluation that is running; None: as many as it takes.
        Default: 10.
    isolate : bool, default False
        Evaluate in a child process of the worker, which is kept from job to job. What kills the
        child (a segmentation fault, ``os._exit``, the kernel when memory is short, a limit) makes
        one failed outcome that says so; the worker makes another child and lives on. The worker
        goes to the child by pickle as it is when `run` is called: what `compute` changes in it
        stays in the child and is lost with it. See `docs/isolation.md`.
    time_limit : float, optional
        Seconds that an evaluation may take, with `isolate`.
    memory_limit : int or str, optional
        Bytes, or ``"512MB"``, ``"2GiB"``, that the child and all that it starts may use, with
        `isolate`. Linux only.

    Raises
    ------
    ConfigurationError
        When an argument is malformed, or a limit is given without `isolate`.

    Examples
    --------
    >>> class Mine(Worker):
    ...     def compute(self, config, budget):
    ...         return {"loss": (config["x"] - 1) ** 2}
    >>> Mine(run_id="tuning", nameserver="head-node").run()         # doctest: +SKIP
    """

    def __init__(
        self,
        run_id: str,
        nameserver: str | None = None,
        nameserver_port: int | None = None,
        worker_id: int | str | None = None,
        *,
        host: str | None = None,
        working_directory: str = ".",
        connection_file: str | os.PathLike[str] | None = None,
        tls: TlsOption = None,
        insecure: bool = False,
        timeout: float | None = None,
        sigterm_grace: float | None = SIGTERM_GRACE,
        isolate: bool = False,
        time_limit: float | None = None,
        memory_limit: int | str | None = None,
    ) -> None:
        self.run_id = check_run_id(run_id)
        self._entrance = Entrance(
            run_id, nameserver, nameserver_port, connection_file=connection_file, tls=tls,
            insecure=insecure,
        )  # fmt: skip
        self.nameserver = nameserver
        self.nameserver_port = nameserver_port
        self.worker_id = next(_numbers) if worker_id is None else worker_id
        self.host = host
        self.working_directory = working_directory
        self.connection_file = connection_file
        self.timeout = timeout
        self.sigterm_grace = sigterm_grace
        self.isolation = isolation_of(isolate, time_limit, memory_limit)
        self.error: BaseException | None = None
        self._function: Callable[..., Any] | None = None
        self._loop: WorkerLoop | None = None
        self._thread: threading.Thread | None = None
        self._child: Child | None = None

    def initialize(self, function: Callable[..., Any]) -> Worker:
        """Have `function` evaluate the configurations.

        Parameters
        ----------
        function : callable
            Gets what its parameters name, as `compute` does.

        Raises
        ------
        ConfigurationError
            When it cannot be called with what there is.
        """
        Objective(function)
        self._function = function
        return self

    def compute(self, config: Any, budget: Any) -> Any:
        """Evaluate a configuration; override it with any of these parameters.

        Parameters
        ----------
        config : dict
            The configuration.
        budget : float
            How much to spend on it.
        config_id : tuple of int
            (bracket, 0, trial).
        config_info : dict
            What the optimizer said about it.
        working_directory : str
        job : Job
        context : Context
            To report on the way.

        Returns
        -------
        float or dict
            The loss, or a dict with ``"loss"`` and whatever else shall be kept.
        """
        raise NotImplementedError("give the worker a function with initialize, or override compute")

    def run(
        self,
        background: bool = False,
        concurrent_type: str = "thread",
        *,
        handle_signals: bool = True,
    ) -> None:
        """Work until the master ends the run, or `shutdown`.

        Parameters
        ----------
        background : bool, default False
            False works in the calling thread. Ctrl-C and SIGTERM then let the running evaluation
            end, hand its outcome over and leave with exit code 130 or 143; a second signal, and
            the end of `sigterm_grace`, gives the job back at once.
        concurrent_type : {"thread", "process"}, default "thread"
            Where to work in the background. A process is a fresh interpreter, to which the worker
            goes by cloudpickle: closures and classes of a notebook will do.
        handle_signals : bool, default True
            Whether Ctrl-C and SIGTERM have that meaning, in the foreground and in a process. False
            leaves the handlers of signals as they are.

        Raises
        ------
        ConfigurationError
            When it has nothing to run, or runs already.
        CommError
            In the foreground: the master refuses this worker, or `timeout` has passed. In the
            background it is logged and kept in `error`.
        """
        if concurrent_type not in ("thread", "process"):
            raise ConfigurationError(
                f"concurrent_type is 'thread' or 'process', got {concurrent_type!r}"
            )
        if self._thread is not None and self._thread.is_alive():
            raise ConfigurationError(f"worker {self.worker_id} runs already")
        evaluator = self._evaluator()
        if not background:
            self._work(evaluator, None, handle_signals)
            return
        if concurrent_type == "process":
            self._child = Child(dump(_WorkerTask(self, handle_signals), f"worker {self.worker_id}"))
            self._child.start()
        self._thread = threading.Thread(
            target=self._reap if self._child else self._work_in_background,
            args=() if self._child else (evaluator,),
            name=f"worker-{self.run_id}-{self.worker_id}",
            daemon=True,
        )
        _alive.add(self)
        self._thread.start()

    def shutdown(self, timeout: float = _LEAVE_WITHIN) -> None:
        """End a worker that runs in the background; its job goes to another one.

        Parameters
        ----------
        timeout : float, default 5.0
            Seconds to wait for it. A process is killed then; a thread that computes cannot be.
        """
        thread, child = self._thread, self._child
        self._tell_to_leave()
        if child is not None:
            child.close(timeout)
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)
            if thread.is_alive():
                logger.warning("Worker %s is still computing and cannot be ended", self.worker_id)

    def _tell_to_leave(self) -> None:
        if self._loop is not None:
            self._loop.stop("it was shut down")
        if self._child is not None:
            self._child.hang_up()

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what belongs to this process."""
        return self.__dict__ | {"_loop": None, "_thread": None, "_child": None, "error": None}

    def __repr__(self) -> str:
        if self._child is not None:
            alive = self._thread is not None and self._thread.is_alive()
            state = f"in process {self._child.pid}" if alive else "ended"
        else:
            state = "not running" if self._loop is None else self._loop.state
        return f"<{type(self).__name__} {self.worker_id} of run {self.run_id!r}, {state}>"

    # -- working --------------------------------------------------------------------------------

    def _evaluator(self) -> Evaluator:
        if self._function is not None:
            objective = Objective(self._function)
        elif type(self).compute is Worker.compute:
            raise ConfigurationError(
                "this worker has nothing to run: give it a function with initialize, or override "
                "compute in a subclass"
            )
        else:
            objective = Objective(self.compute)
        if self.isolation is None:
            return InProcess(objective)
        from bandmaster.asynccomm.isolation import Isolated

        return Isolated(objective, isolation=self.isolation, what=f"worker {self.worker_id}")

    def _connect(self) -> Client:
        with self._entrance.names() as (names, key):
            dispatcher = names.lookup(dispatcher_name(self.run_id))
        client = Client(dispatcher, protocol.DISPATCHER, key=key, patience=_PATIENCE)
        client.connect()
        return client

    def _work(
        self, evaluator: Evaluator, orphaned: threading.Event | None, handle_signals: bool = True
    ) -> None:
        """Serve, register, and run the loop; SystemExit when a signal ended it."""
        host, pid = socket.gethostname()[:64], os.getpid()
        worker = unique_worker(host, pid, self.worker_id)
        entrance = self._entrance
        address, key = entrance.find()
        with entrance.server(
            address, key, host=self.host, name=f"worker-{self.worker_id}", early=True,
            max_request=1 << 16,  # the words of a master are short
        ) as server:  # fmt: skip
            control = self._control_address(server, entrance.interface, address)
            loop = self._loop = WorkerLoop(
                evaluator,
                self._connect,
                run_id=self.run_id,
                worker=worker,
                host=host,
                pid=pid,
                control=control,
                working_directory=self.working_directory,
                patience=self.timeout,
            )
            server.register(protocol.CONTROL, ControlHandler(loop))
            server.register(ABOUT_OBJECT, AboutHandler("worker"))
            registration = Registration(
                entrance.find,
                worker_name(self.run_id, worker),
                control,
                lambda key: entrance.admit(server, key),
            )
            if orphaned is not None:
                leave_when(orphaned, loop)
            logger.info(
                "WORKER(worker_id='bandmaster.run_%s.worker.%s'): start listening for jobs",
                self.run_id, worker,
            )  # fmt: skip
            interrupts = Interrupts(
                f"Worker {self.worker_id} of run {self.run_id!r}",
                drain=loop.drain,
                hurry=None if orphaned is None else orphaned.is_set,
                sigterm_grace=self.sigterm_grace,
                keyboard_interrupt=False,
                enabled=handle_signals,
            )
            try:
                with interrupts:
                    if control:
                        registration.start()
                    reason = loop.run()
            finally:
                registration.close()
        logger.info("Worker %s of run %s has left: %s", self.worker_id, self.run_id, reason)
        if interrupts.signum is not None:
            raise SystemExit(128 + interrupts.signum)

    def _control_address(self, server: Server, interface: str, nameserver: Address) -> str:
        try:
            return str(Address(advertised_host(interface, nameserver), server.address.port))
        except CommError as error:
            logger.warning("Worker %s cannot be reached by its master: %s", self.worker_id, error)
            return ""

    def _work_in_background(self, evaluator: Evaluator) -> None:
        try:
            self._work(evaluator, None)
        except BandmasterError as error:
            self.error = error
            logger.error("Worker %s of run %s ends: %s", self.worker_id, self.run_id, error)
        except BaseException as error:
            self.error = error
            logger.exception("Worker %s of run %s ends", self.worker_id, self.run_id)
        finally:
            _alive.discard(self)

    def _reap(self) -> None:
        child = self._child
        assert child is not None
        code = child.wait()
        child.hang_up()
        _alive.discard(self)
        if code in _SIGNALLED:
            logger.info("The process %d of worker %s was interrupted", child.pid, self.worker_id)
        elif child.killed:
            logger.warning(
                "The process %d of worker %s was ended: it did not leave in time",
                child.pid, self.worker_id,
            )  # fmt: skip
        elif code:
            self.error = CommError(f"the process of worker {self.worker_id} ended with {code}")
            logger.error(
                "The process %d of worker %s of run %s ended with exit code %d",
                child.pid, self.worker_id, self.run_id, code,
            )  # fmt: skip


class _WorkerTask:
    """What the process of a background worker does."""

    def __init__(self, worker: Worker, handle_signals: bool) -> None:
        self._worker = worker
        self._handle_signals = handle_signals

    def __call__(self, orphaned: threading.Event) -> int:
        worker = self._worker
        try:
            worker._work(worker._evaluator(), orphaned, self._handle_signals)
        except SystemExit as error:
            return 0 if orphaned.is_set() or not isinstance(error.code, int) else error.code
        except BandmasterError as error:
            logger.error("Worker %s ends: %s", self._worker.worker_id, error)
            return 1
        return 0


@atexit.register
def _shut_down_all() -> None:
    """Say goodbye for background workers that nobody shut down."""
    workers = list(_alive)
    for worker in workers:
        worker._tell_to_leave()
    for worker in workers:  # the threads of this process would hold it up
        worker.shutdown(1.0 if worker._child is None else _LEAVE_WITHIN)
