"""Optuna's TPE with its defaults (multivariate and with constant liar since version 5).

Of several objectives each is a direction of its study; constraints are what its samplers get as
`constraints_func`.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

from bandmaster.core.evaluation import Evaluation
from bandmaster.core.objectives import Objectives
from bandmaster.errors import IllegalConfigurationError
from bandmaster.space.parameters import Categorical, Constant, Float, Integer, Ordinal, Parameter
from bandmaster.space.space import Space
from benchmarks.quality.bench import Bench
from benchmarks.quality.peers.base import Peer

__all__ = ["OptunaPeer", "states", "suggest"]


_MOST_TRIES = 200
_VIOLATIONS = "violations"  # a trial's attribute


class OptunaPeer(Peer):
    """``TPESampler`` of Optuna, or another of its samplers by name.

    Parameters
    ----------
    seed : int
    sampler : {"TPE", "NSGAII", "GP", "CmaEs", "Random"}, default "TPE"
    """

    def __init__(self, *, seed: int, sampler: str = "TPE") -> None:
        super().__init__(seed=seed)
        self.sampler = sampler

    @classmethod
    def missing(cls) -> str:
        """It is one of the packages of the extra ``bench``."""
        return "" if find_spec("optuna") else "Optuna is not installed (extra bench)"

    def setup(self) -> None:
        """Forget the study of another space."""
        self._study: Any = None
        self.trials: dict[int, Any] = {}
        self.known: set[int] = set()

    @property
    def study(self) -> Any:
        """A study in memory, made when the objectives are known."""
        import optuna

        if self._study is None:
            objectives = self.history.objectives
            several = len(objectives.optimized) > 1
            signs = [metric.sign for metric in objectives.optimized] if several else [1.0]
            directions = optuna.study.StudyDirection
            self._study = optuna.create_study(
                sampler=self._sampler(objectives),
                directions=[
                    directions.MINIMIZE if sign > 0 else directions.MAXIMIZE for sign in signs
                ],
            )
        return self._study

    def scheduler(self, bench: Bench) -> Any:
        """Return its Hyperband, for problems with several budgets."""
        from benchmarks.quality.peers.optuna_hyperband import OptunaHyperband

        return OptunaHyperband(bench, self._sampler(), self.seed)

    def _sampler(self, objectives: Objectives | None = None) -> Any:
        import optuna

        self.version = f"optuna {optuna.__version__}"
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # those who try it are told that it is experimental
            options: dict[str, Any] = {"seed": self.seed}
            if objectives is not None and objectives.constraints:
                options["constraints_func"] = _violations
            return getattr(optuna.samplers, f"{self.sampler}Sampler")(**options)

    def propose(self, trial: int, budget: float) -> dict[str, Any]:
        """Ask, and walk the conditions of the space."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # as above; also that conditions make draws independent
            for _ in range(_MOST_TRIES):
                handle = self.study.ask()
                config = suggest(handle, self.space)
                if self._legal(config):
                    break
                self.study.tell(handle, state=states().FAIL)  # it knows no forbidden clauses
            self.trials[trial] = handle
            self.known.add(trial)
            return config

    def _legal(self, config: dict[str, Any]) -> bool:
        try:
            self.space.validate(config)
        except IllegalConfigurationError:
            return False
        return True

    def tell(self, evaluation: Evaluation) -> None:
        """Hand over a result, with its metrics where there are several."""
        objectives = self.history.objectives
        handle = self.trials.get(evaluation.trial)
        if handle is None or not evaluation.ok or objectives == Objectives():
            super().tell(evaluation)
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that constraints are experimental
            violations = [m.sign * (evaluation.metrics[m.name] - (m.threshold or 0.0))
                          for m in objectives.constraints]  # fmt: skip
            handle.set_user_attr(_VIOLATIONS, violations)
            values: Sequence[float | None] = [evaluation.loss]
            if len(objectives.optimized) > 1:
                values = [evaluation.metrics[m.name] for m in objectives.optimized]
            self.study.tell(self.trials.pop(evaluation.trial), values)

    def learn(
        self, trial: int, config: Mapping[str, Any], budget: float, loss: float | None
    ) -> None:
        """Tell; of a trial with several budgets the first result counts."""
        handle = self.trials.pop(trial, None)
        if handle is None:
            if trial not in self.known:  # else a second budget: a study has one value a trial
                self.known.add(trial)
                self._add(config, loss)
        elif loss is None:
            self.study.tell(handle, state=states().FAIL)
        else:
            self.study.tell(handle, loss)

    def _add(self, config: Mapping[str, Any], loss: float | None) -> None:
        """Add a trial that it did not propose."""
        import optuna

        params = {
            p.name: _code(p, config[p.name])
            for p in self.space.parameters
            if p.name in config and not isinstance(p, Constant)
        }
        fixed = optuna.trial.FixedTrial(params)
        suggest(fixed, self.space)
        state = states().FAIL if loss is None else states().COMPLETE
        self.study.add_trial(
            optuna.trial.create_trial(
                state=state, params=params, distributions=fixed.distributions, value=loss
            )
        )


def _violations(trial: Any) -> Sequence[float]:
    """Return by how much a trial violates each constraint, 0 or less where it does not."""
    found: list[float] = trial.user_attrs[_VIOLATIONS]
    return found


def states() -> Any:
    """Return Optuna's enumeration of how a trial ends."""
    import optuna

    return optuna.trial.TrialState


def suggest(trial: Any, space: Space) -> dict[str, Any]:
    """Return a configuration drawn through ``trial.suggest_*``, children after their parents."""
    from bandmaster.space.evaluate import compile_predicate

    row = [float("nan")] * space.dim
    config: dict[str, Any] = {}
    for group in space.groups:
        if group.when is not None:
            active, _ = compile_predicate(group.when, space.columns, space.index)
            if not active(row):
                continue
        for j in group.columns:
            value = _suggest_one(trial, space.parameters[j])
            row[j] = space.columns[j].encode(value)
            config[space.names[j]] = space.columns[j].decode(row[j])
    return config


def _suggest_one(trial: Any, parameter: Parameter) -> Any:
    name = parameter.name
    if isinstance(parameter, Float):
        return trial.suggest_float(
            name, parameter.lower, parameter.upper, log=parameter.log, step=parameter.q
        )
    if isinstance(parameter, Integer):
        step = {} if parameter.log else {"step": parameter.q}
        return trial.suggest_int(name, parameter.lower, parameter.upper, log=parameter.log, **step)
    if isinstance(parameter, Constant):
        return parameter.value
    if isinstance(parameter, Ordinal):
        values = list(parameter.values)
        return values[trial.suggest_int(name, 0, len(values) - 1)]
    assert isinstance(parameter, Categorical)
    choices = list(parameter.choices)
    return choices[trial.suggest_categorical(name, list(range(len(choices))))]


def _code(parameter: Parameter, value: Any) -> Any:
    """Return what `_suggest_one` draws for a value: choices and ordinals by their index."""
    if isinstance(parameter, (Categorical, Ordinal)):
        values = parameter.choices if isinstance(parameter, Categorical) else parameter.values
        return next(i for i, v in enumerate(values) if v == value and type(v) is type(value))
    return value
