"""What can happen to a study. Its state is a fold over these.

Each event is a frozen value; `to_data` and `from_data` are its stored form, a list that begins
with the event's kind. The schema's version is in the first event of every journal. New fields are
appended with a default, so that old journals stay readable; golden journals in the tests hold it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from msgspec import Struct
from msgspec.structs import astuple

from bandmaster.core.outcome import Outcome
from bandmaster.errors import CodecError

__all__ = [
    "SCHEMA_VERSION",
    "CheckpointsPlaced",
    "Enqueued",
    "Event",
    "GeneratorExtended",
    "Imported",
    "IntakeClosed",
    "Interrupted",
    "JobFinished",
    "JobIssued",
    "JobReported",
    "JobRequeued",
    "Noted",
    "OptimizerChanged",
    "PlanSet",
    "Stopped",
    "StudyCreated",
    "from_data",
    "to_data",
]

SCHEMA_VERSION = 1


class StudyCreated(Struct, frozen=True, gc=False):
    """The first event: what the study is.

    `optimizer` is its class and the options that are no defaults, `generator` its repr.
    """

    kind: ClassVar[str] = "created"
    time: float
    schema: int
    name: str
    space: Mapping[str, Any]
    objectives: list[Any]
    seed: int
    optimizer: str
    generator: str


class PlanSet(Struct, frozen=True, gc=False):
    """The limits of the study, set or raised (`Plan.to_data`); a stopped study goes on."""

    kind: ClassVar[str] = "plan"
    time: float
    plan: list[Any]


class GeneratorExtended(Struct, frozen=True, gc=False):
    """From here on the study goes on with a larger generator; `generator` is its signature."""

    kind: ClassVar[str] = "extended"
    time: float
    generator: str


class OptimizerChanged(Struct, frozen=True, gc=False):
    """From here on another optimizer, or one with other options, proposes new trials."""

    kind: ClassVar[str] = "optimizer"
    time: float
    optimizer: str


class CheckpointsPlaced(Struct, frozen=True, gc=False):
    """From here on checkpoints may be in a place that does not follow from the storage's."""

    kind: ClassVar[str] = "checkpoints"
    time: float
    place: str


class Enqueued(Struct, frozen=True, gc=False):
    """The user wants this configuration evaluated before the optimizer is asked."""

    kind: ClassVar[str] = "enqueued"
    time: float
    config: Mapping[str, Any]


class JobIssued(Struct, frozen=True, gc=False):
    """An attempt of a job went out. `config` and what follows is None for later attempts."""

    kind: ClassVar[str] = "issued"
    time: float
    job: int
    attempt: int
    worker: str
    trial: int
    budget: float
    config: Mapping[str, Any] | None  # None: the trial is known
    config_info: Mapping[str, Any]
    bracket: int
    rung: int
    checkpoint: str | None
    enqueued: bool  # it took the head of the queue of enqueued configurations


class JobReported(Struct, frozen=True, gc=False):
    """A running job reported, and was answered `decision`."""

    kind: ClassVar[str] = "reported"
    time: float
    job: int
    attempt: int
    step: int
    metrics: Mapping[str, Any]
    loss: float | None
    decision: str
    checkpoint: str | None


class JobFinished(Struct, frozen=True, gc=False):
    """A job ended."""

    kind: ClassVar[str] = "finished"
    time: float
    job: int
    attempt: int
    outcome: Outcome


class JobRequeued(Struct, frozen=True, gc=False):
    """An attempt was lost, or failed and is tried again; the job waits to be issued again.

    `counted` says whether it used up one of the retries that the job has for lost workers,
    `failed` whether it used up one of those for failures (`reason` is the failure's error then).
    """

    kind: ClassVar[str] = "requeued"
    time: float
    job: int
    attempt: int
    reason: str
    counted: bool
    failed: bool = False  # stored only when it is true: older journals have no such field


class Imported(Struct, frozen=True, gc=False):
    """An evaluation of another study, to learn from."""

    kind: ClassVar[str] = "imported"
    time: float
    config: Mapping[str, Any]
    budget: float
    config_info: Mapping[str, Any]
    outcome: Outcome


class IntakeClosed(Struct, frozen=True, gc=False):
    """No new trial will start."""

    kind: ClassVar[str] = "intake-closed"
    time: float
    reason: str


class Stopped(Struct, frozen=True, gc=False):
    """Nothing will be issued any more; running jobs may still finish.

    `cause` is ``"stopped"`` for one that was told to, or the limit: timeout, target_loss.
    """

    kind: ClassVar[str] = "stopped"
    time: float
    reason: str
    cause: str = "stopped"  # stored only when it is another: older journals have no such field


class Interrupted(Struct, frozen=True, gc=False):
    """A run ended before its limits, by a signal or because it was drained; the study can go on.

    An empty reason takes it back: what was still running was the last there was to do.
    """

    kind: ClassVar[str] = "interrupted"
    time: float
    reason: str


class Noted(Struct, frozen=True, gc=False):
    """A remark for the reader of the journal."""

    kind: ClassVar[str] = "noted"
    time: float
    text: str


Event = (
    StudyCreated | PlanSet | Enqueued | JobIssued | JobReported | JobFinished | JobRequeued
    | Imported | IntakeClosed | Stopped | Noted | GeneratorExtended | OptimizerChanged
    | CheckpointsPlaced | Interrupted
)  # fmt: skip

_KINDS: dict[str, Any] = {
    kind.kind: kind
    for kind in (
        StudyCreated, PlanSet, Enqueued, JobIssued, JobReported, JobFinished, JobRequeued,
        Imported, IntakeClosed, Stopped, Noted, GeneratorExtended, OptimizerChanged,
        CheckpointsPlaced, Interrupted,
    )
}  # fmt: skip
_WITH_OUTCOME = (JobFinished, Imported)


def to_data(event: Event) -> list[Any]:
    """Return the stored form of an event, for `codec.pack`."""
    kind = type(event)
    data = [event.kind, *astuple(event)]
    if kind in _WITH_OUTCOME:
        data[-1] = data[-1].to_wire()
    elif kind is JobRequeued and not data[-1]:
        data.pop()  # `failed`, which older versions do not know
    elif kind is Stopped and data[-1] == "stopped":
        data.pop()
    return data


def from_data(data: Any) -> Event:
    """Rebuild an event from its stored form.

    Raises
    ------
    CodecError
        When it is no event that this version knows.
    """
    name = data[0] if type(data) is list and data else None
    kind = _KINDS.get(name) if type(name) is str else None
    if kind is None:
        raise CodecError(f"no event of schema {SCHEMA_VERSION}: {str(data)[:80]!r}")
    fields = data[1:]
    try:
        if kind in _WITH_OUTCOME:
            fields[-1] = Outcome.from_wire(fields[-1])
        return kind(*fields)  # type: ignore[no-any-return]  # a table of classes
    except (IndexError, TypeError, ValueError) as error:
        raise CodecError(f"event {name!r} has other fields than expected: {error}") from error
