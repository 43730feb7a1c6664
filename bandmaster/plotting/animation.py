"""The training of a population as a moving picture."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from bandmaster.errors import ConfigurationError
from bandmaster.plotting.canvas import add_legend, capitalised, log_if_wide, wrap_words
from bandmaster.plotting.data import HUGE
from bandmaster.plotting.members import (
    FEW,
    Member,
    choose_metric,
    choose_plane,
    members_of,
    why_no_steps,
)
from bandmaster.plotting.parameter_path import draw_contours, marker_sizes, set_limits
from bandmaster.plotting.scales import span_for
from bandmaster.study.saving.atomic import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from PIL.Image import Image

    from bandmaster.study.result import Result

__all__ = ["make_animation"]

_SIZE: Final = (9.6, 4.6)  # inches
_MOST: Final = 150  # frames; of more steps, evenly chosen ones are drawn
_COLOURS: Final = 128
_HOLD: Final = 2000  # milliseconds that the last frame stands


def make_animation(
    result: Result,
    colors: Sequence[Any] | None = None,
    labels: Sequence[str] | None = None,
    perturbation_interval: int | None = None,
    filename: str | os.PathLike[str] = "pbt.gif",
    *,
    function: Callable[[np.ndarray], Any] | None = None,
    x: str | None = None,
    y: str | None = None,
    metric: str | None = None,
    frames_per_second: float = 10.0,
    dpi: int = 80,
) -> Path:
    """Draw the training step by step into a GIF: the parameters' path, and a metric beside it.

    Parameters
    ----------
    result : Result
        Of trials that report the parameters as metrics, any number of steps.
    colors, labels : sequence, optional
        One for each trial that reported, by their numbers.
    perturbation_interval : int, optional
        Steps, which are marked by vertical lines. Default: none.
    filename : path, default "pbt.gif"
        Ends in ``.gif``.
    function, x, y
        As for `plot_parameter_history`.
    metric : str, optional
        As for `plot_Q_history`.
    frames_per_second : float, default 10.0
    dpi : int, default 80

    Returns
    -------
    Path
        Of the file, which appears whole or not at all.

    Raises
    ------
    ConfigurationError
        When there is nothing to draw, the file is no GIF, there are too few colours or labels, or
        no such metrics.
    StorageError
        When it cannot be written.
    """
    path = Path(filename)
    if path.suffix.lower() != ".gif":
        raise ConfigurationError(f"an animation is a .gif file, not {os.fspath(filename)!r}")
    if not 0 < frames_per_second <= 50:
        raise ConfigurationError(f"frames_per_second is in (0, 50], got {frames_per_second!r}")
    why = why_no_steps(result)
    if why is not None:
        raise ConfigurationError(f"there is nothing to animate: {why}")
    members = members_of(result, colors, labels)
    figure = Figure(figsize=_SIZE, dpi=dpi, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=(1.4, 1))
    panels = [
        _plane(left, members, *choose_plane(result, members, x, y)),
        _curves(right, members, choose_metric(result, members, metric), result),
    ]
    if function is not None:
        draw_contours(left, function)
    if perturbation_interval is not None:
        for step in range(perturbation_interval, int(_last(members)) + 1, perturbation_interval):
            right.axvline(step, color="0.85", linewidth=0.6, zorder=0)
    images = list(_film(canvas, panels, members))
    with replacing(path) as file:
        images[0].save(
            file, format="gif", save_all=True, append_images=images[1:], loop=0, optimize=False,
            duration=[*[round(1000 / frames_per_second)] * (len(images) - 1), _HOLD],
        )  # fmt: skip
    return path


@dataclass(slots=True)
class _Trace:
    """What one member leaves in a panel: a line, dashed where it jumped, and where it is now."""

    points: np.ndarray
    jumps: np.ndarray  # the positions of the points that were jumped to
    sizes: np.ndarray
    line: Line2D
    jump: Line2D
    dots: PathCollection
    head: Line2D

    @classmethod
    def on(cls, ax: Axes, member: Member, points: np.ndarray, sizes: np.ndarray) -> _Trace:
        """Begin a trace."""
        color = member.color
        (line,) = ax.plot([], [], color=color, linewidth=1.1, alpha=0.7)
        (jump,) = ax.plot([], [], "--", color=color, linewidth=0.9, alpha=0.5)
        dots = ax.scatter([], [], color=color, edgecolors="white", linewidths=0.4, zorder=3)
        (head,) = ax.plot(
            [], [], "o", color=color, markersize=8, markeredgecolor="black", zorder=4,
            label=member.label,
        )  # fmt: skip
        jumps = member.exploits
        return cls(points, jumps[jumps > 0], sizes, line, jump, dots, head)

    def show(self, since: int, count: int) -> list[Artist]:
        """Return what to draw of the points from `since` to `count`; it stays in the picture."""
        n = min(count, len(self.points))
        since = min(since, n)
        before = max(since - 1, 0)  # the line goes on from there
        jumps = self.jumps[(self.jumps >= max(since, 1)) & (self.jumps < n)]
        self.line.set_data(*np.insert(self.points[before:n], jumps - before, np.nan, axis=0).T)
        gap = np.full((len(jumps), 2), np.nan)
        leaps = np.stack([self.points[jumps - 1], self.points[jumps], gap], axis=1)
        self.jump.set_data(*leaps.reshape(-1, 2).T)
        self.dots.set_offsets(self.points[since:n])
        self.dots.set_sizes(self.sizes[since:n])
        self.head.set_data(*self.points[n - 1 : n].T)
        return [self.line, self.jump, self.dots]


def _plane(ax: Axes, members: Sequence[Member], x: str, y: str) -> list[_Trace]:
    paths = [np.column_stack([m.metric(x), m.metric(y)]) for m in members]
    set_limits(ax, np.concatenate(paths))
    ax.set(xlabel=wrap_words(x), ylabel=wrap_words(y))
    last = _last(members)
    traces = [
        _Trace.on(ax, member, path, marker_sizes(member.steps, last))
        for member, path in zip(members, paths, strict=True)
    ]
    if len(members) <= FEW:
        heads = [trace.head for trace in traces]
        for line, trace in zip(ax.lines, traces, strict=False):
            line.set_data(*trace.points.T)  # where there will be points
        add_legend(ax, handles=heads, small=True)
    return traces


def _curves(ax: Axes, members: Sequence[Member], metric: str, result: Result) -> list[_Trace]:
    curves = [np.column_stack([m.steps, np.clip(m.metric(metric), -HUGE, HUGE)]) for m in members]
    points = np.concatenate(curves)
    set_limits(ax, points)
    name = wrap_words(capitalised(metric))
    ax.set(xlabel="Step", ylabel=name)
    primary = metric == result.objectives.primary.name
    log_if_wide(ax, points[:, 1], span=span_for(result) if primary else 1e3)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.grid(alpha=0.3)
    return [
        _Trace.on(ax, member, curve, np.zeros(len(curve)))
        for member, curve in zip(members, curves, strict=True)
    ]


def _film(
    canvas: Any, panels: Sequence[Sequence[_Trace]], members: Sequence[Member]
) -> Iterator[Image]:
    """Yield the frames, which share their colours; only what moves is drawn again."""
    from PIL import Image

    figure = canvas.figure
    traces = [trace for panel in panels for trace in panel]
    longest = max(len(member.rows) for member in members)
    counts = np.unique(np.linspace(1, longest, min(longest, _MOST)).round().astype(int))
    leader = max(members, key=lambda member: len(member.rows))
    clock = figure.suptitle("step", fontsize="medium")
    for artist in (clock, *(a for t in traces for a in (t.line, t.jump, t.dots, t.head))):
        artist.set_animated(True)
    canvas.draw()
    background = canvas.copy_from_bbox(figure.bbox)

    def shoot(since: int, count: int) -> Image.Image:
        nonlocal background
        canvas.restore_region(background)
        for artist in [artist for trace in traces for artist in trace.show(since, count)]:
            figure.draw_artist(artist)
        background = canvas.copy_from_bbox(figure.bbox)
        for trace in traces:
            figure.draw_artist(trace.head)
        clock.set_text(f"step {leader.rows[count - 1].step}")
        figure.draw_artist(clock)
        return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())

    empty = background
    palette = shoot(0, longest).quantize(_COLOURS, dither=Image.Dither.NONE)
    background = empty
    for since, count in itertools.pairwise([0, *counts.tolist()]):
        yield shoot(since, count).quantize(palette=palette, dither=Image.Dither.NONE)


def _last(members: Sequence[Member]) -> float:
    return float(max(member.steps.max() for member in members))
