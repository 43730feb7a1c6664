"""Surrogates of real training runs: YAHPO Gym's lcbench, rbv2_xgboost and rbv2_rpart.

Pfisterer et al. (2022). The folder of the models is named by ``BANDMASTER_YAHPO``; by default it
is ``../shared/data/yahpo`` beside this checkout. Needs the package ``onnxruntime``.

With one budget: 1 − accuracy after all epochs or on all data. With several: epochs 3 to 52, or
3 % to 100 % of the data, and an evaluation takes as long as the surrogate says the training does.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from bandmaster.space import Categorical, Condition, Float, In, Integer, Space
from bandmaster.space.parameters import Parameter
from bandmaster.testing.problems import Problem
from benchmarks.quality.bench import Bench, Reference

Config = Mapping[str, Any]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scenario:
    """The layout of a model: its columns, what is read of it, and its budgets."""

    instance: str
    cats: tuple[str, ...]
    conts: tuple[str, ...]
    fidelity: str
    budgets: tuple[float, ...]
    eta: float
    accuracy: int
    percent: float
    times: tuple[int, ...]


SCENARIOS = {
    "lcbench": Scenario(
        "OpenML_task_id", (),
        ("epoch", "batch_size", "learning_rate", "momentum", "weight_decay", "num_layers",
         "max_units", "max_dropout"),
        "epoch", (3, 52), 2.58, 1, 100.0, (0,),
    ),
    "rbv2_xgboost": Scenario(
        "task_id", ("booster", "num.impute.selected.cpo"),
        ("nrounds", "eta", "gamma", "lambda", "alpha", "subsample", "max_depth",
         "min_child_weight", "colsample_bytree", "colsample_bylevel", "rate_drop", "skip_drop",
         "trainsize", "repl"),
        "trainsize", (0.03, 1), 3, 0, 1.0, (6, 7),
    ),
    "rbv2_rpart": Scenario(
        "task_id", ("num.impute.selected.cpo",),
        ("cp", "maxdepth", "minbucket", "minsplit", "trainsize", "repl"),
        "trainsize", (0.03, 1), 3, 0, 1.0, (6, 7),
    ),
}  # fmt: skip
REPL = 10  # repetitions that the surrogate averages over; YAHPO's own default
FEW = 8  # instances of the short parts, spread over the list


def folder() -> Path:
    """Return where the models are."""
    beside = Path(__file__).resolve().parents[4] / "shared" / "data" / "yahpo"
    return Path(os.environ.get("BANDMASTER_YAHPO", beside))


def missing() -> str:
    """It needs a package and a folder."""
    if not find_spec("onnxruntime"):
        return "the package onnxruntime is not installed"
    if not (folder() / "instances.json").is_file():
        return "the folder of the YAHPO models is not there (set BANDMASTER_YAHPO)"
    return ""


def names(part: str) -> list[str]:
    """Return ``lcbench-3945`` and so on; a part is ``lcbench``, ``few-lcbench``, ``mf-lcbench``."""
    few, mf = part.startswith("few-"), part.startswith("mf-")
    scenario = part.removeprefix("few-").removeprefix("mf-")
    if not (folder() / "instances.json").is_file():
        return []
    instances = _read("instances.json")[scenario]
    if few or mf:
        instances = [instances[i * len(instances) // FEW] for i in range(FEW)]
    return [f"{'mf-' if mf else ''}{scenario}-{instance}" for instance in instances]


def load(name: str) -> Bench:
    """Return the surrogate of one data set."""
    several = name.startswith("mf-")
    scenario_name, _, instance = name.removeprefix("mf-").rpartition("-")
    scenario, made = SCENARIOS[scenario_name], model(scenario_name)

    def loss(config: Config, budget: float) -> float:
        return made.loss([config], instance, budget)[0]

    def seconds(config: Config, budget: float) -> float:
        return made.seconds([config], instance, budget)[0]

    space = made.space
    top = scenario.budgets[-1]

    def reference() -> Reference:
        configs = space.sample_configs(2_000, np.random.default_rng(0))
        return Reference(float("nan"), float(np.median(made.loss(configs, instance, top))))

    def full_seconds() -> float:
        configs = space.sample_configs(2_000, np.random.default_rng(0))
        return float(np.median(made.seconds(configs, instance, top)))

    budgets = scenario.budgets if several else (top,)
    return Bench(
        Problem(name, space, loss, float("nan"), budgets),
        cost=seconds,
        find_reference=reference,
        eta=scenario.eta if several else None,
        find_full_seconds=full_seconds,
    )


class Model:
    """One ONNX model, asked for losses and durations of many configurations at once."""

    def __init__(self, name: str) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        path = folder() / name / "model.onnx"
        self.session = onnxruntime.InferenceSession(str(path), options)
        self.scenario = SCENARIOS[name]
        self.codes: dict[str, dict[str, int]] = _read(f"{name}/encoding.json")
        self.space = _space(_read(f"{name}/config_space.json"), self.scenario)

    def loss(self, configs: Sequence[Config], instance: str, budget: float) -> list[float]:
        """Return 1 − accuracy of every configuration."""
        return self.loss_and_seconds(configs, instance, budget)[0]

    def seconds(self, configs: Sequence[Config], instance: str, budget: float) -> list[float]:
        """Return how long each takes, at least a millisecond."""
        return self.loss_and_seconds(configs, instance, budget)[1]

    def loss_and_seconds(
        self, configs: Sequence[Config], instance: str, budget: float
    ) -> tuple[list[float], list[float]]:
        """Return both of every configuration."""
        out, scenario = self._run(configs, instance, budget), self.scenario
        loss = 1.0 - out[:, scenario.accuracy] / scenario.percent
        seconds = np.maximum(out[:, list(scenario.times)].sum(1), 1e-3)
        return [float(v) for v in loss], [float(v) for v in seconds]

    def _run(self, configs: Sequence[Config], instance: str, budget: float) -> FloatArray:
        fixed = {self.scenario.fidelity: budget, "repl": REPL}
        cats = [
            [self.codes[self.scenario.instance][instance],
             *(self.codes[name][config.get(name, "#na#")] for name in self.scenario.cats)]
            for config in configs
        ]  # fmt: skip
        conts = [
            [fixed.get(name, config.get(name, 0.0)) for name in self.scenario.conts]
            for config in configs
        ]
        (out,) = self.session.run(
            None, {"x_cat": np.array(cats, np.int32), "x_cont": np.array(conts, np.float32)}
        )
        return np.asarray(out, dtype=float)


model: Callable[[str], Model] = lru_cache(Model)


def _read(name: str) -> Any:
    return json.loads((folder() / name).read_text())


def _space(description: Mapping[str, Any], scenario: Scenario) -> Space:
    fixed = {scenario.instance, scenario.fidelity, "repl"}
    parameters = [_parameter(p) for p in description["hyperparameters"] if p["name"] not in fixed]
    conditions = [
        Condition(c["child"], In(c["parent"], tuple(c.get("values", [c.get("value")]))))
        for c in description["conditions"]
    ]
    return Space(parameters, conditions=conditions)


def _parameter(p: Mapping[str, Any]) -> Parameter:
    if p["type"] == "categorical":
        return Categorical(p["name"], p["choices"])
    if p["type"] == "uniform_int":
        return Integer(p["name"], p["lower"], p["upper"], log=p["log"])
    return Float(p["name"], p["lower"], p["upper"], log=p["log"])
