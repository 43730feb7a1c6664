"""Worker processes on this machine for one function, without a name server."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from typing import Any

import cloudpickle

from bandmaster.asynccomm import protocol
from bandmaster.asynccomm.child import Child, dump
from bandmaster.asynccomm.dispatcher import Dispatcher
from bandmaster.asynccomm.driver import Driver
from bandmaster.asynccomm.exits import how_it_ended
from bandmaster.asynccomm.local_task import LOCAL_RUN, LocalTask
from bandmaster.asynccomm.net import short_socket_dir
from bandmaster.asynccomm.protocol import Goodbye
from bandmaster.asynccomm.relaying import Relay
from bandmaster.asynccomm.security import make_key
from bandmaster.asynccomm.sessions import Session
from bandmaster.asynccomm.wire import Server
from bandmaster.core.evaluate import Objective
from bandmaster.core.isolation import Isolation
from bandmaster.errors import CommError, ConfigurationError
from bandmaster.interrupts import Interrupts
from bandmaster.study.follower import GRACE, Follower
from bandmaster.study.keeper import CheckpointKeeper
from bandmaster.study.study import Study

__all__ = ["LocalWorkers", "run_local"]

logger = logging.getLogger(__name__)

_MOST_FALSE_STARTS = 3
_LEAVE_WITHIN = 2.0


class LocalWorkers:
    """Keeps a number of worker processes alive.

    Parameters
    ----------
    make_task : callable
        Gets a worker's number, returns the bytes of its task (`child.dump`).
    n_workers : int
    dispatcher : Dispatcher
        Gets the error when the processes do not even start.

    Notes
    -----
    A process that dies is replaced at once. How often is bounded: a job that kills its worker ends
    as crashed after the study's `max_retries`, and three processes in a row that never said hello
    end the run.
    """

    def __init__(
        self, make_task: Callable[[int], bytes], n_workers: int, dispatcher: Dispatcher
    ) -> None:
        self._tasks = [make_task(number) for number in range(n_workers)]
        self._dispatcher = dispatcher
        self._children: dict[int, Child] = {}
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._closing = False

    def start(self) -> None:
        """Start the processes."""
        for number in range(len(self._tasks)):
            thread = threading.Thread(
                target=self._supervise, args=(number,), name=f"local-worker-{number}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def retire(self) -> None:
        """Replace nobody from now on."""
        self._closing = True

    def kill(self, session: Session) -> None:
        """Kill the process of a worker."""
        with self._lock:
            children = list(self._children.values())
        for child in children:
            if child.pid == session.hello.pid:
                child.kill()

    def close(self) -> None:
        """Let the processes leave, kill those that do not within 2 s, and reap them all."""
        with self._lock:
            self._closing = True
            children = list(self._children.values())
        for child in children:
            child.hang_up()
        for thread in self._threads:
            thread.join(_LEAVE_WITHIN)
            if thread.is_alive():
                for child in children:
                    child.kill()
                thread.join()

    def _supervise(self, number: int) -> None:
        false_starts = 0
        while True:
            child = Child(self._tasks[number])
            with self._lock:
                if self._closing:
                    return
                try:
                    child.spawn()
                except OSError as error:
                    self._dispatcher.fail(CommError(f"no worker process can be started: {error}"))
                    return
                self._children[number] = child
            child.tell()  # whoever wants to kill or to close does not wait for that
            how = how_it_ended(child.wait())
            child.hang_up()
            with self._lock:
                del self._children[number]
            if self._closing:
                return
            if child.pid in self._dispatcher.sessions.pids:
                false_starts = 0
                logger.warning("Worker process %d %s; starting another", child.pid, how)
                continue
            false_starts += 1
            if false_starts == _MOST_FALSE_STARTS:
                self._dispatcher.fail(
                    CommError(
                        f"{false_starts} worker processes in a row ended before they were ready, "
                        f"the last one {how}; what they wrote to standard error says why"
                    )
                )
                return


def run_local(
    study: Study,
    function: Callable[..., Any],
    n_jobs: int,
    *,
    follower: Follower,
    timeout: float | None = None,
    job_timeout: float | None = None,
    catch: tuple[type[BaseException], ...] = (Exception, SystemExit),
    grace: float | None = GRACE,
    working_directory: str = ".",
    isolation: Isolation | None = None,
    interrupts: Interrupts | None = None,
    keeper: CheckpointKeeper | None = None,
) -> None:
    """Run a study to its end with worker processes on this machine.

    The function reaches them by cloudpickle over a pipe, so a closure, a lambda and a function of
    a notebook will do. They talk to this process over a Unix socket that only this user can open.

    Parameters
    ----------
    study : Study
        With a plan that ends, or a `timeout`, or a callback that stops it.
    function : callable
        The objective; it gets what its parameters name (`Objective`).
    n_jobs : int
        How many processes.
    follower : Follower
        Sees each evaluation.
    timeout : float, optional
        Seconds after which nothing starts any more. What is running then is asked to stop, and
        ended after `grace` more seconds with status STOPPED.
    job_timeout : float, optional
        Seconds without a report after which an evaluation's process is killed.
    catch : tuple of exception types
        What makes an evaluation fail. Any other exception ends the run and is raised here.
    grace : float or None, default 1.0
        None lets what is running end.
    working_directory : str, default "."
        For evaluations that ask for it.
    isolation : Isolation, optional
        Evaluate in a child of each worker process, with these limits.
    interrupts : Interrupts, optional
        When it says so, nothing starts any more, and the run ends when nothing runs any more.
    keeper : CheckpointKeeper, optional
        Started; for evaluations that save their state.

    Raises
    ------
    ConfigurationError
        When the function cannot be called, or cannot be sent to another process.
    CommError
        When the worker processes do not start.
    """
    if type(n_jobs) is not int or n_jobs < 1:
        raise ConfigurationError(f"n_jobs must be a whole number ≥ 1, got {n_jobs!r}")
    Objective(function)
    with short_socket_dir() as directory:
        key, path = make_key(), str(directory / "s")

        def make_task(slot: int) -> bytes:
            task = LocalTask(function, path, key, slot, catch, working_directory, isolation)
            return dump(task, f"the objective {function!r}")

        def fatal(goodbye: Goodbye) -> None:
            workers.retire()
            dispatcher.fail(_exception_of(goodbye))

        def drain(reason: str) -> None:
            workers.retire()
            dispatcher.drain(reason)

        def give_up(session: Session) -> None:
            workers.retire()
            workers.kill(session)

        def silent(session: Session) -> None:
            workers.kill(session)

        dispatcher = Dispatcher(
            study,
            run_id=LOCAL_RUN,
            job_timeout=job_timeout,
            grace=None,
            on_silent=silent,
            on_fatal=fatal,
        )
        workers = LocalWorkers(make_task, n_jobs, dispatcher)
        if keeper is not None:
            dispatcher.relay = Relay(keeper.store, keeper.mark)
        server = Server(key=key, unix_path=path, name="local")
        server.register(protocol.DISPATCHER, dispatcher)
        with contextlib.ExitStack() as ending:  # each step, whatever happens in another
            ending.callback(dispatcher.close)
            ending.callback(server.close)
            ending.callback(workers.close)
            ending.callback(dispatcher.stop, "the run is over", requeue=True)
            server.start()
            dispatcher.open()
            if interrupts is not None:
                interrupts.connect(drain, dispatcher.fail)
            workers.start()
            Driver(dispatcher, follower, timeout=timeout, grace=grace, give_up=give_up).run()


def _exception_of(goodbye: Goodbye) -> BaseException:
    """Return what ended a worker. It is one of our own processes, so unpickling is safe."""
    if goodbye.exception is not None:
        try:
            error = cloudpickle.loads(goodbye.exception)
        except Exception as problem:  # noqa: BLE001 - unpickling runs the user's code
            logger.debug("the exception cannot be unpickled: %s", problem)
        else:
            if isinstance(error, BaseException):
                error.__cause__ = RuntimeError(f"in a worker process:\n{goodbye.fatal}")
                return error
    return CommError(f"an evaluation ended its worker:\n{goodbye.fatal}")
