"""Whether an evaluation of another study is one of this study's space, budgets and objectives."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from msgspec.structs import replace

from bandmaster.core.evaluation import Evaluation
from bandmaster.core.formatting import format_budget
from bandmaster.core.objectives import Objectives
from bandmaster.core.outcome import Outcome, Status
from bandmaster.errors import IllegalConfigurationError
from bandmaster.space import Space
from bandmaster.space.parameters import Constant
from bandmaster.space.values import UNSET

__all__ = ["Fitted", "MisfitError", "count_reasons", "fit_budget", "fit_config", "fit_outcome"]


class MisfitError(Exception):
    """Why an evaluation is left out; who borrows counts them, and nobody else sees one.

    Parameters
    ----------
    reason : str
        What all evaluations that are left out for it have in common.
    example : str, optional
        What was found in this one.
    """

    def __init__(self, reason: str, example: str = "") -> None:
        super().__init__(f"{reason} ({example})" if example else reason)
        self.reason = reason
        self.example = example


@dataclass(frozen=True, slots=True)
class Fitted:
    """A configuration that is legal in a space.

    Parameters
    ----------
    config : dict
    added : tuple of str
        The parameters that have their default, since the configuration had none of them.
    dropped : tuple of str
        Those that the space does not have, or that are inactive in it.
    """

    config: dict[str, Any]
    added: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()


def fit_config(space: Space, config: Mapping[str, Any]) -> Fitted:
    """Make a configuration of another space one of this space.

    A value stays as it is or the configuration does not fit. A parameter that is missing gets its
    default if it was given one, as it says how things were before there was the parameter; one
    that the space does not have any more is dropped.

    Raises
    ------
    MisfitError
    """
    try:
        space.validate(config)
    except IllegalConfigurationError:
        pass  # the exact reason is found below, if there is one
    else:
        return Fitted(dict(config))
    row = np.full(space.dim, np.nan)
    illegal: dict[int, IllegalConfigurationError] = {}
    for name, value in config.items():
        j = space.index.get(name)
        if j is None:
            continue
        try:
            row[j] = space.columns[j].encode(value)
        except IllegalConfigurationError as error:
            illegal[j] = error
    active = ~np.isnan(space.repair(row[np.newaxis])[0])
    fitted: dict[str, Any] = {}
    added = []
    for j in np.flatnonzero(active).tolist():
        name = space.names[j]
        if j in illegal:
            raise MisfitError(f"{name!r} has another range or other choices", str(illegal[j]))
        if name in config:
            fitted[name] = config[name]
        elif _has_default(space, j):
            fitted[name] = space.columns[j].default_value()
            added.append(name)
        else:
            raise MisfitError(
                f"{name!r} is new and has no default (give it the one that stands for how it was)"
            )
    try:
        space.validate(fitted)
    except IllegalConfigurationError as error:
        raise MisfitError("they are forbidden", str(error)) from error
    return Fitted(fitted, tuple(added), tuple(name for name in config if name not in fitted))


def _has_default(space: Space, j: int) -> bool:
    parameter = space.parameters[j]
    if isinstance(parameter, Constant) or parameter.n_values == 1:
        return True
    return parameter.default is not UNSET


def fit_budget(budgets: Sequence[float], budget: float) -> float:
    """Return the study's budget that is the same but for rounding.

    Raises
    ------
    MisfitError
    """
    for own in budgets:
        if math.isclose(own, budget, rel_tol=1e-9):
            return own
    known = ", ".join(map(format_budget, budgets))
    raise MisfitError(f"their budget is none of this study's ({known})", format_budget(budget))


def fit_outcome(
    objectives: Objectives, before: Objectives | None, evaluation: Evaluation
) -> Outcome:
    """Return how the evaluation ended, with the loss of this study's first metric.

    Parameters
    ----------
    objectives : Objectives
        This study's.
    before : Objectives or None
        The other one's; None takes its losses for what they are.
    evaluation : Evaluation

    Raises
    ------
    MisfitError
        When it was stopped, so that its end says nothing; when it has no such metric.
    """
    e = evaluation
    if e.status is Status.STOPPED:
        raise MisfitError("they were stopped early")
    if e.ok and (e.loss is None or not math.isfinite(e.loss)):
        raise MisfitError("they have no finite loss")
    outcome = Outcome(  # a failure has no loss, whatever stands there
        e.status, e.loss if e.ok else None, e.metrics, e.info, e.error, None, e.started,
        e.finished, e.worker,
    )  # fmt: skip
    if e.loss is None or not e.ok:
        return outcome
    first, other = objectives.primary, None if before is None else before.primary
    if other is None or (first.name, first.sign) == (other.name, other.sign):
        return outcome
    value = e.metrics.get(first.name)
    if value is None and first.name == other.name:
        value = other.sign * e.loss
    if value is None or not math.isfinite(value):
        raise MisfitError(f"they have no {first.name!r}, which this study optimises")
    return replace(outcome, loss=first.sign * value)


def count_reasons(misfits: Iterable[MisfitError]) -> str:
    """Say why how many were left out: the most frequent reason first, with an example of each."""
    counts: dict[str, int] = {}
    examples: dict[str, str] = {}
    for misfit in misfits:
        counts[misfit.reason] = counts.get(misfit.reason, 0) + 1
        examples.setdefault(misfit.reason, misfit.example)
    parts = []
    for reason in sorted(counts, key=lambda reason: -counts[reason]):
        example = f", e.g. {examples[reason]:.200}" if examples[reason] else ""
        parts.append(f"{counts[reason]} since {reason}{example}")
    return "; ".join(parts)
