"""How fast a search space samples, encodes and decodes: ``python benchmarks/space.py``.

Microseconds, the best of several runs; ConfigSpace draws the same space for comparison.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from bandmaster.space import (
    Categorical,
    Condition,
    Equals,
    Float,
    GreaterThan,
    Integer,
    Ordinal,
    Parameter,
    Space,
    compile_space,
    to_configspace,
)
from bandmaster.testing.spaces import automl_hdl


def best_us(function: Callable[[], object], *, calls: int, repeats: int = 5) -> float:
    """Return the least mean time of a call in microseconds."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        for _ in range(calls):
            function()
        times.append((time.perf_counter() - start) / calls)
    return min(times) * 1e6


def flat_space() -> Space:
    """Ten parameters without conditions."""
    parameters: list[Parameter] = [Float(f"f{i}", 0, 1) for i in range(4)]
    parameters += [Float("l0", 1e-5, 1, log=True), Float("l1", 1, 1e6, log=True)]
    parameters += [Integer(f"i{i}", 1, 100) for i in range(2)]
    parameters += [Categorical("c0", ["a", "b", "c"]), Ordinal("o0", [1, 2, 4, 8])]
    return Space(parameters)


def conditional_space() -> Space:
    """Twenty parameters: four options with four parameters each, one of them conditional twice."""
    parameters: list[Parameter] = [
        Categorical("model", ["a", "b", "c", "d"]),
        Float("lr", 1e-5, 1, log=True),
        Integer("depth", 1, 12),
        Categorical("bias", [True, False]),
    ]
    conditions = []
    for model in "abcd":
        parameters += [
            Float(f"{model}:x", 0, 1),
            Float(f"{model}:y", 1e-3, 1e3, log=True),
            Integer(f"{model}:n", 1, 300, log=True),
            Categorical(f"{model}:kind", ["p", "q", "r"]),
        ]
        conditions += [
            Condition(f"{model}:{name}", Equals("model", model)) for name in ("x", "n", "kind")
        ]
        conditions.append(Condition(f"{model}:y", Equals(f"{model}:kind", "q")))
    conditions.append(Condition("bias", GreaterThan("depth", 3)))
    return Space(parameters, conditions=conditions)


def report(name: str, space: Space) -> None:
    """Print the figures of a space."""
    rng = np.random.default_rng(0)
    count = 10_000
    row = space.sample(1, rng)[0]
    config = space.decode_one(row)
    rows = space.sample(count, rng)
    configs = space.decode(rows)
    figures = {
        "sample_configs, bulk": best_us(lambda: space.sample_configs(count, rng), calls=1) / count,
        "sample, bulk": best_us(lambda: space.sample(count, rng), calls=1) / count,
        "decode, bulk": best_us(lambda: space.decode(rows), calls=1) / count,
        "encode, bulk": best_us(lambda: space.encode(configs), calls=1) / count,
        "repair, bulk": best_us(lambda: space.repair(rows), calls=1) / count,
        "legal, bulk": best_us(lambda: space.legal(rows), calls=1) / count,
        "sample(1)": best_us(lambda: space.sample(1, rng), calls=2000),
        "sample_configs(1)": best_us(lambda: space.sample_configs(1, rng), calls=2000),
        "decode_one": best_us(lambda: space.decode_one(row), calls=5000),
        "encode_one": best_us(lambda: space.encode_one(config), calls=5000),
    }
    print(f"{name}: {space.dim} parameters, µs a configuration")
    for what, value in figures.items():
        print(f"  {what:22s} {value:8.2f}")
    theirs = to_configspace(space)
    theirs.seed(0)

    def configspace() -> list[dict[str, object]]:
        return [dict(c) for c in theirs.sample_configuration(2000)]

    slow = best_us(configspace, calls=1, repeats=2) / 2000
    ratio = slow / figures["sample_configs, bulk"]
    print(f"  {'ConfigSpace, bulk':22s} {slow:8.2f}  ({ratio:.0f} times ours)")


if __name__ == "__main__":
    report("flat", flat_space())
    report("conditional", conditional_space())
    report("automl", compile_space(automl_hdl()))
