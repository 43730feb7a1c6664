"""What trials reported, as plain data, and back: one mapping a job."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from bandmaster.core.history import History
from bandmaster.errors import CodecError, StorageError
from bandmaster.study.reported import Reported
from bandmaster.study.segments import ReportedStep, Segment

__all__ = ["dump_trainings", "load_trainings"]

logger = logging.getLogger(__name__)

_SEGMENT = Segment.__struct_fields__
_STEP = tuple(name for name in ReportedStep.__struct_fields__ if name != "segment")


def dump_trainings(history: History) -> list[dict[str, Any]]:
    """Return one mapping for each job: the fields of its segment, and ``steps``, a list each.

    Empty when nothing was reported and nobody exploited, or nobody knows. A journal that cannot be
    read any more is a warning: what was read of it before is kept.
    """
    reported = history.reported
    if not isinstance(reported, Reported):
        return []
    try:
        reported.refresh()
    except StorageError as error:
        logger.warning("What trials reported cannot be read to its end: %s", error)
        reported = reported.detached()
    steps: dict[int, list[ReportedStep]] = {}
    for step in reported.all_steps():
        steps.setdefault(step.job, []).append(step)
    segments = reported.segments
    if not steps and all(segment.donor is None for segment in segments):
        return []
    return [
        {name: _plain(getattr(segment, name)) for name in _SEGMENT}
        | {
            "steps": [
                [_plain(getattr(step, name)) for name in _STEP]
                for step in steps.get(segment.job, ())
            ]
        }
        for segment in segments
    ]


def load_trainings(data: Iterable[Mapping[str, Any]]) -> Reported | None:
    """Undo `dump_trainings`; None for no data.

    Raises
    ------
    CodecError
        When it is not what that wrote.
    """
    segments: list[Segment] = []
    steps: list[ReportedStep] = []
    for number, training in enumerate(data):
        try:
            segment = Segment(*(training[name] for name in _SEGMENT))
            found = [ReportedStep(segment, *values) for values in training["steps"]]
        except (KeyError, TypeError) as error:
            raise CodecError(f"what job {number} reported is damaged: {error!r}") from error
        _check(segment, found)
        segments.append(segment)
        steps += found
    return Reported(segments=segments, steps=steps) if segments else None


def _check(segment: Segment, steps: list[ReportedStep]) -> None:
    numbers = [segment.job, segment.trial, *(n for s in steps for n in (s.attempt, s.step))]
    times = [segment.issued, *(step.time for step in steps)]
    named = [segment.config, *(step.metrics for step in steps)]
    names = [segment.checkpoint, *(step.checkpoint for step in steps)]
    if not (
        all(type(number) is int for number in numbers)
        and type(segment.donor) in (int, type(None))
        and all(type(time) in (int, float) for time in times)
        and all(type(step.loss) in (int, float, type(None)) for step in steps)
        and all(isinstance(mapping, Mapping) for mapping in named)
        and all(isinstance(name, str | None) for name in names)
    ):
        raise CodecError(f"what job {segment.job!r} reported is damaged: {segment!r:.80}")


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value
