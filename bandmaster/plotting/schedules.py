"""Which hyper-parameters each trial was trained with, step by step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator

from bandmaster.errors import ConfigurationError
from bandmaster.plotting.canvas import explain, get_axes, log_if_wide, plain, plural
from bandmaster.plotting.members import FEW, Member, members_of, why_no_steps
from bandmaster.plotting.parameter_axis import inches_of, short_names
from bandmaster.space.values import value_key
from bandmaster.study.formatting import format_value

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bandmaster.study.result import Result

__all__ = ["plot_schedules"]

_MOST: Final = 6  # parameters by default
_GAP: Final = 0.12  # between panels, of the height of one


def plot_schedules(
    result: Result,
    parameters: str | Sequence[str] | None = None,
    colors: Sequence[Any] | None = None,
    labels: Sequence[str] | None = None,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw the values of hyper-parameters over the steps that were trained with them.

    One line a trial, in one panel a parameter; a ring is where an exploit changed the values.

    Parameters
    ----------
    result : Result
    parameters : str or sequence of str, optional
        Drawn one below the other, in axes of their own within `ax` (its ``child_axes``). Default:
        the first six that were changed in training; if none was, that differ between trials.
    colors, labels : sequence, optional
        One for each trial that reported, by their numbers.
    ax : Axes, optional
        Default: the current axes.

    Raises
    ------
    ConfigurationError
        When there are too few colours or labels, or no such parameters.
    """
    given = [parameters] if isinstance(parameters, str) else parameters
    if given is not None and not given:
        raise ConfigurationError("parameters is empty; name one or more, or leave it out")
    why = why_no_steps(result)
    members = members_of(result, colors, labels) if why is None else []
    names = _choose(members, given) if why is None else []
    ax = get_axes(ax, (6.4, max(4.8, 1.1 + 1.5 * len(names))))
    ax.set_title("Schedules of the hyper-parameters")
    if why is not None:
        return explain(ax, why)
    if not names:
        return explain(ax, "No hyper-parameter has more than one value")
    ax.set_axis_off()
    short = short_names(names)
    height = 1 / (len(names) + _GAP * (len(names) - 1))
    for row, name in enumerate(names):
        panel = ax.inset_axes((0.0, 1 - height * (row * (1 + _GAP) + 1), 1.0, height))
        _draw(panel, name, members)
        panel.set_ylabel(plain(short[name]))
        panel.grid(alpha=0.3)
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        last = row == len(names) - 1
        panel.tick_params(labelbottom=last)
        if last:
            panel.set_xlabel("Step")
    _legend(ax, members)
    return ax


def _choose(members: Sequence[Member], given: Sequence[str] | None) -> list[str]:
    known = dict.fromkeys(name for m in members for row in m.rows for name in row.config)
    if given is not None:
        unknown = [name for name in given if name not in known]
        if unknown:
            raise ConfigurationError(
                f"no trial has a parameter {unknown[0]!r}; there are {', '.join(known)}"
            )
        return list(given)
    changed, different = [], []
    for name in known:
        of_each = [{value_key(row.config.get(name)) for row in m.rows} for m in members]
        if any(len(values) > 1 for values in of_each):
            changed.append(name)
        if len(set().union(*of_each)) > 1:
            different.append(name)
    return (changed or different)[:_MOST]


def _draw(panel: Axes, name: str, members: Sequence[Member]) -> None:
    found = [[row.config.get(name) for row in m.rows] for m in members]
    several = [value for values in found for value in values if value is not None]
    numbers = all(type(value) in (int, float) for value in several)
    options = {value_key(value): value for value in several}  # in the order in which they came
    places = {} if numbers else {key: float(i) for i, key in enumerate(options)}
    few = len(members) <= FEW
    drawn = []
    for member, values in zip(members, found, strict=True):
        y = np.array([_height(value, places) for value in values])
        drawn.append(y)
        panel.plot(  # so that the eye can follow one trial
            member.steps, y, drawstyle="steps-pre", color=member.color, linewidth=0.7,
            alpha=0.35 if few else 0.15,
        )  # fmt: skip
        panel.plot(
            *member.pieces(np.column_stack([member.steps, y])).T, drawstyle="steps-pre",
            color=member.color, linestyle=member.style, linewidth=1.5 if few else 0.8,
            alpha=0.85 if few else 0.4,
        )  # fmt: skip
        jumps = member.exploits
        if few and len(jumps):
            panel.plot(
                member.steps[jumps], y[jumps], "D", color=member.color, markersize=3.5,
                markerfacecolor="white", zorder=3,
            )  # fmt: skip
    if numbers:
        log_if_wide(panel, np.concatenate(drawn), span=30.0)
        return
    panel.yaxis.set_major_locator(FixedLocator(list(places.values())))
    words = [plain(format_value(value, width=14)) for value in options.values()]
    panel.yaxis.set_major_formatter(FixedFormatter(words))
    panel.set_ylim(-0.5, len(places) - 0.5)


def _height(value: Any, places: Mapping[Any, float]) -> float:
    if value is None:
        return np.nan
    return places[value_key(value)] if places else float(value)


def _legend(ax: Axes, members: Sequence[Member]) -> None:
    if len(members) > FEW:
        ax.set_title(f"Schedules of the hyper-parameters of {plural(len(members), 'trial')}")
        return
    handles = [Line2D([], [], color=m.color, linestyle=m.style, label=m.label) for m in members]
    if any(len(m.exploits) for m in members):
        handles.append(
            Line2D([], [], color="0.3", linestyle="", marker="D", markersize=4,
                   markerfacecolor="white", label="exploit")
        )  # fmt: skip
    ax.legend(
        handles=handles, loc="upper center", ncols=min(len(handles), 5), fontsize="small",
        bbox_to_anchor=(0.5, -0.5 / inches_of(ax, is_x=False)), frameon=False, borderaxespad=0,
    )  # fmt: skip
