"""A peer in its own environment: run by that environment's Python, it needs nothing of ours.

Lines of JSON on standard input and output. A space is a list of parameters, parents first::

    {"name": "x", "kind": "float" | "int", "low": 0, "high": 1, "log": false, "when": []}
    {"name": "c", "kind": "choice", "n": 3, "when": [["parent", [0, 2]]]}

A choice is its index; an ordinal and a number with a step are an ``int`` that counts the steps.
``when`` holds the parents' indices with which the parameter is active. The requests:

    {"do": "start", "peer": NAME, "space": […], "budgets": […], "seed": 0, "options": {}}
    {"do": "ask", "trial": 0, "budget": 1}                → {"values": {…}}
    {"do": "tell", "trial": 0, "budget": 1, "values": {…}, "loss": 0.5}
    {"do": "next"}          (a peer that chooses budgets) → {"values": {…}, "budget": 3, "trial": 0}

Every answer has ``seconds`` of CPU, or an ``error``.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
import traceback
from importlib import metadata
from types import SimpleNamespace
from typing import Any

# Nothing that a library prints may get between the answers.
_ANSWERS = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)


class Uniform:
    """Draws at random; it needs no package, and shows that the way here and back is sound."""

    package = ""

    def __init__(self, space: Any, budgets: Any, seed: int, options: Any) -> None:
        self.space, self.rng = space, random.Random(seed)

    def ask(self, trial: int, budget: float) -> dict[str, Any]:
        """Return a configuration."""
        values: dict[str, Any] = {}
        for p in self.space:
            if all(values.get(parent) in indices for parent, indices in p["when"]):
                values[p["name"]] = self._draw(p)
        return values

    def _draw(self, p: Any) -> Any:
        if p["kind"] == "choice":
            return self.rng.randrange(p["n"])
        if p["kind"] == "int":
            return self.rng.randint(p["low"], p["high"])
        return self.rng.uniform(p["low"], p["high"])

    def tell(self, trial: int, budget: float, values: Any, loss: Any) -> None:
        """Learn nothing."""


class Hyperopt:
    """``tpe.suggest`` with its defaults."""

    package = "hyperopt"

    def __init__(self, space: Any, budgets: Any, seed: int, options: Any) -> None:
        import numpy as np
        from hyperopt import Trials, hp, tpe
        from hyperopt.base import Domain

        children: dict[tuple[str, int], list[Any]] = {}
        for p in space:
            for parent, indices in p["when"]:
                for index in indices:
                    children.setdefault((parent, index), []).append(p)
        nodes: dict[str, Any] = {}

        def node(p: Any) -> Any:
            name = p["name"]
            if name not in nodes:
                nodes[name] = leaf(p)
            return nodes[name]

        def leaf(p: Any) -> Any:
            name = p["name"]
            if p["kind"] == "choice":
                return hp.choice(name, [
                    {name: i, **{c["name"]: node(c) for c in children.get((name, i), [])}}
                    for i in range(p["n"])
                ])  # fmt: skip
            low, high = p["low"], p["high"]
            if p["kind"] == "float":
                if p["log"]:
                    return hp.loguniform(name, np.log(low), np.log(high))
                return hp.uniform(name, low, high)
            if p["log"]:
                return hp.qloguniform(name, np.log(low), np.log(high), 1)
            return hp.quniform(name, low - 0.5 + 1e-9, high + 0.5 - 1e-9, 1)

        self.domain = Domain(lambda x: 0.0, {p["name"]: node(p) for p in space if not p["when"]})
        self.trials, self.tpe, self.seed = Trials(), tpe, seed
        self.bounds = {p["name"]: p for p in space}
        self.documents: dict[int, Any] = {}

    def ask(self, trial: int, budget: float) -> dict[str, Any]:
        """Return a configuration."""
        from hyperopt import JOB_STATE_RUNNING

        ids = self.trials.new_trial_ids(1)
        self.trials.refresh()
        (document,) = self.tpe.suggest(ids, self.domain, self.trials, self.seed * 100_003 + trial)
        document["state"] = JOB_STATE_RUNNING
        self.trials.insert_trial_docs([document])
        self.trials.refresh()
        self.documents[trial] = ids[0]
        chosen = {k: v[0] for k, v in document["misc"]["vals"].items() if len(v)}
        return {k: self._plain(k, v) for k, v in chosen.items()}

    def _plain(self, name: str, value: Any) -> Any:
        p = self.bounds[name]
        if p["kind"] == "choice":
            return int(value)
        if p["kind"] == "int":
            return int(min(max(round(value), p["low"]), p["high"]))
        return float(min(max(value, p["low"]), p["high"]))

    def tell(self, trial: int, budget: float, values: Any, loss: Any) -> None:
        """Learn a loss."""
        from hyperopt import JOB_STATE_DONE, STATUS_FAIL, STATUS_OK

        number = self.documents.pop(trial, None)
        for document in self.trials._dynamic_trials:
            if document["tid"] == number:
                document["state"] = JOB_STATE_DONE
                ok = {"status": STATUS_OK, "loss": loss}
                document["result"] = {"status": STATUS_FAIL} if loss is None else ok
        self.trials.refresh()


def config_space(space: Any, seed: int) -> Any:
    """Return a ConfigurationSpace of any version."""
    import ConfigSpace as CS
    import ConfigSpace.hyperparameters as CSH

    made = CS.ConfigurationSpace(seed=seed)
    for p in space:
        one: Any
        if p["kind"] == "choice":
            one = CSH.CategoricalHyperparameter(p["name"], [str(i) for i in range(p["n"])])
        elif p["kind"] == "int":
            one = CSH.UniformIntegerHyperparameter(p["name"], p["low"], p["high"], log=p["log"])
        else:
            one = CSH.UniformFloatHyperparameter(p["name"], p["low"], p["high"], log=p["log"])
        add(made, one, "add_hyperparameter")
        parts = [
            CS.InCondition(one, find(made, parent), [str(i) for i in indices])
            for parent, indices in p["when"]
        ]
        if parts:
            condition = parts[0] if len(parts) == 1 else CS.AndConjunction(*parts)
            add(made, condition, "add_condition")
    return made


def add(space: Any, what: Any, old_name: str) -> None:
    """Add a parameter or condition: the method's name has changed."""
    (getattr(space, old_name) if hasattr(space, old_name) else space.add)(what)


def find(space: Any, name: str) -> Any:
    """Return a parameter: the method has gone."""
    return space.get_hyperparameter(name) if hasattr(space, "get_hyperparameter") else space[name]


def plain(space: Any, values: Any) -> dict[str, Any]:
    """Return a configuration of ConfigSpace as plain values."""
    kinds = {p["name"]: p["kind"] for p in space}
    make = {"choice": int, "int": int, "float": float}
    return {k: make[kinds[k]](v) for k, v in dict(values).items() if v is not None}


class SMAC3:
    """The facade for hyper-parameters: a random forest with log-EI."""

    package = "smac"

    def __init__(self, space: Any, budgets: Any, seed: int, options: Any) -> None:
        import tempfile

        from smac import HyperparameterOptimizationFacade, Scenario

        self.folder = tempfile.TemporaryDirectory()
        scenario = Scenario(
            config_space(space, seed),
            deterministic=True,
            n_trials=options.get("n_trials", 100),  # the initial design is a quarter of it
            seed=seed,
            output_directory=self.folder.name,
        )
        self.space = space
        self.facade = HyperparameterOptimizationFacade(
            scenario, lambda config, seed=0: 0.0, logging_level=False, overwrite=True
        )
        self.open: dict[int, Any] = {}

    def ask(self, trial: int, budget: float) -> dict[str, Any]:
        """Return a configuration."""
        info = self.facade.ask()
        self.open[trial] = info
        return plain(self.space, info.config)

    def tell(self, trial: int, budget: float, values: Any, loss: Any) -> None:
        """Learn a loss."""
        from smac.runhistory.dataclasses import TrialValue
        from smac.runhistory.enumerations import StatusType

        info = self.open.pop(trial, None)
        if info is not None:
            bad = TrialValue(cost=float("inf"), status=StatusType.CRASHED)
            self.facade.tell(info, bad if loss is None else TrialValue(cost=loss))


class HpBandSter:
    """The model of BOHB; the brackets around it are ours."""

    package = "hpbandster"

    def __init__(self, space: Any, budgets: Any, seed: int, options: Any) -> None:
        import logging

        import numpy as np
        from hpbandster.optimizers.config_generators.bohb import BOHB

        np.random.seed(seed)  # noqa: NPY002 - BOHB draws from it
        self.space = space
        self.generator = BOHB(config_space(space, seed), **options)
        self.generator.logger = logging.getLogger("quiet")
        self.generator.logger.setLevel(logging.CRITICAL)

    def ask(self, trial: int, budget: float) -> dict[str, Any]:
        """Return a configuration."""
        values, _ = self.generator.get_config(budget)
        return plain(self.space, values)

    def tell(self, trial: int, budget: float, values: Any, loss: Any) -> None:
        """Learn a loss."""
        job = SimpleNamespace(
            kwargs={"budget": budget, "config": as_strings(self.space, values)},
            result=None if loss is None else {"loss": loss},
            exception=None,
        )
        self.generator.new_result(job)


def as_strings(space: Any, values: Any) -> dict[str, Any]:
    """Return values as `config_space` has them: choices are strings."""
    kinds = {p["name"]: p["kind"] for p in space}
    return {k: str(v) if kinds[k] == "choice" else v for k, v in values.items()}


class UltraOpt:
    """Its ETPE."""

    package = "ultraopt"

    def __init__(self, space: Any, budgets: Any, seed: int, options: Any) -> None:
        import collections
        from collections import abc

        from pandas import errors
        from pandas.core import common

        # Where its last release, of 2021, looks for them.
        for name in ("Mapping", "MutableMapping", "Sequence", "Iterable", "Callable"):
            setattr(collections, name, getattr(abc, name))
        common.SettingWithCopyWarning = errors.SettingWithCopyWarning
        from ultraopt.optimizer import ETPEOptimizer

        self.space = space
        self.optimizer = ETPEOptimizer(**options)
        self.optimizer.initialize(config_space(space, seed), budgets=budgets, random_state=seed)

    def ask(self, trial: int, budget: float) -> dict[str, Any]:
        """Return a configuration."""
        values, _ = self.optimizer.ask(budget)
        return plain(self.space, values)

    def tell(self, trial: int, budget: float, values: Any, loss: Any) -> None:
        """Learn a loss."""
        told = float("inf") if loss is None else loss
        self.optimizer.tell(as_strings(self.space, values), told, budget=budget)


class DEHB:
    """Differential evolution that chooses budgets itself."""

    package = "dehb"

    def __init__(self, space: Any, budgets: Any, seed: int, options: Any) -> None:
        import tempfile

        from dehb import DEHB as Dehb
        from loguru import logger

        logger.remove()
        self.folder = tempfile.TemporaryDirectory()
        self.space = space
        made = config_space(space, seed)
        self.dehb = Dehb(
            cs=made, f=None, dimensions=len(space), min_fidelity=budgets[0],
            max_fidelity=budgets[-1], eta=options.get("eta", 3), seed=seed, n_workers=1,
            output_path=self.folder.name, save_freq=None,
        )  # fmt: skip
        self.open: dict[int, Any] = {}
        self.n_asked = 0

    def next(self) -> dict[str, Any]:
        """Return a configuration, its budget and its number."""
        job = self.dehb.ask()
        self.n_asked += 1
        self.open[self.n_asked] = job
        return {
            "values": plain(self.space, job["config"]),
            "budget": float(job["fidelity"]),
            "trial": self.n_asked,
        }

    def tell(self, trial: int, budget: float, values: Any, loss: Any) -> None:
        """Learn a loss."""
        told = float("inf") if loss is None else loss
        self.dehb.tell(self.open.pop(trial), {"fitness": told, "cost": budget})


PEERS = {kind.__name__: kind for kind in (Uniform, Hyperopt, SMAC3, HpBandSter, UltraOpt, DEHB)}


def main() -> None:
    """Answer until the input ends."""
    peer: Any = None
    for line in sys.stdin:
        request = json.loads(line)
        what = request.pop("do")
        before = time.process_time()
        try:
            answer: dict[str, Any] = {}
            if what == "start":
                kind = PEERS[request.pop("peer")]
                if kind.package:
                    answer["version"] = f"{kind.package} {metadata.version(kind.package)}"
                peer = kind(**request)
            elif what == "ask":
                answer["values"] = peer.ask(**request)
            elif what == "next":
                answer = peer.next()
            else:
                peer.tell(**request)
        except Exception:  # noqa: BLE001 - the other side is told, whatever it is
            answer = {"error": traceback.format_exc()}
        answer["seconds"] = time.process_time() - before
        _ANSWERS.write(json.dumps(answer) + "\n")
        _ANSWERS.flush()


if __name__ == "__main__":
    main()
