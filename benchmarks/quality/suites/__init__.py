"""The problems, by suite; a problem is loaded when it is first played.

A suite is a module with ``names() -> list of str``, which costs nothing, and ``load(name) ->
Bench``. What a suite needs and does not find (a package, a folder of data) it says in
``missing() -> str`` (empty when all is there), and the suite is left out.
"""

from __future__ import annotations

from functools import lru_cache
from importlib import import_module
from typing import Any

from bandmaster.errors import ConfigurationError
from benchmarks.quality.bench import Bench

__all__ = ["SUITES", "default_length", "load", "names", "suite_of", "why_missing"]

# Suite -> (module, which of its names, evaluations of a run; with several budgets: how many times
# an evaluation at the largest takes).
SUITES: dict[str, tuple[str, str, int]] = {
    "synthetic": ("synthetic", "four", 100),
    "synthetic-all": ("synthetic", "all", 100),
    "algorithms": ("synthetic", "algorithms", 100),
    "bbob-5": ("bbob", "bbob-5", 100),
    "bbob": ("bbob", "bbob", 100),
    "bbob-mixint-5": ("bbob", "mixint-5", 100),
    "bbob-mixint": ("bbob", "mixint", 100),
    "tabular": ("tabular", "all", 100),
    "hpolib": ("tabular", "HPOLib", 100),
    "hpobench": ("tabular", "HPOBench", 100),
    "nasbench201": ("tabular", "NASBench201", 100),
    "lcbench": ("yahpo", "lcbench", 100),
    "xgboost": ("yahpo", "rbv2_xgboost", 100),
    "rpart": ("yahpo", "rbv2_rpart", 100),
    "lcbench-8": ("yahpo", "few-lcbench", 100),
    "xgboost-8": ("yahpo", "few-rbv2_xgboost", 100),
    "rpart-8": ("yahpo", "few-rbv2_rpart", 100),
    "multi": ("metrics", "multi", 100),
    "constrained": ("metrics", "constrained", 100),
    "live": ("live", "all", 50),
    "live-quick": ("live", "quick", 50),
    "mf-counting-ones": ("synthetic", "fidelity", 50),
    "mf-cost": ("synthetic", "costly", 50),
    "mf-lcbench": ("yahpo", "mf-lcbench", 50),
    "mf-xgboost": ("yahpo", "mf-rbv2_xgboost", 50),
}


def _module(suite: str) -> Any:
    if suite not in SUITES:
        raise ConfigurationError(f"there is no suite {suite!r}; there are {', '.join(SUITES)}")
    return import_module(f"{__name__}.{SUITES[suite][0]}")


def default_length(suite: str, workers: int) -> int:
    """Return how long a run is: evaluations in all, or durations of a full evaluation a worker.

    Several workers make 200 evaluations. With several budgets each works shorter: 20 durations of
    a full evaluation with up to 8 workers, 10 with more.
    """
    length = SUITES[suite][2]
    if workers == 1:
        return length
    if suite.startswith("mf-"):
        return 20 if workers <= 8 else 10
    return max(200, length)


def why_missing(suite: str) -> str:
    """Return what a suite lacks, or nothing."""
    return str(_module(suite).missing())


def names(suite: str) -> list[str]:
    """Return the problems of a suite."""
    return list(_module(suite).names(SUITES[suite][1]))


def suite_of(problem: str) -> str:
    """Return the first suite that has this problem."""
    for suite in SUITES:
        if problem in names(suite):
            return suite
    raise ConfigurationError(f"no suite has a problem {problem!r}; suites are {', '.join(SUITES)}")


@lru_cache(maxsize=64)
def load(problem: str) -> Bench:
    """Return a problem by name."""
    bench: Bench = _module(suite_of(problem)).load(problem)
    return bench
