"""Plots of results and spaces: a plot a file, loaded on first use, since matplotlib is heavy.

Each takes ``ax=`` (the current axes by default), returns the Axes, never shows a figure and never
changes matplotlib's settings.
"""

from __future__ import annotations

import importlib
from typing import Any

_WHERE = {
    "plot_concurrent_over_time": "concurrency",
    "plot_convergence_over_iter": "convergence",
    "plot_convergence_over_time": "convergence",
    "plot_correlation_across_budgets": "correlation",
    "plot_finished_over_time": "finished",
    "plot_hdl": "hdl_tree",
}

__all__ = [
    "plot_concurrent_over_time",
    "plot_convergence_over_iter",
    "plot_convergence_over_time",
    "plot_correlation_across_budgets",
    "plot_finished_over_time",
    "plot_hdl",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
