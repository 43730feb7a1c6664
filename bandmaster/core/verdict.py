"""From what `compute` returned, or raised, to an Outcome."""

from __future__ import annotations

import math
import traceback
from collections.abc import Mapping
from typing import Any

from bandmaster.core.codec import native
from bandmaster.core.decisions import Decision
from bandmaster.core.outcome import Outcome, Status
from bandmaster.errors import CodecError

__all__ = ["ended_with", "failure_of", "outcome_of"]

_MAX_TRACEBACK = 20_000  # characters; what is in the middle goes


_Verdict = tuple[Status, float | None, Mapping[str, float], Any, str | None]
"""The first fields of an Outcome: status, loss, metrics, info, error."""


def outcome_of(
    returned: Any,
    *,
    started: float = 0.0,
    finished: float = 0.0,
    worker: str = "",
    checkpoint: str | None = None,
) -> Outcome:
    """Judge what an evaluation returned.

    Parameters
    ----------
    returned : number, Mapping, exception or Outcome
        A number is the loss, an exception makes a failure. A mapping has ``loss`` or the study's
        metrics as numbers; ``info`` and whatever is no number is kept as info. numpy scalars,
        one-element arrays and tensors count as numbers, a bool does not.
    started, finished, worker
        When and by whom it was made, as in `Outcome`; an Outcome keeps its own if none is given.
    checkpoint : str, optional
        Where the state was left.

    Returns
    -------
    Outcome
        With status OK (the study's objectives have the last word), or FAILED saying why.
    """
    if type(returned) is float:  # what most return
        verdict = _of_number(returned)
    elif isinstance(returned, Outcome):
        return returned.timed(started, finished, worker, checkpoint) if finished else returned
    elif isinstance(returned, BaseException):
        return failure_of(returned).timed(started, finished, worker, checkpoint)
    else:
        verdict = _of_mapping(returned) if isinstance(returned, Mapping) else _of_number(returned)
    return Outcome(*verdict, checkpoint, started, finished, worker)


def failure_of(error: BaseException) -> Outcome:
    """Judge an exception that left an evaluation: a failed outcome with its traceback."""
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    text = text.encode(errors="backslashreplace").decode()  # a file's name may be no valid text
    if len(text) > _MAX_TRACEBACK:
        half = _MAX_TRACEBACK // 2
        text = f"{text[:half]}\n[... {len(text) - 2 * half} characters ...]\n{text[-half:]}"
    return Outcome.failed(text)


def ended_with(metrics: Mapping[str, Any], decision: Decision) -> Outcome:
    """Return the outcome of an evaluation that was ended when it reported these metrics.

    One that pauses has done what it was to do: it ends as if it had returned them.
    """
    told = outcome_of(metrics)
    return told if decision is Decision.PAUSE else Outcome(Status.STOPPED, told.loss, told.metrics)


def _of_number(returned: Any) -> _Verdict:
    loss = _number(returned)
    if loss is None:
        return _failed(
            f"the evaluation returned {_show(returned)}; return a number (the loss) or a dict "
            "with the key 'loss'"
        )
    if not math.isfinite(loss):
        return _failed(f"the loss is {loss!r}; a loss must be finite")
    return Status.OK, loss, {}, None, None


def _of_mapping(returned: Mapping[Any, Any]) -> _Verdict:
    metrics: dict[str, float] = {}
    extra: dict[Any, Any] = {}
    nested = returned.get("metrics")
    for key, value in (*(nested.items() if isinstance(nested, Mapping) else ()), *returned.items()):
        if key == "info" or (key == "metrics" and isinstance(nested, Mapping)):
            continue
        number = _number(value)
        if key == "loss" and number is None:
            return _failed(f"the loss is {_show(value)}; it must be a number")
        if number is None or not isinstance(key, str):
            extra[key] = value
        else:
            metrics[key] = number
    loss = metrics.pop("loss", None)
    if loss is not None and not math.isfinite(loss):
        return _failed(f"the loss is {loss!r}; a loss must be finite")
    info = returned.get("info")
    if extra:
        info = {**extra, **({} if info is None else {"info": info})}
    try:
        info = native(info, path="info")
    except CodecError as error:
        return _failed(f"the evaluation returned something that cannot be kept: {error}")
    return Status.OK, loss, metrics, info, None


def _failed(error: str) -> _Verdict:
    return Status.FAILED, None, {}, None, error


def _number(value: Any) -> float | None:
    kind = type(value)
    if kind is float or kind is int:
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    if isinstance(value, (bool, str, bytes, bytearray, complex)) or value is None:
        return None
    if hasattr(value, "__float__") and str(getattr(value, "dtype", "")) not in _NO_NUMBERS:
        try:
            if getattr(value, "size", 1) == 1 and hasattr(value, "item"):
                value = value.item()
            return None if isinstance(value, (bool, str, complex)) else float(value)
        except (TypeError, ValueError, OverflowError, RuntimeError):
            return None  # an array of several numbers, a tensor that is not there, ...
    return None


_NO_NUMBERS = ("bool", "complex64", "complex128", "object")


def _show(value: Any) -> str:
    text = repr(value)
    return f"{text if len(text) <= 100 else text[:100] + '...'} (a {type(value).__name__})"
