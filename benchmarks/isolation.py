"""What isolation costs: evaluations in a warm child process against plain ones.

Run it as ``python benchmarks/isolation.py``; figures of one run can be compared, those of different
runs or machines cannot. The median is of single evaluations that do nothing, without a network.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from typing import Any

from bandmaster.asynccomm.isolation import Isolated
from bandmaster.core.context import Context
from bandmaster.core.evaluate import Objective
from bandmaster.core.evaluator import Evaluator, InProcess
from bandmaster.core.isolation import Isolation
from bandmaster.core.job import Job

BOUND = 5e-3  # seconds, over a plain evaluation


def objective(config: dict[str, Any]) -> float:
    """Do nothing, or die."""
    if config["x"] < 0:
        os._exit(1)
    return config["x"]


def once(evaluator: Evaluator, x: float = 0.5) -> float:
    """Return the seconds of one evaluation."""
    job = Job(0, 0, 0, {"x": x}, 1.0)
    began = time.perf_counter()
    evaluator.run(job, Context(job, worker="w"))
    return time.perf_counter() - began


def interleaved(evaluators: dict[str, Evaluator], n: int) -> dict[str, float]:
    """Return the median seconds of each, measured in turns."""
    times: dict[str, list[float]] = {name: [] for name in evaluators}
    for _ in range(10):
        for name, evaluator in evaluators.items():
            for _ in range(n // 10):
                times[name].append(once(evaluator))
    return {name: statistics.median(values) for name, values in times.items()}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=2000, help="evaluations a measurement")
    arguments = parser.parse_args()
    limits = {
        "isolated": Isolation(),
        "  with a time limit": Isolation(time_limit=60.0),
        "  with a memory limit": Isolation(memory_limit=1 << 33),
    }
    isolated = {
        name: Isolated(Objective(objective), isolation=limit) for name, limit in limits.items()
    }
    plain = InProcess(Objective(objective))
    try:
        first = {name: once(evaluator) for name, evaluator in isolated.items()}
        medians = interleaved({"plain": plain, **isolated}, arguments.n)
        dying = isolated["isolated"]
        deaths = [(once(dying, -1.0), once(dying)) for _ in range(20)]
    finally:
        for evaluator in isolated.values():
            evaluator.close()
    for name, seconds in medians.items():
        over = seconds - medians["plain"]
        print(f"{name:22s} {seconds * 1e6:8.0f} us   {over * 1e6:8.0f} us over plain")
    worst = max(medians[name] - medians["plain"] for name in isolated)
    verdict = "kept" if worst <= BOUND else "BROKEN"
    print(f"bound: {BOUND * 1e3:g} ms over plain; at most {worst / BOUND:.0%} of it: {verdict}")
    print(f"first evaluation, interpreter included: {max(first.values()) * 1e3:.0f} ms")
    died, after = (statistics.median(times) * 1e3 for times in zip(*deaths, strict=True))
    print(f"one that dies: {died:.1f} ms; the next one, in a new child: {after:.1f} ms")
    if worst > BOUND:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
