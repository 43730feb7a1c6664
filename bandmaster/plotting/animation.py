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
from matplotlib.collections import CircleCollection, LineCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
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

RGBA = tuple[float, float, float, float]

__all__ = ["make_animation"]

_SIZE: Final = (9.6, 4.6)  # inches
_MOST: Final = 150  # frames; of more steps, evenly chosen ones are drawn
_COLOURS: Final = 128
_ROUND: Final = np.pi / 4  # the area of a circle in the square that markers are measured by
_HEAD: Final = 64.0  # points² of the marker where a member is
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
            file, format="gif", save_all=True, append_images=images[1:], loop=0, optimize=True,
            duration=[*[round(1000 / frames_per_second)] * (len(images) - 1), _HOLD],
        )  # fmt: skip
    return path


@dataclass(slots=True)
class _Trace:
    """What one member leaves in a panel."""

    color: RGBA
    points: np.ndarray
    jumps: np.ndarray  # the positions of the points that were jumped to
    sizes: np.ndarray | None

    def pieces(self, since: int, n: int) -> list[np.ndarray]:
        """Return the lines through the points from `since` to `n`, and to the first of them."""
        begin = max(since - 1, 0)
        cuts = [int(j) - begin for j in self.jumps if begin < j < n]
        pieces = np.split(self.points[begin:n], cuts)
        return [piece for piece in pieces if len(piece) > 1]

    def leaps(self, since: int, n: int) -> list[np.ndarray]:
        """Return the lines over the gaps between these."""
        return [self.points[j - 1 : j + 1] for j in self.jumps if max(since, 1) <= j < n]


class _Panel:
    """Some traces, drawn by few artists: each costs as much as many points do."""

    def __init__(self, ax: Axes, traces: Sequence[_Trace]) -> None:
        self._traces = traces
        style: dict[str, Any] = {"animated": True, "offset_transform": ax.transData}
        self._lines = LineCollection([], linewidths=1.1, alpha=0.7, animated=True)
        self._leaps = LineCollection(
            [], linewidths=0.9, linestyles="--", alpha=0.5, animated=True
        )  # fmt: skip
        self._dots = CircleCollection([], edgecolors="white", linewidths=0.4, zorder=3, **style)
        self._heads = CircleCollection([], edgecolors="black", linewidths=1.0, zorder=4, **style)
        for artist in (self._lines, self._leaps, self._dots, self._heads):
            ax.add_collection(artist, autolim=False)

    def new(self, since: int, count: int) -> Iterator[Artist]:
        """Yield what to draw of the points from `since` to `count`; it stays in the picture."""
        spans = [(t, min(since, len(t.points)), min(count, len(t.points))) for t in self._traces]
        for artist, parts in (
            (self._lines, [(t.color, p) for t, s, n in spans for p in t.pieces(s, n)]),
            (self._leaps, [(t.color, p) for t, s, n in spans for p in t.leaps(s, n)]),
        ):
            if parts:
                artist.set_segments([piece for _, piece in parts])
                artist.set_color([color for color, _ in parts])
                yield artist
        dots = [(t, s, n, t.sizes) for t, s, n in spans if t.sizes is not None and n > s]
        if dots:
            self._dots.set_offsets(np.concatenate([t.points[s:n] for t, s, n, _ in dots]))
            self._dots.set_sizes(_ROUND * np.concatenate([sizes[s:n] for _, s, n, sizes in dots]))
            self._dots.set_facecolor([t.color for t, s, n, _ in dots for _ in range(s, n)])
            yield self._dots

    def heads(self, count: int) -> Artist:
        """Return where the members are."""
        self._heads.set_offsets([t.points[min(count, len(t.points)) - 1] for t in self._traces])
        self._heads.set_sizes([_ROUND * _HEAD])
        self._heads.set_facecolor([t.color for t in self._traces])
        return self._heads


def _plane(ax: Axes, members: Sequence[Member], x: str, y: str) -> _Panel:
    paths = [np.column_stack([m.metric(x), m.metric(y)]) for m in members]
    set_limits(ax, np.concatenate(paths))
    ax.set(xlabel=wrap_words(x), ylabel=wrap_words(y))
    if len(members) <= FEW:
        heads = [
            ax.plot(
                *path.T, "o", color=m.color, markersize=8, markeredgecolor="black", label=m.label
            )[0]  # where there will be points
            for m, path in zip(members, paths, strict=True)
        ]  # fmt: skip
        add_legend(ax, handles=heads, small=True)
        for head in heads:
            head.set_visible(False)
    last = _last(members)
    return _Panel(
        ax, [_trace(m, p, marker_sizes(m.steps, last)) for m, p in zip(members, paths, strict=True)]
    )


def _curves(ax: Axes, members: Sequence[Member], metric: str, result: Result) -> _Panel:
    curves = [np.column_stack([m.steps, np.clip(m.metric(metric), -HUGE, HUGE)]) for m in members]
    points = np.concatenate(curves)
    set_limits(ax, points)
    name = wrap_words(capitalised(metric))
    ax.set(xlabel="Step", ylabel=name)
    primary = metric == result.objectives.primary.name
    log_if_wide(ax, points[:, 1], span=span_for(result) if primary else 1e3)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.grid(alpha=0.3)
    return _Panel(ax, [_trace(m, curve, None) for m, curve in zip(members, curves, strict=True)])


def _trace(member: Member, points: np.ndarray, sizes: np.ndarray | None) -> _Trace:
    jumps = member.exploits
    return _Trace(to_rgba(member.color), points, jumps[jumps > 0], sizes)


def _film(canvas: Any, panels: Sequence[_Panel], members: Sequence[Member]) -> Iterator[Image]:
    """Yield the frames, which share their colours; only what moves is drawn again."""
    from PIL import Image

    figure = canvas.figure
    longest = max(len(member.rows) for member in members)
    counts = np.unique(np.linspace(1, longest, min(longest, _MOST)).round().astype(int))
    leader = max(members, key=lambda member: len(member.rows))
    clock = figure.suptitle("step", fontsize="medium")
    clock.set_animated(True)
    canvas.draw()
    figure.set_layout_engine("none")  # nothing moves any more
    background = canvas.copy_from_bbox(figure.bbox)

    def shoot(since: int, count: int) -> Image.Image:
        nonlocal background
        canvas.restore_region(background)
        for panel in panels:
            for artist in panel.new(since, count):
                figure.draw_artist(artist)
        background = canvas.copy_from_bbox(figure.bbox)
        for panel in panels:
            figure.draw_artist(panel.heads(count))
        clock.set_text(f"step {leader.rows[count - 1].step}")
        figure.draw_artist(clock)
        return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")

    empty = background
    palette = shoot(0, longest).quantize(_COLOURS, dither=Image.Dither.NONE)
    background = empty
    for since, count in itertools.pairwise([0, *counts.tolist()]):
        yield shoot(since, count).quantize(palette=palette, dither=Image.Dither.NONE)


def _last(members: Sequence[Member]) -> float:
    return float(max(member.steps.max() for member in members))
