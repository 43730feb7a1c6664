"""Histories made up for tests of results and plots."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bandmaster.core.evaluation import Evaluation
from bandmaster.core.history import History
from bandmaster.core.outcome import Status

__all__ = ["make_evaluation", "make_history", "make_hyperband_history"]

_BRACKETS = (((4, 0.25), (2, 0.5), (1, 1.0)), ((2, 0.5), (1, 1.0)), ((3, 1.0),))


def make_evaluation(
    job: int = 0,
    loss: float | None = 0.5,
    *,
    trial: int | None = None,
    config: Mapping[str, Any] | None = None,
    budget: float = 1.0,
    status: Status | None = None,
    error: str | None = None,
    started: float | None = None,
    finished: float | None = None,
    worker: str = "w0",
    metrics: Mapping[str, float] | None = None,
    bracket: int = 0,
    rung: int = 0,
    config_info: Mapping[str, Any] | None = None,
) -> Evaluation:
    """Make one evaluation; without a loss it failed.

    By default job *i* is trial *i*, runs from second *i* to *i + 1* and has ``{"x": i}`` for its
    configuration.
    """
    if status is None:
        status = Status.FAILED if loss is None else Status.OK
    if error is None and status is Status.FAILED:
        error = "Traceback (most recent call last):\n  ...\nValueError: no luck"
    started = float(job) if started is None else started
    return Evaluation(
        job=job,
        attempt=0,
        trial=job if trial is None else trial,
        config={"x": job} if config is None else config,
        budget=budget,
        status=status,
        loss=loss,
        metrics=metrics or {},
        info=None,
        config_info=config_info or {},
        error=error,
        checkpoint=None,
        bracket=bracket,
        rung=rung,
        submitted=started,
        started=started,
        finished=started + 1.0 if finished is None else finished,
        worker=worker,
    )


def make_history(*evaluations: Evaluation) -> History:
    """Make a history of these rows."""
    history = History(0)
    for evaluation in evaluations:
        history.append(evaluation)
    return history


def make_hyperband_history(
    n_iterations: int = 30,
    *,
    n_workers: int = 2,
    p_failure: float = 0.0,
    seed: int = 0,
    origin: float = 1_700_000_000.0,
) -> History:
    """Make up what Hyperband with budgets 1/4, 1/2, 1 leaves: 130 evaluations in 30 brackets.

    Losses at lower budgets are higher and noisier; jobs take about `budget` seconds, and the
    workers never run two at a time. The space is conditional: ``model`` is ``knn`` with ``k`` and
    ``weights``, or ``svm`` with ``C``. After ten trials, two of three are picked by a model.
    """
    rng = np.random.default_rng(seed)
    free = [origin] * n_workers
    rows: list[Evaluation] = []
    n_trials = 0
    for bracket in range(n_iterations):
        plan = _BRACKETS[bracket % len(_BRACKETS)]
        size = plan[0][0]
        members = {n_trials + i: _draw(rng) for i in range(size)}
        # Later brackets do better, as if something learned.
        quality = {
            t: float(0.012 + 0.4 * 0.93**bracket * rng.uniform(0.1, 1.0) ** 1.5) for t in members
        }
        n_trials += size
        ready = origin
        for number, (width, budget) in enumerate(plan):
            ended: list[tuple[float, int]] = []
            finishes = []
            for trial in list(members)[:width]:
                worker = int(np.argmin(free))
                started = max(free[worker], ready) + 0.002
                finished = started + budget * float(rng.uniform(0.1, 0.4))
                free[worker] = finished
                finishes.append(finished)
                noise = float(np.exp(0.4 * (1 - budget) * rng.standard_normal()))
                loss = quality[trial] * noise + 0.01 * (1 / budget - 1)
                failed = rng.random() < p_failure
                row = make_evaluation(
                    len(rows), None if failed else loss, trial=trial, config=members[trial],
                    budget=budget, started=started, finished=finished, worker=f"w{worker}",
                    bracket=bracket, rung=number,
                    config_info={"model_based_pick": trial >= 10 and trial % 3 > 0},
                )  # fmt: skip
                rows.append(row)
                if not failed:
                    ended.append((loss, trial))
            ready = max(finishes)
            keep = plan[number + 1][0] if number + 1 < len(plan) else 0
            members = {trial: members[trial] for _, trial in sorted(ended)[:keep]}
            if not members:
                break
    rows.sort(key=lambda row: row.finished)
    return make_history(*rows)


def _draw(rng: np.random.Generator) -> dict[str, Any]:
    if rng.random() < 0.7:
        weights = ["uniform", "distance"][int(rng.integers(2))]
        return {"model": "knn", "knn:k": int(rng.integers(1, 60)), "knn:weights": weights}
    return {"model": "svm", "svm:C": float(10 ** rng.uniform(-3, 3))}
