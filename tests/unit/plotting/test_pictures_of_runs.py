"""The plots of runs look like their stored pictures."""

from __future__ import annotations

import math

import images
import numpy as np
import pytest

from bandmaster import plotting
from bandmaster.core.outcome import Status
from bandmaster.study.result import Result
from bandmaster.testing.histories import make_evaluation, make_history, make_hyperband_history


def _usual():
    return Result(make_hyperband_history(p_failure=0.1))


def _cluster():
    """Sixty workers, every way to end."""
    rng = np.random.default_rng(1)
    free = np.zeros(60)
    rows = []
    for i in range(600):
        worker = int(np.argmin(free))
        started = free[worker] + 0.05
        free[worker] = started + rng.gamma(4, 2)
        status = list(Status)[int(rng.integers(5))] if rng.random() < 0.1 else Status.OK
        row = make_evaluation(
            i, float(rng.lognormal()) if status is Status.OK else None, status=status,
            budget=[1, 3, 9][int(rng.choice(3, p=[0.7, 0.2, 0.1]))], worker=f"w{worker}",
            started=started, finished=float(free[worker]),
        )  # fmt: skip
        rows.append(row)
    return Result(make_history(*sorted(rows, key=lambda row: row.finished)))


def _signed():
    """Losses from -1000 to 1000."""
    losses = [math.copysign(10 ** (3 * math.cos(i)), math.sin(5 * i)) for i in range(60)]
    return Result(
        make_history(
            *(make_evaluation(i, y, budget=1 + i % 2, trial=i // 2) for i, y in enumerate(losses))
        )
    )


def _compare(ax):
    runs = [Result(make_hyperband_history(seed=s, p_failure=0.1)) for s in range(12)]
    plotting.plot_convergence([runs[:7], runs[7:], runs[0]], x="budget", ax=ax)


def _three_budgets(ax):
    for budget in (0.25, 0.5, 1):
        _usual().plot_convergence_over_iter(budget, ax=ax)


def _many_budgets():
    rng = np.random.default_rng(0)
    return Result(
        make_history(
            *(
                make_evaluation(i, float(rng.random()), trial=i // 9, budget=1 + i % 9)
                for i in range(90)
            )
        )
    )


PICTURES = {
    "brackets": lambda ax: _usual().plot_brackets(range(12), ax=ax),
    "concurrent_over_time": lambda ax: _usual().plot_concurrent_over_time(ax=ax),
    "convergence": _compare,
    "convergence_over_iter": _three_budgets,
    "convergence_over_time": lambda ax: _usual().plot_convergence_over_time(ax=ax),
    "correlation_across_budgets": lambda ax: _usual().plot_correlation_across_budgets(ax=ax),
    "correlation_many_budgets": lambda ax: _many_budgets().plot_correlation_across_budgets(ax=ax),
    "finished_over_time": lambda ax: _usual().plot_finished_over_time(ax=ax),
    "gantt": lambda ax: _usual().plot_gantt(ax=ax),
    "gantt_cluster": lambda ax: _cluster().plot_gantt(ax=ax),
    "learning_curves": lambda ax: _usual().plot_learning_curves(ax=ax),
    "losses_over_time": lambda ax: _usual().plot_losses_over_time(ax=ax),
    "losses_signed": lambda ax: _signed().plot_losses_over_time(ax=ax),
    "model_vs_random": lambda ax: _usual().plot_model_vs_random(ax=ax),
}


@pytest.mark.parametrize("name", PICTURES)
def test_the_picture_is_the_stored_one(name, tmp_path):
    """Lines, markers, bars and areas, their colours and places."""
    # Versions of matplotlib round the edges of an image to this or that pixel.
    tolerance = 7.0 if name.startswith("correlation") else 1.5
    images.assert_looks_like(name, PICTURES[name], tmp_path, tolerance=tolerance)
