"""How many evaluations ran at once, over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator

from bandmaster.errors import ConfigurationError
from bandmaster.plotting.canvas import COLOURS, add_legend_above, explain, get_axes
from bandmaster.plotting.data import Columns

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from bandmaster.study.result import Result

__all__ = ["concurrency_steps", "plot_concurrent_over_time"]


def concurrency_steps(started: np.ndarray, finished: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Count how many of the intervals [started, finished) hold each moment.

    Parameters
    ----------
    started, finished : ndarray of shape (n,)
        What ends when it starts, or before, is never running.

    Returns
    -------
    times : ndarray of shape (k,)
        Ascending moments of change.
    running : ndarray of shape (k,)
        How many run from that moment to the next; the last is 0.
    """
    takes_time = finished > started
    started, finished = started[takes_time], finished[takes_time]
    moments = np.concatenate([started, finished])
    change = np.repeat([1, -1], len(started))
    times, where = np.unique(moments, return_inverse=True)
    # Starts and ends at one moment cancel out: a worker's next job is not a second one.
    changes = np.bincount(where, weights=change, minlength=len(times)).astype(int)
    moved = changes != 0
    return times[moved], np.cumsum(changes)[moved]


def plot_concurrent_over_time(
    result: Result, num_points: int = 200, *, ax: Axes | None = None
) -> Axes:
    """Draw how many evaluations ran at once.

    The count is exact. If it changes more often than `num_points` times, each of `num_points`
    equal spans shows its maximum as the line, so that no peak is lost, and its mean as the darker
    area, so that short gaps are not exaggerated.

    Parameters
    ----------
    result : Result
    num_points : int, default 200
        The resolution, at least 1.
    ax : Axes, optional
        Default: the current axes.

    Raises
    ------
    ConfigurationError
        If `num_points` is less than 1.
    """
    if num_points < 1:
        raise ConfigurationError(f"num_points must be at least 1, got {num_points!r}")
    ax = get_axes(ax)
    columns = Columns.of(result)
    time = columns.time
    ax.set(title="Concurrency over time", xlabel=time.label, ylabel="Running evaluations")
    times, running = concurrency_steps(columns.started, columns.finished)
    if not len(times):
        why = "took any time" if len(columns) else "has finished yet"
        return explain(ax, f"No evaluation {why}")
    span = times[-1] - times[0]
    mean = float(np.sum(running[:-1] * np.diff(times)) / span)
    x, high, average = times, running, running
    if len(times) > num_points:
        x = np.linspace(times[0], times[-1], num_points + 1)
        high, average = _summarise(times, running, x)
    x = time(x)
    color = COLOURS[0]
    ax.fill_between(x, high, step="post", color=color, alpha=0.15, linewidth=0)
    ax.fill_between(x, average, step="post", color=color, alpha=0.25, linewidth=0)
    ax.plot(x, high, drawstyle="steps-post", color=color, label=f"running (max {running.max()})")
    ax.axhline(mean, color=COLOURS[1], linestyle="--", label=f"mean {mean:.3g}")
    ax.set_xlim(left=0)
    ax.set_yscale("linear")  # axes that held another plot may be logarithmic
    ax.set_ylim(0, running.max() * 1.05 + 0.05)
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    ax.grid(alpha=0.3)
    add_legend_above(ax)
    return ax


def _summarise(
    times: np.ndarray, running: np.ndarray, edges: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The highest and the mean count between each two edges; 0 after the last."""
    first = np.searchsorted(times, edges[:-1], side="right") - 1
    last = np.searchsorted(times, edges[1:], side="left")
    high = [int(running[a:b].max()) for a, b in zip(first, last, strict=True)]
    busy = np.concatenate([[0.0], np.cumsum(running[:-1] * np.diff(times))])
    average = np.diff(np.interp(edges, times, busy)) / np.diff(edges)
    return np.append(high, 0), np.append(average, 0.0)
