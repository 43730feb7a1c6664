"""Plots as files, by name."""

from __future__ import annotations

import difflib
import importlib
import inspect
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bandmaster.errors import ConfigurationError
from bandmaster.study.saving.atomic import replacing

if TYPE_CHECKING:
    from bandmaster.study.result import Result

__all__ = ["check_kind", "check_picture", "kinds", "save_plot"]

_PREFIX = "plot_"
_OF_SPACES = "plot_hdl"


def kinds() -> tuple[str, ...]:
    """Return the names of the plots that a result has: ``plot_gantt`` is ``gantt``."""
    package = importlib.import_module("bandmaster.plotting")
    names: list[str] = package.__all__
    plots = (name.removeprefix(_PREFIX) for name in names if name.startswith(_PREFIX))
    return tuple(sorted(plots, key=str.casefold))


def check_kind(kind: str) -> None:
    """Refuse a name that no plot has.

    Raises
    ------
    ConfigurationError
        Names one that is like it, or all.
    """
    known = kinds()
    if kind in known:
        return
    close = difflib.get_close_matches(kind, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known)}"
    raise ConfigurationError(f"there is no plot {kind!r}; {hint}")


def check_picture(path: str | os.PathLike[str]) -> str:
    """Return the format that the name of a picture means.

    Raises
    ------
    ConfigurationError
        When it means none that can be written, or there is no such folder.
    """
    from matplotlib.backend_bases import FigureCanvasBase

    suffix = Path(path).suffix.lower().removeprefix(".")
    known = FigureCanvasBase.get_supported_filetypes()
    if suffix not in known:
        raise ConfigurationError(
            f"{os.fspath(path)!r} is no picture; its name must end in one of "
            f"{', '.join('.' + name for name in sorted(known))}"
        )
    if not Path(path).resolve().parent.is_dir():
        raise ConfigurationError(f"cannot draw to {os.fspath(path)!r}: there is no such folder")
    return suffix


def save_plot(
    result: Result,
    kind: str,
    path: str | os.PathLike[str],
    *,
    budget: float | None = None,
    parameters: Sequence[str] = (),
    size: tuple[float, float] | None = None,
    dpi: int = 150,
) -> None:
    """Draw a plot into a file.

    Parameters
    ----------
    result : Result
    kind : str
        One of `kinds`.
    path : path
        Its suffix says the format.
    budget : float, optional
        For plots that show one.
    parameters : sequence of str, optional
        For plots that show some: all of a slice or of parallel coordinates, two of a contour.
    size : (float, float), optional
        Width and height in inches. Default: what suits the plot.
    dpi : int, default 150

    Raises
    ------
    ConfigurationError
        When there is no such plot, it has nothing to draw or not what is asked for, or the name of
        the file means no format.
    StorageError
        When the file cannot be written.
    """
    from matplotlib import pyplot as plt

    from bandmaster.plotting.canvas import why_nothing

    check_kind(kind)
    form = check_picture(path)
    draw = getattr(importlib.import_module("bandmaster.plotting"), _PREFIX + kind)
    options = _options(kind, draw, budget, parameters)
    subject: Any = result
    if _PREFIX + kind == _OF_SPACES:
        subject = result.space
        if subject is None:
            raise ConfigurationError(f"the plot {kind!r} needs the space, which was not saved")
    before = plt.get_fignums()
    if size is not None or before:  # else the plot makes a figure of the size that suits it
        ax = plt.figure(figsize=size, layout="constrained").add_subplot()
        options["ax"] = ax
    try:
        drawn = draw(subject, **options)
        why = why_nothing(drawn)
        if why is not None:
            raise ConfigurationError(f"nothing to draw: {why}")
        with replacing(path) as file:
            drawn.figure.savefig(file, format=form, dpi=dpi)
    finally:
        for number in set(plt.get_fignums()) - set(before):
            plt.close(number)


def _options(
    kind: str, draw: Callable[..., Any], budget: float | None, parameters: Sequence[str]
) -> dict[str, Any]:
    known = inspect.signature(draw).parameters
    options: dict[str, Any] = {}
    if budget is not None:
        if "budget" not in known:
            raise ConfigurationError(f"the plot {kind!r} shows all budgets: omit the budget")
        options["budget"] = budget
    if not parameters:
        return options
    if "parameters" in known:
        return {**options, "parameters": list(parameters)}
    if {"x", "y"} <= known.keys() and len(parameters) == 2:
        return {**options, "x": parameters[0], "y": parameters[1]}
    takes = "two parameters" if {"x", "y"} <= known.keys() else "no parameters"
    raise ConfigurationError(f"the plot {kind!r} takes {takes}, not {', '.join(parameters)}")
