"""What a worker does: ask for a job, run it, hand the outcome over, ask again."""

from __future__ import annotations

import logging
import select
import threading
import time
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from bandmaster.asynccomm import protocol
from bandmaster.asynccomm.addresses import Address
from bandmaster.asynccomm.protocol import Get, Goodbye, Hello, Place, Put, Ticket, Welcome
from bandmaster.asynccomm.relayed import RelayedStore, StoreFinder
from bandmaster.asynccomm.reporting import Reports
from bandmaster.asynccomm.wire import Client
from bandmaster.checkpoints import StoredCheckpoints
from bandmaster.core.codec import native, unpack
from bandmaster.core.context import Context, EvaluationEnded
from bandmaster.core.decisions import Decision
from bandmaster.core.evaluator import Evaluator
from bandmaster.core.job import Job
from bandmaster.core.outcome import Outcome, Status
from bandmaster.errors import (
    AuthenticationError,
    BandmasterError,
    CodecError,
    CommError,
    CommTimeoutError,
    MasterLostError,
    ProtocolError,
    ProtocolVersionError,
)
from bandmaster.interrupts import Interrupted

__all__ = ["WorkerLoop"]

logger = logging.getLogger(__name__)

_LOST = (MasterLostError, CommTimeoutError)
_HELLO_TIMEOUT = 30.0
_GOODBYE_TIMEOUT = 2.0
_DRAIN_WITHIN = 0.2
_FIRST_DELAY, _LONGEST_DELAY = 0.05, 5.0
_WARN_AFTER, _WARN_EVERY = 2.0, 30.0
_MOST_REFUSALS = 3  # with the wrong key, in a row


class WorkerLoop:
    """Runs jobs in the thread that calls `run`, until it is told to stop.

    Parameters
    ----------
    evaluator : Evaluator
        Runs the jobs; closed at the end of `run`.
    link : callable
        Returns a connected Client of the dispatcher, or raises CommError when it cannot be found.
    run_id, worker, host, pid, control : str, str, str, int, str
        As in `Hello`.
    working_directory : str, default "."
        For evaluations that ask for it.
    patience : float, optional
        Seconds without a master before it gives up; None waits for ever.

    Notes
    -----
    `stop`, `drain`, `cancel` and `wake` may be called from any thread.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        link: Callable[[], Client],
        *,
        run_id: str,
        worker: str,
        host: str,
        pid: int,
        control: str = "",
        working_directory: str = ".",
        patience: float | None = None,
    ) -> None:
        self._evaluator = evaluator
        self._link = link
        self._run_id, self._worker, self._host, self._pid = run_id, worker, host, pid
        self._control = control
        self._directory = working_directory
        self._patience = patience
        self._random = Random(f"{host}/{pid}/{worker}")
        self._state = threading.RLock()
        self._connecting = threading.Lock()
        self._kick = threading.Event()
        self._client: Client | None = None
        self._opening: Client | None = None
        self._study = ""
        self._running: tuple[Ticket, Context] | None = None
        self._finished: tuple[Ticket, Outcome] | None = None
        self._cancelled: Ticket | None = None
        self._stop: str | None = None
        self._draining = False
        self._leaving = False
        self._ended = threading.Event()
        self._dropped = False
        self._pause = _FIRST_DELAY
        self._reports = Reports()
        self._place: Place | None = None
        self._stores = StoreFinder(lambda: self._place, RelayedStore(self._put, self._get))
        self._checkpoints = StoredCheckpoints(self._stores)

    # -- from any thread ------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether an evaluation is running."""
        return self._running is not None

    @property
    def state(self) -> str:
        """What it does, in a few words."""
        with self._state:
            if self._running is not None:
                return f"evaluates job {self._running[0].job}"
            if self._stop is not None:
                return f"stopped: {self._stop}"
            return "looks for its master" if self._client is None else "waits for a job"

    def stop(self, reason: str) -> None:
        """Leave after the evaluation that is running, or at once when there is none.

        One that can be ended is ended; its job goes to another worker.
        """
        with self._state:
            if self._stop is None:
                self._stop = reason
            self._draining = False
            clients = [self._opening, None if self._running else self._client]
            if self._leaving:  # on its own; what it still hands over is not cut off
                clients = []
            if self._running is not None:
                self._running[1].should_stop = self._dropped = True
                self._running[1].cancelled = reason  # should it be about to begin
                self._evaluator.cancel(reason)
        self._kick.set()
        for client in clients:
            if client is not None:
                client.close()

    def drain(self, reason: str) -> None:
        """Leave after the evaluation that is running, undisturbed, and hand its outcome over."""
        with self._state:
            self._stop, self._draining = self._stop or reason, True
            if self._running is not None:
                return
        self._kick.set()
        # A job may be on its way: the goodbye gives it back, which a connection that breaks does
        # not. Who still waits after that is parked.
        if not self._ended.wait(_DRAIN_WITHIN):
            self.stop(reason)

    def cancel(self, job: int, attempt: int, *, at_once: bool = True) -> bool:
        """Tell the evaluation that is running to stop, if it is this one and looks.

        `at_once` ends one that can be ended.
        """
        with self._state:
            if self._running is None:
                return False
            ticket, context = self._running
            if (ticket.job, ticket.attempt) != (job, attempt):
                return False
            self._cancelled = ticket
            context.should_stop = True
            if at_once:
                context.cancelled = "cancelled by the master"
                self._evaluator.cancel(context.cancelled)
            return True

    def wake(self, master: Address) -> None:
        """There is a new master: look for it now; during an evaluation, tell it what runs here.

        Parameters
        ----------
        master : Address
            Where it is. A connection to another one is given up, however well it looks: that may
            be stopped, or cut off.
        """
        self._kick.set()
        client = self._client
        elsewhere = client is not None and (client.address.host, client.address.port) != (
            master.host, master.port,
        )  # fmt: skip
        if elsewhere or (self.busy and not self._alive()):
            try:
                self._connect(anew=elsewhere)
            except BandmasterError as error:
                logger.info("Worker %s cannot reach its new master yet: %s", self._worker, error)

    # -- the loop -------------------------------------------------------------------------------

    def run(self) -> str:
        """Work until told to stop; returns why.

        Raises
        ------
        CommError
            When there is no master for longer than the patience, or it refuses this worker.
        BaseException
            What an evaluation raised and its evaluator does not catch. The master was told before.
        """
        fatal: BaseException | None = None
        try:
            self._evaluator.start()
            while self._stop is None:
                self._find()
                try:
                    while self._stop is None and self._exchange():
                        pass
                except _LOST as error:
                    self._mourn(error)
                except CommError as error:
                    if type(error) is not CommError:
                        raise
                    self._mourn(error)  # something failed there that nobody has foreseen
                    self._kick.wait(self._pause)
                    self._pause = min(2 * self._pause, _LONGEST_DELAY)
        except BaseException as error:
            fatal = error
            raise
        finally:
            try:
                self._leave(fatal)
            finally:
                self._ended.set()
                self._evaluator.close()
                self._stores.close()
        return self._stop or "lost its master"

    def _exchange(self) -> bool:
        client = self._client
        if client is None:
            return False
        finished = self._finished
        payload = b""
        if finished is not None and finished[0].study != self._study:
            logger.warning(
                "The outcome of job %d is dropped: the master has begun another study",
                finished[0].job,
            )
            finished = None
        try:
            if finished is not None:
                payload = protocol.write_exchange(finished[0].job, finished[0].attempt, finished[1])
            kind, content = unpack(client.call("exchange", payload))
        except (ProtocolError, CodecError) as error:
            if finished is None or not client.connected:
                raise
            # The connection is well, so it is this outcome that cannot be sent.
            logger.error("The outcome of job %d cannot be sent: %s", finished[0].job, error)
            failed = Outcome.failed(f"the outcome could not be sent: {error}", worker=self._worker)
            self._finished = finished[0], failed
            return True
        self._finished, self._pause = None, _FIRST_DELAY
        if kind == protocol.STOP:
            self._stop = self._stop or content
        elif kind == protocol.JOB and self._stop is None:
            self._evaluate(Job.from_wire(content))
        return True

    def _evaluate(self, job: Job) -> None:
        ticket = Ticket(self._study, job.number, job.attempt)
        context = Context(
            job,
            worker=self._worker,
            working_directory=self._directory,
            reporter=self._report,
            checkpoints=self._checkpoints,
        )
        with self._state:
            if self._stop is not None:
                return  # the goodbye gives it back
            self._running = ticket, context
        self._reports.clear()
        outcome = self._evaluator.run(job, context)
        self._tell_the_rest()
        with self._state:
            self._running = None
            if not (self._dropped and outcome.status is Status.STOPPED):
                self._finished = ticket, outcome

    def _report(
        self, job: Job, metrics: Mapping[str, Any], step: int, checkpoint: str | None
    ) -> Decision:
        due = self._reports.add((native(metrics, path="metrics"), step, checkpoint))
        with self._state:
            running, client = self._running, self._client
            stopped = self._stop is not None and not self._draining
            study = self._study
        if stopped or (
            running is not None and (running[0] == self._cancelled or running[0].study != study)
        ):
            return Decision.STOP
        decision = Decision.CONTINUE
        if client is None or not due:
            return decision
        try:
            while decision is Decision.CONTINUE and (rows := self._reports.next()):
                payload = protocol.write_reports(job.number, job.attempt, rows)
                decision = Decision(unpack(client.call("report", payload)))
                self._reports.told(len(rows))
        except CommError as error:
            if type(error) is not CommError and not isinstance(error, _LOST):
                self._reports.clear()  # they would be refused again
                raise
            logger.debug("reports of job %d are told later: %s", job.number, error)
        return decision

    def _tell_the_rest(self) -> None:
        """Tell what was reported and has not arrived, before the outcome ends the job."""
        try:
            while rows := self._reports.next():
                self._persist("report", lambda t: protocol.write_reports(t.job, t.attempt, rows))
                self._reports.told(len(rows))
        except (CommError, EvaluationEnded) as error:
            logger.debug("reports are lost: %s", error)

    # -- checkpoints that go through the master ---------------------------------------------------

    def _put(self, name: str, start: int, total: int, data: bytes) -> bytes:
        return self._persist(
            "put", lambda t: Put(t.job, t.attempt, name, start, total, data).encode()
        )

    def _get(self, name: str, start: int) -> bytes:
        return self._persist("get", lambda t: Get(t.job, t.attempt, name, start).encode())

    def _persist(self, method: str, payload: Callable[[Ticket], bytes]) -> bytes:
        """Call the master for the job that runs; wait for the next master when this one is gone.

        A job that is nobody's, or somebody else's, by now ends here.
        """
        while True:
            with self._state:
                running, client = self._running, self._client
                stopped = self._stop is not None and not self._draining
                study = self._study
            if (
                stopped
                or running is None
                or running[0] == self._cancelled
                or running[0].study != study
            ):
                raise EvaluationEnded(Decision.STOP, {})
            try:
                if client is None:
                    raise MasterLostError("there is no master")
                return client.call(method, payload(running[0]))
            except _LOST as error:
                logger.debug("part of a checkpoint is sent again: %s", error)
            self._find()
            if not self._alive():
                raise MasterLostError("the worker leaves, and has no master to keep a checkpoint")

    # -- finding the master ---------------------------------------------------------------------

    def _find(self) -> None:
        started, warned, delay, refusals = time.monotonic(), 0.0, _FIRST_DELAY, 0
        while self._stop is None:
            self._kick.clear()
            try:
                self._connect()
                return
            except ProtocolVersionError:
                raise
            except AuthenticationError as error:
                refusals += 1
                if refusals == _MOST_REFUSALS:
                    raise
                failure: CommError = error
            except CommError as error:
                failure, refusals = error, 0
            now = time.monotonic()
            if self._patience is not None and now - started >= self._patience:
                raise failure
            if now - started >= _WARN_AFTER and now - warned >= _WARN_EVERY:
                warned = now
                logger.warning(
                    "Worker %s has found no master of run %r for %.0f s and goes on looking: %s",
                    self._worker, self._run_id, now - started, failure,
                )  # fmt: skip
            wait = delay * self._random.uniform(0.5, 1.0)
            if not warned:
                wait = min(wait, max(_FIRST_DELAY, started + _WARN_AFTER - now))
            if self._patience is not None:
                wait = min(wait, max(0.0, started + self._patience - now))
            woken = self._kick.wait(wait)
            delay = _FIRST_DELAY if woken else min(2 * delay, _LONGEST_DELAY)

    def _connect(self, *, anew: bool = False) -> None:
        with self._connecting:
            if self._alive() and not anew:
                return
            client = self._link()
            try:
                with self._state:
                    running, finished, self._opening = self._running, self._finished, client
                hello = Hello(
                    self._run_id, self._worker, self._host, self._pid, self._control,
                    None if running is None else running[0],
                    () if finished is None else (finished,),
                )  # fmt: skip
                welcome = Welcome.decode(
                    client.call("hello", hello.encode(), timeout=_HELLO_TIMEOUT)
                )
            except BaseException:
                client.close()
                raise
            finally:
                self._opening = None
            with self._state:
                if self._finished is finished:
                    self._finished = None
                if running is not None and self._running is running and not welcome.keep:
                    logger.info("Job %d is somebody else's by now", running[0].job)
                    self._cancelled = running[0]
                    running[1].should_stop = True
                    running[1].cancelled = "another worker has it by now"
                    self._evaluator.cancel(running[1].cancelled)
                self._study, self._place = welcome.study, welcome.place
                self._reports.each = welcome.each
                old, self._client = self._client, client
                stopped = self._stop is not None
            if old is not None:
                old.close()
            if stopped and running is None:
                client.close()

    def _alive(self) -> bool:
        client = self._client
        descriptor = -1 if client is None else client.fileno()
        if descriptor < 0:
            return False
        poller = select.poll()
        poller.register(descriptor, select.POLLIN)
        return not poller.poll(0)  # nothing arrives unasked but the end

    def _mourn(self, error: CommError) -> None:
        with self._state:
            client, self._client = self._client, None
        if client is not None:
            client.close()
        if self._stop is not None:
            return
        kept = (
            "" if self._finished is None else f" keeps the outcome of job {self._finished[0].job}"
        )
        logger.warning(
            "Worker %s lost its master (%s);%s looks for it again", self._worker, error,
            kept and kept + " and",
        )  # fmt: skip

    def _leave(self, fatal: BaseException | None) -> None:
        with self._state:
            self._leaving = True
        if fatal is None and self._finished is not None and not self._alive():
            try:
                self._connect()  # which hands it over
            except BandmasterError as error:
                logger.warning("Worker %s leaves with the outcome of job %d: %s",
                               self._worker, self._finished[0].job, error)  # fmt: skip
        with self._state:
            client, self._client = self._client, None
            finished, self._running = self._finished, None
            reason = self._stop or (f"{type(fatal).__name__}: {fatal}" if fatal else "done")
            self._stop = reason
        if client is None:
            return
        goodbye = Goodbye(reason, finished, *_describe(fatal))
        try:
            client.call("goodbye", goodbye.encode(), timeout=_GOODBYE_TIMEOUT)
        except BandmasterError as error:
            logger.debug("no goodbye: %s", error)
        finally:
            client.close()


def _describe(fatal: BaseException | None) -> tuple[str | None, bytes | None]:
    if fatal is None or isinstance(fatal, (Interrupted, CommError)):
        return None, None
    import traceback

    import cloudpickle

    text = "".join(traceback.format_exception(type(fatal), fatal, fatal.__traceback__))
    try:
        return text, cloudpickle.dumps(fatal)
    except Exception as error:  # noqa: BLE001 - pickling runs the user's code
        logger.debug("%r cannot be pickled: %s", fatal, error)
        return text, None
