"""Optuna's TPE with its Hyperband pruner, as the virtual clock's loop sees it."""

from __future__ import annotations

import math
import warnings
from typing import Any

from bandmaster.space.space import Space
from benchmarks.quality.bench import Bench
from benchmarks.quality.peers.optuna_peer import states, suggest
from benchmarks.quality.schedulers import Task, make_generator

__all__ = ["OptunaHyperband"]

ETA = 3


class OptunaHyperband:
    """Trials that report from rung to rung until they are pruned.

    The rungs are those of our Hyperband on the same problem; to Optuna they are the steps 1, 3, 9…
    A trial starts on the first rung of its bracket, and pays each rung in full, as ours do.

    Parameters
    ----------
    bench : Bench
    sampler : optuna sampler
    seed : int
        Optuna draws brackets by the study's name.
    """

    def __init__(self, bench: Bench, sampler: Any, seed: int) -> None:
        import optuna

        self.space: Space = bench.space()
        self.rungs = make_generator("HyperBand", bench, seed).get_budgets()
        most = ETA ** (len(self.rungs) - 1) + 1  # above the power: a logarithm is rounded down
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # those who try it are told that it is experimental
            pruner = optuna.pruners.HyperbandPruner(1, most, ETA)
            self.study = optuna.create_study(
                study_name=f"seed {seed}", sampler=sampler, pruner=pruner
            )
        self.ready: list[tuple[Any, dict[str, Any], int]] = []

    def next(self) -> Task:
        """Return the next rung of a trial that goes on, or the first of a new one."""
        if self.ready:
            trial, config, rung = self.ready.pop(0)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # as above
                trial = self.study.ask()
                config = suggest(trial, self.space)
            pruner: Any = self.study.pruner
            frozen = self.study.trials[trial.number]
            rung = min(pruner._get_bracket_id(self.study, frozen), len(self.rungs) - 1)
        return Task(config, self.rungs[rung], (trial, rung))

    def tell(self, task: Task, loss: float, seconds: float) -> None:
        """Report; let the trial go on, or end it."""
        trial, rung = task.handle
        if not math.isfinite(loss):
            self.study.tell(trial, state=states().FAIL)
            return
        trial.report(loss, ETA**rung)
        if rung == len(self.rungs) - 1:
            self.study.tell(trial, loss)
        elif trial.should_prune():
            self.study.tell(trial, state=states().PRUNED)
        else:
            self.ready.append((trial, dict(task.config), rung + 1))
