"""What a worker and a dispatcher say to each other, as plain data.

Six calls on the dispatcher, each one round trip on the worker's one connection:

``hello``
    Who the worker is, which job it is running and which outcomes it could not hand over.
    Answered by a `Welcome`.
``exchange``
    How the last job ended, or None → the next job, "wait" (ask again) or "stop".
``report``
    How the running job is doing, in one or several reports → what it shall do (`Decision`).
``put``
    Part of a checkpoint that the running job saves → how much of it has arrived. Only workers that
    do not see the store call this, and
``get``
    Part of the checkpoint that the running job starts from.
``goodbye``
    The worker leaves; what it still had goes to others at once.

And four on the object that a worker registers: ``wake``, ``stop`` (an evaluation shall end itself),
``cancel`` (it is ended) and ``shutdown``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import Struct

from bandmaster.core.codec import pack, unpack
from bandmaster.core.job import Job
from bandmaster.core.outcome import Outcome, Status
from bandmaster.errors import ProtocolError

__all__ = [
    "CONTROL",
    "DISPATCHER",
    "JOB",
    "MOST_PART",
    "STOP",
    "VERSION",
    "WAIT",
    "Get",
    "Goodbye",
    "Hello",
    "Place",
    "Put",
    "Row",
    "Ticket",
    "Welcome",
    "read_exchange",
    "read_outcome",
    "read_reports",
    "read_ticket",
    "write_exchange",
    "write_job",
    "write_reports",
    "write_stop",
    "write_wait",
]

VERSION = 2
"""Of these messages; a worker and a dispatcher must agree on it."""

DISPATCHER = "bandmaster.dispatcher"
"""The object of a dispatcher's server."""

CONTROL = "bandmaster.worker"
"""The object of a worker's server."""

WAIT, JOB, STOP = 0, 1, 2

_STATUSES = {status.value: status for status in Status}

Row = tuple[Mapping[str, Any], int, "str | None"]
"""One report: metrics, step and the name of a checkpoint, if there is one."""

MOST_PART = 1 << 20
"""The largest part of a checkpoint in one message, in bytes."""


class Ticket(Struct, frozen=True, gc=False):
    """Names one attempt of a job of one study.

    Parameters
    ----------
    study : str
        Which study; a master that was started afresh has another one under the same run_id.
    job, attempt : int
    """

    study: str
    job: int
    attempt: int

    def to_wire(self) -> list[Any]:
        """Return the fields as plain data."""
        return [self.study, self.job, self.attempt]


@dataclass(frozen=True, slots=True)
class Hello:
    """A worker's first call.

    Parameters
    ----------
    run_id : str
    worker : str
        Its name in logs and results, unique in the run.
    host : str
    pid : int
    control : str, default ""
        The address of the object it registered; empty when it has none.
    running : Ticket, optional
        What it is computing.
    finished : tuple of (Ticket, Outcome), default ()
        What it could not hand over.
    """

    run_id: str
    worker: str
    host: str
    pid: int
    control: str = ""
    running: Ticket | None = None
    finished: tuple[tuple[Ticket, Outcome], ...] = ()

    def encode(self) -> bytes:
        """Return the payload; the version comes first and stays first."""
        running = None if self.running is None else self.running.to_wire()
        finished = [[ticket.to_wire(), outcome.to_wire()] for ticket, outcome in self.finished]
        return pack(
            [VERSION, self.run_id, self.worker, self.host, self.pid, self.control, running,
             finished]
        )  # fmt: skip

    @classmethod
    def version_of(cls, data: Any) -> int:
        """Return the version in a payload that was unpacked."""
        if not isinstance(data, list) or not data or type(data[0]) is not int:
            raise ProtocolError("a hello without a version")
        return data[0]

    @classmethod
    def decode(cls, data: Any) -> Hello:
        """Read a payload of our own version."""
        match data:
            case [
                int(),
                str(run_id),
                str(worker),
                str(host),
                int(pid),
                str(control),
                running,
                list(finished),
            ]:
                return cls(
                    run_id, worker, host, pid, control,
                    None if running is None else read_ticket(running),
                    tuple(_read_finished(item) for item in finished),
                )  # fmt: skip
        raise ProtocolError("a hello with other fields than expected")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the checkpoints of a study are.

    Parameters
    ----------
    url : str
    mark : str
        What is to be found there by who sees the same store as the master.
    """

    url: str
    mark: str


@dataclass(frozen=True, slots=True)
class Welcome:
    """The answer to a hello.

    Parameters
    ----------
    study : str
        For the tickets of the jobs that come on this connection.
    keep : bool
        Whether the job that the worker said it is running is still its own.
    place : Place, optional
        Where to keep checkpoints; None when this master keeps none.
    each : bool, default True
        Whether the study wants to answer each report.
    """

    study: str
    keep: bool
    place: Place | None = None
    each: bool = True

    def encode(self) -> bytes:
        """Return the payload."""
        place = None if self.place is None else [self.place.url, self.place.mark]
        return pack([self.study, self.keep, place, self.each])

    @classmethod
    def decode(cls, payload: bytes) -> Welcome:
        """Read a payload."""
        match unpack(payload):
            case [str(study), bool(keep), None, bool(each)]:
                return cls(study, keep, None, each)
            case [str(study), bool(keep), [str(url), str(mark)], bool(each)]:
                return cls(study, keep, Place(url, mark), each)
        raise ProtocolError("a welcome with other fields than expected")


class Put(Struct, frozen=True, gc=False):
    """Part of a checkpoint on its way to the master.

    Parameters
    ----------
    job, attempt : int
        Which job saves it.
    name : str
    start : int
        Where this part begins.
    total : int
        How long the whole is, in bytes.
    data : bytes
        At most `MOST_PART`.
    """

    job: int
    attempt: int
    name: str
    start: int
    total: int
    data: bytes

    def encode(self) -> bytes:
        """Return the payload."""
        return pack([self.job, self.attempt, self.name, self.start, self.total, self.data])

    @classmethod
    def decode(cls, payload: bytes) -> Put:
        """Read a payload."""
        match unpack(payload):
            case [
                int(job),
                int(attempt),
                str(name),
                int(start),
                int(total),
                bytes(data),
            ] if len(data) <= MOST_PART and start >= 0 and start + len(data) <= total:
                return cls(job, attempt, name, start, total, data)
        raise ProtocolError("part of a checkpoint with other fields than expected")


class Get(Struct, frozen=True, gc=False):
    """Asks for part of a checkpoint; the answer is its bytes, none at the end.

    Parameters
    ----------
    job, attempt : int
        Which job starts from it.
    name : str
    start : int
        Where the part begins.
    """

    job: int
    attempt: int
    name: str
    start: int

    def encode(self) -> bytes:
        """Return the payload."""
        return pack([self.job, self.attempt, self.name, self.start])

    @classmethod
    def decode(cls, payload: bytes) -> Get:
        """Read a payload."""
        match unpack(payload):
            case [int(job), int(attempt), str(name), int(start)] if start >= 0:
                return cls(job, attempt, name, start)
        raise ProtocolError("a wish for a checkpoint with other fields than expected")


@dataclass(frozen=True, slots=True)
class Goodbye:
    """A worker's last call.

    Parameters
    ----------
    reason : str
        For the log.
    finished : (Ticket, Outcome), optional
        What it has not handed over yet.
    fatal : str, optional
        The traceback of what ended the worker.
    exception : bytes, optional
        That exception, pickled. Only a local run, which made the worker, looks at it.
    """

    reason: str
    finished: tuple[Ticket, Outcome] | None = None
    fatal: str | None = None
    exception: bytes | None = None

    def encode(self) -> bytes:
        """Return the payload."""
        finished = None
        if self.finished is not None:
            finished = [self.finished[0].to_wire(), self.finished[1].to_wire()]
        return pack([self.reason, finished, self.fatal, self.exception])

    @classmethod
    def decode(cls, data: Any) -> Goodbye:
        """Read a payload that was unpacked."""
        match data:
            case [str(reason), finished, str() | None as fatal, bytes() | None as exception]:
                told = None if finished is None else _read_finished(finished)
                return cls(reason, told, fatal, exception)
        raise ProtocolError("a goodbye with other fields than expected")


def read_ticket(data: Any) -> Ticket:
    """Read what `Ticket.to_wire` gave; ProtocolError when it is something else."""
    match data:
        case [str(study), int(job), int(attempt)]:
            return Ticket(study, job, attempt)
    raise ProtocolError("a ticket with other fields than expected")


def read_outcome(data: Any) -> Outcome:
    """Read what `Outcome.to_wire` gave.

    Raises
    ------
    ProtocolError
        When a field has another type: nothing that a peer sends may reach the study unchecked.
    """
    # Once an evaluation, so written for speed: a match statement takes three times as long.
    if type(data) is list and len(data) == 9:
        status, loss, metrics, info, error, checkpoint, started, finished, worker = data
        if (
            type(status) is str
            and (type(loss) is float or loss is None)
            and type(metrics) is dict
            and (error is None or type(error) is str)
            and (checkpoint is None or type(checkpoint) is str)
            and type(started) is float
            and type(finished) is float
            and type(worker) is str
            and (
                not metrics or all(type(k) is str and type(v) is float for k, v in metrics.items())
            )
        ):
            try:
                return Outcome(
                    _STATUSES.get(status) or Status(status), loss, metrics, info, error,
                    checkpoint, started, finished, worker,
                )  # fmt: skip
            except ValueError as problem:
                raise ProtocolError(f"an outcome that cannot be: {problem}") from problem
    raise ProtocolError("an outcome with other fields than expected")


def write_exchange(job: int, attempt: int, outcome: Outcome) -> bytes:
    """Return the payload of an exchange that hands an outcome over."""
    return pack([job, attempt, outcome.to_wire()])


def read_exchange(payload: bytes) -> tuple[int, int, Outcome] | None:
    """Read the payload of an exchange: None when there is no outcome (an empty payload)."""
    if not payload:
        return None
    data = unpack(payload)
    if type(data) is list and len(data) == 3:
        job, attempt, outcome = data
        if type(job) is int and type(attempt) is int:
            return job, attempt, read_outcome(outcome)
    raise ProtocolError("an exchange with other fields than expected")


def write_job(job: Job) -> bytes:
    """Return the answer "run this"."""
    return pack([JOB, job.to_wire()])


def write_wait() -> bytes:
    """Return the answer "nothing yet, ask again"."""
    return pack([WAIT, None])


def write_stop(reason: str) -> bytes:
    """Return the answer "leave"."""
    return pack([STOP, reason])


def write_reports(job: int, attempt: int, rows: Sequence[Row]) -> bytes:
    """Return the payload of a report."""
    return pack([job, attempt, [list(row) for row in rows]])


def read_reports(payload: bytes) -> tuple[int, int, list[Row]]:
    """Read a report: job, attempt, and what was reported."""
    match unpack(payload):
        case [int(job), int(attempt), list(rows)] if rows:
            return job, attempt, [_read_row(row) for row in rows]
    raise ProtocolError("a report with other fields than expected")


def _read_row(row: Any) -> Row:
    match row:
        case [dict(metrics), int(step), str() | None as checkpoint] if all(
            type(name) is str for name in metrics
        ):
            return metrics, step, checkpoint
    raise ProtocolError("a report with other fields than expected")


def _read_finished(item: Any) -> tuple[Ticket, Outcome]:
    match item:
        case [ticket, outcome]:
            return read_ticket(ticket), read_outcome(outcome)
    raise ProtocolError("a finished job with other fields than expected")
