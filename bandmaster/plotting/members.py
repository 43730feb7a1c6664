"""The members of a population, as the plots of their training draw them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from bandmaster.errors import ConfigurationError
from bandmaster.plotting.canvas import color_of, plain, style_of

if TYPE_CHECKING:
    from bandmaster.study.result import Result
    from bandmaster.study.segments import ReportedStep

__all__ = [
    "FEW",
    "NOTHING",
    "Member",
    "choose_metric",
    "choose_plane",
    "members_of",
    "why_no_steps",
]

FEW = 12
"""So many members can be told apart; more are drawn thinner, and have no legend."""

NOTHING = "No trial has reported anything"


@dataclass(frozen=True, slots=True)
class Member:
    """One trial and its steps.

    Parameters
    ----------
    trial : int
    color : str
        Anything that matplotlib takes for a colour.
    style : str
        Of its line.
    label : str
    rows : tuple of ReportedStep
        In the order of its training.
    """

    trial: int
    color: Any
    style: Any
    label: str
    rows: tuple[ReportedStep, ...]

    @property
    def steps(self) -> np.ndarray:
        """The steps, shape (n,)."""
        return np.array([row.step for row in self.rows], dtype=float)

    @property
    def exploits(self) -> np.ndarray:
        """The positions of the first steps after an exploit."""
        return np.array(
            [
                i
                for i, row in enumerate(self.rows)
                if row.exploited_from is not None and (not i or self.rows[i - 1].job != row.job)
            ],
            dtype=int,
        )

    def metric(self, name: str) -> np.ndarray:
        """What it reported under a name, shape (n,); NaN where that is no finite number."""
        return np.array([_number(row.metrics.get(name)) for row in self.rows])

    def pieces(self, points: np.ndarray) -> np.ndarray:
        """Return points, shape (n, 2), as one line with a gap, of NaN, before each exploit."""
        return np.insert(points, self.exploits, np.nan, axis=0)

    @property
    def alone(self) -> np.ndarray:
        """The positions of steps that are a piece of one point."""
        edges = np.unique([0, *self.exploits, len(self.rows)])
        alone: np.ndarray = edges[:-1][np.diff(edges) == 1]
        return alone

    def leaps(self, points: np.ndarray) -> np.ndarray:
        """Return the lines over these gaps, as one line."""
        at = self.exploits[self.exploits > 0]
        gap = np.full((len(at), 2), np.nan)
        return np.stack([points[at - 1], points[at], gap], axis=1).reshape(-1, 2)


def members_of(
    result: Result, colors: Sequence[Any] | None, labels: Sequence[str] | None
) -> list[Member]:
    """Return the trials that reported anything, by their numbers.

    Parameters
    ----------
    result : Result
    colors, labels : sequence, optional
        One for each of them.

    Raises
    ------
    ConfigurationError
        When there are fewer colours or labels than members, or nobody knows what was reported.
    """
    by_trial: dict[int, list[ReportedStep]] = {}
    for row in result.reported.all_steps():
        by_trial.setdefault(row.trial, []).append(row)
    for what, given in (("colors", colors), ("labels", labels)):
        if given is not None and len(given) < len(by_trial):
            raise ConfigurationError(
                f"{what} has {len(given)} entries for {len(by_trial)} trials that reported: "
                f"{', '.join(map(str, by_trial))}"
            )
    return [
        Member(
            trial,
            color_of(number) if colors is None else colors[number],
            "-" if colors is not None else style_of(number),
            f"trial {trial}" if labels is None else plain(labels[number]),
            tuple(rows),
        )
        for number, (trial, rows) in enumerate(by_trial.items())
    ]


def why_no_steps(result: Result) -> str | None:
    """Say why there is nothing to draw, or None."""
    if result.history.reported is None:
        if not len(result.history):
            return "No evaluation has finished yet"
        return "This result does not know what trials reported (see Result.reported)"
    return None if result.reported.all_steps() else NOTHING


def choose_metric(result: Result, members: Sequence[Member], metric: str | None) -> str:
    """Return the name of a metric that was reported; the one that is optimised by default.

    Raises
    ------
    ConfigurationError
        When nobody reported numbers under this name.
    """
    numbers = _numeric(members)
    wanted = metric or result.objectives.primary.name
    if wanted in numbers:
        return wanted
    raise ConfigurationError(
        f"no trial reported a number {wanted!r}; they reported {', '.join(numbers) or 'none'}"
    )


def choose_plane(
    result: Result, members: Sequence[Member], x: str | None, y: str | None
) -> tuple[str, str]:
    """Return two metrics that are the axes of a plane: those given, else the first that may be.

    What is optimised, and hyper-parameters that were reported too, are none of these.

    Raises
    ------
    ConfigurationError
        When nobody reported numbers under such a name, or there are no two.
    """
    given = [choose_metric(result, members, name) for name in (x, y) if name is not None]
    params = {name for m in members for row in m.rows for name in row.config}
    skip = {*params, *given, result.objectives.primary.name}
    free = [name for name in _numeric(members) if name not in skip]
    if len(given) + len(free) < 2:
        raise ConfigurationError(
            "the path of parameters needs two numbers that trials report beside "
            f"{result.objectives.primary.name!r}, found {', '.join([*given, *free]) or 'none'}; "
            "report them, or name them with x= and y="
        )
    first = x if x is not None else free.pop(0)
    return first, y if y is not None else free[0]


def _numeric(members: Sequence[Member]) -> list[str]:
    """The names under which a finite number was reported, in the order of the reports."""
    names = dict.fromkeys(
        name
        for member in members
        for row in member.rows
        for name, value in row.metrics.items()
        if math.isfinite(_number(value))
    )
    return list(names)


def _number(value: Any) -> float:
    if type(value) not in (int, float):
        return math.nan
    try:
        return float(value) if math.isfinite(value) else math.nan
    except OverflowError:
        return math.nan
