"""The matrix that the fANOVA package reads."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bandmaster.errors import ConfigurationError
from bandmaster.study.runs import Run

if TYPE_CHECKING:
    from ConfigSpace import ConfigurationSpace

    from bandmaster.space import Space

__all__ = ["FanovaData", "fanova_data", "scores"]

FanovaData = tuple[np.ndarray, np.ndarray, "ConfigurationSpace"]


def scores(
    runs: Sequence[Run],
    budgets: Collection[float],
    loss_fn: Callable[[Run], float] | None = None,
    failed_loss: float | None = None,
) -> tuple[list[Run], list[float]]:
    """Return the runs at some budgets that have a score, and their scores.

    Parameters
    ----------
    runs : sequence of Run
    budgets : collection of float
    loss_fn : callable, optional
        Gives a run's score; its loss by default. Not asked for runs without a loss.
    failed_loss : float, optional
        The score of those; they are left out by default.
    """
    kept, found = [], []
    for run in runs:
        if run.budget not in budgets or (run.loss is None and failed_loss is None):
            continue
        score = failed_loss if run.loss is None else run.loss if loss_fn is None else loss_fn(run)
        kept.append(run)
        found.append(float(score))  # type: ignore[arg-type]  # failed_loss is a number here
    return kept, found


def fanova_data(
    runs: Sequence[Run],
    y: Sequence[float],
    budgets: Sequence[float],
    space: Space | None,
    config_space: ConfigurationSpace | None,
) -> FanovaData:
    """Make the matrix of the runs' configurations; see `Result.get_fANOVA_data`."""
    from ConfigSpace import UniformFloatHyperparameter

    exported, values_of = _exporter(space, config_space)
    if len(budgets) > 1:
        if "budget" in exported:
            raise ConfigurationError(
                "the space has a parameter 'budget', which is the name of the column of budgets; "
                "ask for one budget: get_fANOVA_data(budgets=[...])"
            )
        low, high = float(min(budgets)), float(max(budgets))
        exported.add(UniformFloatHyperparameter("budget", low, high, log=True))
    columns = [(name, _encoder(hp)) for name, hp in exported.items()]
    rows = []
    for run in runs:
        values = dict(values_of(run.evaluation.config))
        if len(budgets) > 1:
            values["budget"] = run.budget
        rows.append([encode(values[n]) if n in values else math.nan for n, encode in columns])
    x = np.array(rows, dtype=float).reshape(len(rows), len(columns))
    return x, np.array(y, dtype=float), exported


def _exporter(
    space: Space | None, config_space: ConfigurationSpace | None
) -> tuple[ConfigurationSpace, Callable[[Mapping[str, Any]], Mapping[str, Any]]]:
    if config_space is not None:
        return copy.deepcopy(config_space), dict
    if space is None:
        raise ConfigurationError(
            "this result does not know its search space: give get_fANOVA_data a config_space"
        )
    from bandmaster.space.cs_export import to_configspace, to_configuration

    ours = space
    exported = to_configspace(ours)
    bare = copy.deepcopy(exported)  # without the column of budgets
    return exported, lambda config: dict(to_configuration(ours, bare, config))


def _encoder(hp: Any) -> Callable[[Any], float]:
    """Return what turns a hyperparameter's values into numbers: choices become their index."""
    from ConfigSpace import CategoricalHyperparameter, Constant, OrdinalHyperparameter

    if isinstance(hp, Constant):
        return lambda value: 0.0
    if not isinstance(hp, (CategoricalHyperparameter, OrdinalHyperparameter)):
        return float
    choices = list(hp.choices if isinstance(hp, CategoricalHyperparameter) else hp.sequence)

    def index(value: Any) -> float:
        try:
            return float(choices.index(value))
        except ValueError:
            raise ConfigurationError(
                f"{hp.name!r} was {value!r}, which is none of its choices {choices!r}; give "
                "get_fANOVA_data a config_space that has it"
            ) from None

    return index
