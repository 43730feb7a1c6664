"""Populations made up for tests of what is drawn of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from bandmaster.core import events as ev
from bandmaster.core.checkpoints import checkpoint_name
from bandmaster.core.objectives import Objectives
from bandmaster.core.outcome import Outcome, Status
from bandmaster.study.reported import Reported
from bandmaster.study.result import Result
from bandmaster.testing.histories import make_evaluation, make_history

__all__ = ["make_population"]


def make_population(
    n_members: int = 2,
    n_steps: int = 100,
    interval: int = 4,
    *,
    seed: int = 0,
    exploit: bool = True,
) -> Result:
    """Make up what population based training leaves, on the quadratic of its paper.

    Jaderberg et al. (2017), section 4.1: ``Q(θ) = 1.2 - (3/4 θ₀² + θ₁²)`` is to grow, and all that
    a member sees is the gradient of an estimate with weights ``h``. After each `interval` steps the
    worse half goes on from the better half's checkpoints, with ``lr`` and ``h`` changed.

    Parameters
    ----------
    n_members : int, default 2
    n_steps : int, default 100
    interval : int, default 4
    seed : int, default 0
    exploit : bool, default True
        False leaves each member alone.

    Returns
    -------
    Result
        With steps (metrics ``Q``, ``theta0``, ``theta1``), exploits, and an evaluation a job.
    """
    rng = np.random.default_rng(seed)
    h0 = np.linspace(0.0, 1.0, n_members)
    members = [
        _Member(i, {"lr": 0.05, "h0": float(h), "h1": float(1 - h)}) for i, h in enumerate(h0)
    ]
    events: list[ev.Event] = []
    rows = []
    job = 0
    for first in range(0, n_steps, interval):
        for m in members:
            events.append(
                ev.JobIssued(
                    float(len(events)), job, 0, "w", m.trial, float(first + interval),
                    dict(m.config),
                    {} if m.donor is None else {"exploits": m.donor}, 0, 0, m.checkpoint, False,
                )
            )  # fmt: skip
            steps = range(first + 1, min(first + interval, n_steps) + 1)
            for step in steps:
                m.train()
                name = checkpoint_name(step, f"{m.trial:016x}") if step == steps[-1] else None
                events.append(
                    ev.JobReported(
                        float(len(events)), job, 0, step, m.metrics, -m.q, "continue", name
                    )
                )
                m.checkpoint, m.donor = name, None
            events.append(ev.JobFinished(float(len(events)), job, 0, Outcome(Status.OK, -m.q)))
            rows.append(
                make_evaluation(
                    job, -m.q, trial=m.trial, config=dict(m.config), budget=first + interval,
                    metrics={"Q": m.q},
                )
            )  # fmt: skip
            job += 1
        ranked = sorted(members, key=lambda m: -m.q)
        for m in ranked[-(n_members // 2) :] if exploit and n_members > 1 else ():
            m.exploit(ranked[int(rng.integers(-(-n_members // 2)))], rng)
    history = make_history(*rows)
    history.reported = Reported(lambda since: iter(events[since:]))
    return Result(history, objectives=Objectives([{"name": "Q", "objective": "maximize"}]))


class _Member:
    def __init__(self, trial: int, config: dict[str, Any]) -> None:
        self.trial = trial
        self.config = config
        self.theta = np.array([0.9, 0.9])
        self.checkpoint: str | None = None
        self.donor: int | None = None

    @property
    def q(self) -> float:
        return float(1.2 - (0.75 * self.theta[0] ** 2 + self.theta[1] ** 2))

    @property
    def metrics(self) -> dict[str, float]:
        return {"Q": self.q, "theta0": float(self.theta[0]), "theta1": float(self.theta[1])}

    def train(self) -> None:
        h = np.array([0.75 * self.config["h0"], self.config["h1"]])
        self.theta = self.theta - self.config["lr"] * 2 * h * self.theta

    def exploit(self, donor: _Member, rng: np.random.Generator) -> None:
        self.theta, self.checkpoint, self.donor = donor.theta, donor.checkpoint, donor.trial
        bounds = {"lr": (0.005, 0.1), "h0": (0.0, 1.0), "h1": (0.0, 1.0)}
        self.config = {}
        for name, (low, high) in bounds.items():
            if rng.random() < 0.5:
                self.config[name] = float(rng.uniform(low, high))
            else:
                factor = (0.8, 1.2)[int(rng.integers(2))]
                self.config[name] = float(np.clip(donor.config[name] * factor, low, high))
