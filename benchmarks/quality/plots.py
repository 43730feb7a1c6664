"""Pictures of results: mean ranks and regrets over a run, and the time of an ask."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.quality import statistics as st
from benchmarks.quality.table import Results

__all__ = ["ask_time_plot", "rank_plot"]

SHARES = np.linspace(0.05, 1.0, 20)
# Okabe and Ito's colours (2008), which the colour-blind can tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
DASHES = ("-", "--", "-.", ":")


def _style(i: int) -> dict[str, Any]:
    return {"color": COLOURS[i % len(COLOURS)], "linestyle": DASHES[i // len(COLOURS) % 4]}


def rank_plot(results: Results, title: str, path: Path, *, unit: str = "evaluations") -> None:
    """Draw mean ranks (left) and mean normalised regrets (right) with 95 % intervals."""
    figure, (left, right) = _figure(2)
    tables = {name: [results.table(name, share) for share in SHARES] for name in results.engines}
    ranked = [
        st.mean_rank([tables[name][k] for name in results.engines]) for k in range(len(SHARES))
    ]
    length = next(iter(results.records.values())).length
    x = SHARES * length
    for i, name in enumerate(results.engines):
        for axes, intervals in (
            (left, [ranks[i] for ranks in ranked]),
            (right, [st.bootstrap_mean(table) for table in tables[name]]),
        ):
            axes.plot(x, [v.value for v in intervals], label=name, **_style(i))
            axes.fill_between(
                x, [v.low for v in intervals], [v.high for v in intervals],
                color=_style(i)["color"], alpha=0.12, linewidth=0,
            )  # fmt: skip
    left.set(xlabel=unit, ylabel="mean rank (1 is best)")
    right.set(xlabel=unit, ylabel="mean normalised regret")
    if min(v.value for t in tables.values() for v in map(st.bootstrap_mean, t)) > 0:
        right.set_yscale("log")
        _plain_numbers(right.yaxis)
    n = f"{len(results.problems)} problems" if len(results.problems) > 1 else "1 problem"
    figure.suptitle(f"{title}: {n}, {len(results.seeds)} seeds")
    _legend_and_save(figure, left, path)


def ask_time_plot(times: Mapping[str, Mapping[int, tuple[float, float]]], path: Path) -> None:
    """Draw p50 (line) and p99 (top of the band) of an ask against the evaluations known."""
    figure, (axes,) = _figure(1)
    for i, (name, sizes) in enumerate(times.items()):
        x, p50, p99 = list(sizes), [v[0] for v in sizes.values()], [v[1] for v in sizes.values()]
        axes.plot(x, p50, marker="o", markersize=3, label=name, **_style(i))
        axes.fill_between(x, p50, p99, color=_style(i)["color"], alpha=0.12, linewidth=0)
    axes.set(xscale="log", yscale="log", xlabel="evaluations known",
             ylabel="ms of CPU, ask + tell: p50, band up to p99")  # fmt: skip
    _plain_numbers(axes.yaxis)
    figure.suptitle("Time of an ask, mixed space of ten parameters")
    _legend_and_save(figure, axes, path)


def _plain_numbers(axis: Any) -> None:
    """Write 0.2 instead of a power of ten, at 1, 2 and 5."""
    from matplotlib.ticker import LogLocator, NullLocator

    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter("{x:g}")


def _figure(n: int) -> Any:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2 * n + 1.6, 4.0), layout="constrained")
    axes = figure.subplots(1, n, squeeze=False)[0]
    for one in axes:
        one.grid(alpha=0.3)
        one.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _legend_and_save(figure: Any, axes: Any, path: Path) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
