"""Evaluations in worker processes that are stopped by what they report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bandmaster import fmin
from bandmaster.core.context import Context
from bandmaster.core.outcome import Status
from bandmaster.multifidelity import ASHAIterGenerator, ASHAStoppingIterGenerator

SPACE = {"x": {"_type": "uniform", "_value": [0, 1]}}


def train(config: Mapping[str, Any], context: Context) -> float:
    for epoch in range(1, 10):
        context.report({"loss": config["x"], "epoch": epoch}, step=epoch)
    return float(config["x"])


def test_what_does_badly_is_stopped_over_the_network() -> None:
    """Stopped evaluations keep what they reported last, and do not reach the whole budget."""
    result = fmin(
        train,
        SPACE,
        optimizer="Random",
        multi_fidelity_iter_generator=ASHAStoppingIterGenerator(1, 9),
        n_iterations=20,
        n_jobs=2,
        show_progressbar=False,
    )
    stopped = [e for e in result.history if e.status is Status.STOPPED]
    assert 20 == len(result.history)
    assert len(stopped) >= 5
    assert {1.0, 3.0} >= {e.metrics["epoch"] for e in stopped}
    assert result.best_loss == min(e.config["x"] for e in result.history if e.ok)


def test_asha_keeps_two_processes_busy() -> None:
    """Two workers make the evaluations of one iteration, each trial from rung to rung."""
    result = fmin(
        lambda config, budget: config["x"] + 1 / budget,
        SPACE,
        optimizer="Random",
        multi_fidelity_iter_generator=ASHAIterGenerator(1, 9, delayed=True),
        n_iterations=2,
        n_jobs=2,
        show_progressbar=False,
    )
    assert {1: 18, 3: 6, 9: 2} == {b: result.history.count(b) for b in (1, 3, 9)}
