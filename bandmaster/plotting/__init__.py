"""Plots of results and spaces: a plot a file, loaded on first use, since matplotlib is heavy.

Each takes ``ax=`` (the current axes by default), returns the Axes, never shows a figure and never
changes matplotlib's settings.
"""

from __future__ import annotations

import importlib
from typing import Any

_WHERE = {
    "make_animation": "animation",
    "plot_Q_history": "metric_history",
    "plot_brackets": "brackets",
    "plot_concurrent_over_time": "concurrency",
    "plot_contour": "contour",
    "plot_convergence": "comparison",
    "plot_convergence_over_iter": "convergence",
    "plot_convergence_over_time": "convergence",
    "plot_correlation_across_budgets": "correlation",
    "plot_exploits": "exploits",
    "plot_finished_over_time": "finished",
    "plot_gantt": "gantt",
    "plot_hdl": "hdl_tree",
    "plot_learning_curves": "learning_curves",
    "plot_losses_over_time": "losses",
    "plot_model_vs_random": "model_vs_random",
    "plot_parallel_coordinates": "parallel",
    "plot_parameter_history": "parameter_path",
    "plot_parameter_importance": "importance",
    "plot_pareto_front": "pareto",
    "plot_schedules": "schedules",
    "plot_slices": "slices",
}

__all__ = [
    "make_animation",
    "plot_Q_history",
    "plot_brackets",
    "plot_concurrent_over_time",
    "plot_contour",
    "plot_convergence",
    "plot_convergence_over_iter",
    "plot_convergence_over_time",
    "plot_correlation_across_budgets",
    "plot_exploits",
    "plot_finished_over_time",
    "plot_gantt",
    "plot_hdl",
    "plot_learning_curves",
    "plot_losses_over_time",
    "plot_model_vs_random",
    "plot_parallel_coordinates",
    "plot_parameter_history",
    "plot_parameter_importance",
    "plot_pareto_front",
    "plot_schedules",
    "plot_slices",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_WHERE[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
